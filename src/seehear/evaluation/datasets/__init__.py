"""Clips to evaluate on, from folders on this machine. Nothing here fetches anything."""

from seehear.evaluation.datasets.clip import Clip, drawn, parts, read_list, sample, write_list

__all__ = ["Clip", "drawn", "parts", "read_list", "sample", "write_list"]
