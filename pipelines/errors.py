"""The errors of pipelines.

PipelineError             root: catch this one at a boundary
├── UnreadableEntry       a ledger entry that the translation into events does not know or cannot read
├── DerivationError       a dataset cannot be derived from the events and the protocol
├── DatasetsRejected      datasets broke their contracts; nothing was published
├── LakeError             the lake has no snapshot, or not the dataset that is asked for
├── ConformError          a built frame does not fit the standard; names dataset, variable and rows
└── ExportError           an export cannot be written; what stood in its place before is untouched
"""


class PipelineError(Exception):
    """Root of the errors of this package."""


class UnreadableEntry(PipelineError):
    """A sealed entry has a command without a translation, or a payload that its translation cannot read."""


class DerivationError(PipelineError):
    """The protocol does not say what a dataset needs, such as the regimen of an arm at a visit."""


class DatasetsRejected(PipelineError):
    """Datasets broke critical rules of their contracts; the previous snapshot stays in place."""


class LakeError(PipelineError):
    """A snapshot or a dataset that is asked for is not in the lake."""


class ConformError(PipelineError):
    """A frame cannot be brought into the form of its dataset."""


class ExportError(PipelineError):
    """An export cannot be written: a wrong request, or a file that came out other than it must."""
