"""Benchmarks: ratios to peers and floors, measured in one run on one machine. Each module with a `__main__` runs alone."""
