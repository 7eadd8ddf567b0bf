"""The errors of data_contracts.

    ContractError                 root: catch this one at a boundary
    ├── UnknownDatasetError       no contract, dataset, variable or codelist of that name
    └── ContractCheckError        the check itself could not be run (never: the data are wrong)

Wrong data raise nothing: they come back as failures in a `ContractResult`. `ContractViolated` is for callers that want
a broken contract to stop them (`ContractResult.require`).
"""


class ContractError(Exception):
    """Root of the errors of this package."""


class UnknownDatasetError(ContractError):
    """A dataset, variable or codelist was asked for that the tables do not hold."""


class ContractCheckError(ContractError):
    """The check could not be carried out: a wrong argument, or an expectation that raised."""


class ContractViolated(ContractError):
    """A dataset broke a critical rule of its contract; the message names rule, column and first keys."""
