"""The errors of pipelines.

    PipelineError             root: catch this one at a boundary
    ├── ConformError          a built frame does not fit the standard; names dataset, variable and rows
    └── ExportError           an export cannot be written; what stood in its place before is untouched
"""


class PipelineError(Exception):
    """Root of the errors of this package."""


class ConformError(PipelineError):
    """A frame cannot be brought into the form of its dataset."""


class ExportError(PipelineError):
    """An export cannot be written: a wrong request, or a file that came out other than it must."""
