"""The append-only ledger of signed decisions, its seal, and the projections that are folded from it."""
