"""Path of the weights that ship with the package."""

from pathlib import Path

POCKET = (
    Path(__file__).resolve().parents[1] / "data" / "pocket"
)  # audio, video, binder, text, judge
