"""Operational supply datasets, which have no SDTM domain: kits, their movements, shipments and stock."""
