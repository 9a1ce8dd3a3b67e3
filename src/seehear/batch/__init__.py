"""Batches of jobs: a job file, a job database that survives crashes, local and Ray workers."""
