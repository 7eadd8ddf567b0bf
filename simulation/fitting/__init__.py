"""A scenario fitted from a running study's ledger, with the fit shown."""
