"""Streams that are generated, and the pairs of embeddings that a task compares (Eqs. 14 to 16)."""

from typing import Literal

Pair = tuple[str, str]  # names of two embeddings: "audio", "video" or "text"
V2A: tuple[Pair, ...] = (("audio", "video"), ("audio", "text"))  # Eq. 15, dual
A2V: tuple[Pair, ...] = (("video", "audio"), ("video", "text"))  # Eq. 14, dual
JOINT: tuple[Pair, ...] = (("audio", "video"), ("audio", "text"), ("video", "text"))  # Eq. 16
# Eq. 16 with separate prompts for audio and video.
JOINT_OWN: tuple[Pair, ...] = (
    ("audio", "video"),
    ("audio", "audio text"),
    ("video", "video text"),
)
# Eq. 16 for a joint model, with a reference in place of the prompt, or both, or none: a pair
# without a target counts nothing.
JOINT_MODEL: tuple[Pair, ...] = (*JOINT, ("audio", "reference"), ("video", "reference"))

Stream = Literal["audio", "video"]
