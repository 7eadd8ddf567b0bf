"""Exports: datasets in the formats of the trade, published as a whole or not at all."""

from pipelines.exports.publish import FORMATS, ExportedFile, Manifest, export_datasets

__all__ = ["FORMATS", "ExportedFile", "Manifest", "export_datasets"]
