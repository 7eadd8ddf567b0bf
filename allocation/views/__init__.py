"""What may be read. `blinded` and `unblinded` are separate models with separate queries, not a filter at the end."""
