"""A simulation that begins with a running study's present state, read from its ledger as of the end of a day."""
