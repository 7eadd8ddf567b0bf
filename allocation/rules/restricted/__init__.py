"""Restricted randomization: every design whose next allocation depends on the earlier allocations alone, a family a file."""
