"""Tuning of resupply thresholds: the cheapest that keep the risk of a missed dose below a stated one, by simulation, certified."""
