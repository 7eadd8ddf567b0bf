"""Randomization designs compared before a trial: exact laws, simulated trials, and the balance against predictability of each."""
