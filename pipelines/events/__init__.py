"""Sealed ledger entries as typed event frames: the input of every derived dataset."""
