"""Forecasts of recruitment: counts and completion times with their error, from a record of accrual or a running study."""
