"""Metrics of generated media. Nothing here is used in guidance."""
