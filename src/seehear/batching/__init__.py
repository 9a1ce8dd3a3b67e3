"""Thousands of outputs: a list of jobs, a ledger that survives crashes, workers that make them."""

from seehear.batching.ledger import Counts, Ledger, Row
from seehear.batching.lists import Entry, entries_of
from seehear.batching.making import Makes, MakesOrders
from seehear.batching.processes import run_processes

__all__ = [
    "Counts",
    "Entry",
    "Ledger",
    "Makes",
    "MakesOrders",
    "Row",
    "entries_of",
    "run_processes",
]
