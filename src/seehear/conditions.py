"""Given media as fixed embeddings to align with, computed once per run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from seehear.errors import MediaError, SettingsError
from seehear.protocols import Binder


@dataclass(frozen=True)
class Targets:
    """Embeddings, (1, dim) each, by name: "video", "audio" or "text"."""

    local: tuple[Mapping[str, Tensor], ...]  # one per window
    whole: Mapping[str, Tensor]  # of the entire clip


@torch.no_grad()
def targets_for_video(
    binder: Binder,
    frames: Shaped[Tensor, "frames 3 height width"],
    times_s: Sequence[float],
    windows_s: Sequence[tuple[float, float]],
    prompt: str | None,
    *,
    max_batch: int = 2,
) -> Targets:
    """Embed a video window by window, and its prompt; a picture is a video of one frame.

    The whole clip's embedding is the mean of its windows', made unit length again: it costs
    nothing more, and no clip is too long for the binder. The text counts in every window.

    Args:
        binder: The network whose embeddings are compared.
        frames: RGB, uint8 or floats in [0, 1]; as many per second as the binder should see.
        times_s: When each frame is shown, in seconds, rising.
        windows_s: Start and end of each window of sound. A window without a frame takes the
            frame shown at its middle, so a picture gives the same target to all.
        prompt: What the clip shows; None or empty for no text.
        max_batch: Windows that are embedded at once; memory grows with it, speed hardly.

    Raises:
        MediaError: No frame, or not one time per frame.
        SettingsError: No window.
    """
    if len(frames) == 0 or len(frames) != len(times_s):
        raise MediaError(
            f"expected at least one frame and a time for each, got {len(frames)} frames and "
            f"{len(times_s)} times"
        )
    if not windows_s:
        raise SettingsError("expected at least one window, got none")
    chosen = [frames_in_window(times_s, start, end) for start, end in windows_s]
    embeddings = _embed_each(binder, frames, sorted(set(chosen)), max_batch)
    text = {"text": binder.embed_text([prompt])} if prompt else {}
    local = tuple({"video": embeddings[indices], **text} for indices in chosen)
    if len(embeddings) == 1:
        return Targets(local=local, whole=local[0])
    mean = torch.cat([embeddings[indices] for indices in chosen]).mean(dim=0, keepdim=True)
    return Targets(local=local, whole={"video": torch.nn.functional.normalize(mean), **text})


def pixels_of(frames: Shaped[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Frames as floats in [0, 1]; a clip is kept as uint8, a quarter of that."""
    return frames.float() / 255 if frames.dtype == torch.uint8 else frames


def frames_in_window(times_s: Sequence[float], start_s: float, end_s: float) -> tuple[int, ...]:
    """Indices of the frames shown first within [start, end), or else the one on screen midway."""
    inside = tuple(k for k, t in enumerate(times_s) if start_s <= t < end_s)
    if inside:
        return inside
    middle_s = (start_s + end_s) / 2
    return (max((k for k, t in enumerate(times_s) if t <= middle_s), default=0),)


def _embed_each(
    binder: Binder, frames: Tensor, choices: Sequence[tuple[int, ...]], max_batch: int
) -> dict[tuple[int, ...], Tensor]:
    """An embedding (1, dim) for each choice of frames; those of equal length share a batch."""
    embeddings: dict[tuple[int, ...], Tensor] = {}
    for count in sorted({len(indices) for indices in choices}):
        alike = [indices for indices in choices if len(indices) == count]
        for first in range(0, len(alike), max_batch):
            batch = alike[first : first + max_batch]
            pictures = torch.stack([pixels_of(frames[list(indices)]) for indices in batch])
            found = binder.embed_video(pictures)
            embeddings.update(zip(batch, found.split(1), strict=True))
    return embeddings
