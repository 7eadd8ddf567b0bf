"""Data contracts: what each dataset of the project must keep, checked with Great Expectations. Stands alone: imports no sibling."""

from data_contracts.check import ContractResult, Failure, check, contract_for
from data_contracts.registry import Contract, contract, datasets

__all__ = ["Contract", "ContractResult", "Failure", "check", "contract", "contract_for", "datasets"]
