"""Seeded mutations of everything that comes from strangers; `python -m tests.fuzz` runs them.

Each module of a kind has `cases(seed)`, an endless iterator of mutated inputs, and
`check(data, folder)`, which gives an input to the product in an empty folder. A `SeehearError` is a
right answer. Everything else that is raised is a finding.
"""

KINDS = ("media", "manifests", "lists", "ledgers", "checkpoints", "web_bodies", "shots")
