"""The EDC: what it sends is read, mapped and kept; what it is to be told is written and delivered."""
