"""Batches of jobs: a job list, a ledger that survives crashes, and local or Ray workers."""
