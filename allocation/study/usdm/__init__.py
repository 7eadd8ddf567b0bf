"""A study file drafted from a CDISC USDM 4.0 document."""

from allocation.study.usdm.draft import draft_yaml
from allocation.study.usdm.errors import UsdmUnreadable
from allocation.study.usdm.findings import Finding, ImportedProtocol
from allocation.study.usdm.importer import import_usdm

__all__ = ["Finding", "ImportedProtocol", "UsdmUnreadable", "draft_yaml", "import_usdm"]
