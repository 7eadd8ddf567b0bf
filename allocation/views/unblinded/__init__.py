"""Views for those who may learn arms. Nothing in `blinded` may import from here."""
