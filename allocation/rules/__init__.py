"""Pure decisions: plain values in, a decision and its record out. See README.md in this folder."""
