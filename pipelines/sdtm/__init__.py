"""SDTM: what the standard asks of a dataset (metadata), and bringing a built frame into that form (conform)."""
