"""The use cases: one command, one transaction, one ledger entry."""
