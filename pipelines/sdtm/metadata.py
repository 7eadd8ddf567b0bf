"""What an export must know of the standard: a dataset's variables in order, its keys, and the type of each column.

The tables are those that the contracts judge by (`data_contracts.standard`): there is one copy of them.
"""

from typing import Literal

from data_contracts.standard import (
    Codelist,
    Dataset,
    Variable,
    codelist,
    dataset,
    dataset_names,
    paired_terms,
)

__all__ = [
    "Codelist",
    "Dataset",
    "Variable",
    "codelist",
    "column_type",
    "dataset",
    "dataset_names",
    "paired_terms",
    "variables",
]

ColumnType = Literal["string", "integer", "float"]


def variables(name: str) -> tuple[Variable, ...]:
    """The variables of a dataset in the order of the implementation guide; raises UnknownDatasetError."""
    return dataset(name).variables


def column_type(variable: Variable) -> ColumnType:
    """The type of a variable's values. VISITNUM and results are floats: 3.5 is a visit number."""
    if variable.type == "Char":
        return "string"
    return "integer" if variable.is_integer else "float"
