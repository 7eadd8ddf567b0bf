"""The protocol as data: models, YAML in and out, validation, comparison, import from USDM."""
