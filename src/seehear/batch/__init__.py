"""Thousands of outputs: a list of jobs, a ledger that survives crashes, workers that make them."""
