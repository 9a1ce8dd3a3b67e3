"""Evaluation clips from local folders. Nothing is downloaded."""

from seehear.evaluation.datasets.clip import (
    Clip,
    random_segments,
    read_list,
    sample,
    stable_hash,
    write_list,
)

__all__ = ["Clip", "random_segments", "read_list", "sample", "stable_hash", "write_list"]
