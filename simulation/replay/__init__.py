"""A recorded study, read from its SDTM datasets, played through the real service and compared with what comes out."""
