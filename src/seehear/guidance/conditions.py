"""Given media as fixed embeddings to align with, computed once per run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from seehear.errors import MediaError, SettingsError
from seehear.guidance.protocols import Binder


@dataclass(frozen=True)
class Targets:
    """Embeddings, (1, dim) each, by name: "video", "audio" or "text"."""

    local: tuple[Mapping[str, Tensor], ...]  # one per window
    whole: Mapping[str, Tensor]  # of the entire clip


@runtime_checkable
class Condition(Protocol):
    """What a task is given to align with."""

    def targets(
        self, binder: Binder, windows_s: Sequence[tuple[float, float]], prompt: str | None
    ) -> Targets:
        """Embeddings for every window and for all of it, with those of the prompt if there is one.

        Args:
            binder: The network whose embeddings are compared.
            windows_s: Start and end of every window in seconds.
            prompt: What the clip shows; None or empty for no text.
        """
        ...


@dataclass(frozen=True, eq=False)
class VideoCondition:
    """A video that is given, or with one frame a picture."""

    frames: Shaped[Tensor, "frames 3 height width"]  # RGB, uint8 or floats in [0, 1]
    times_s: tuple[float, ...]  # when each frame is on screen, rising

    def targets(
        self, binder: Binder, windows_s: Sequence[tuple[float, float]], prompt: str | None
    ) -> Targets:
        """As `targets_for_video`."""
        return targets_for_video(binder, self.frames, self.times_s, windows_s, prompt)


@dataclass(frozen=True, eq=False)
class AudioCondition:
    """A sound that is given."""

    waveform: Float[Tensor, " samples"]  # mono, in [-1, 1]
    sample_rate: int

    def targets(
        self, binder: Binder, windows_s: Sequence[tuple[float, float]], prompt: str | None
    ) -> Targets:
        """As `targets_for_audio`."""
        return targets_for_audio(binder, self.waveform, self.sample_rate, windows_s, prompt)


@dataclass(frozen=True)
class TextCondition:
    """Words alone, under the names that the task's pairs use: "text", or one for each stream."""

    texts: Mapping[str, str]

    @torch.no_grad()
    def targets(
        self, binder: Binder, windows_s: Sequence[tuple[float, float]], prompt: str | None
    ) -> Targets:
        """Embeddings of the texts that are not empty, the same for all windows."""
        found = {name: binder.embed_text([text]) for name, text in self.texts.items() if text}
        return Targets(local=(found,) * len(windows_s), whole=found)


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
    return _targets("video", [embeddings[indices] for indices in chosen], _text(binder, prompt))


@torch.no_grad()
def targets_for_audio(
    binder: Binder,
    waveform: Float[Tensor, " samples"],
    sample_rate: int,
    windows_s: Sequence[tuple[float, float]],
    prompt: str | None,
) -> Targets:
    """Embed a sound window by window, and its prompt; the whole is the mean of the windows.

    Args:
        binder: The network whose embeddings are compared.
        waveform: Mono, in [-1, 1].
        sample_rate: Of the waveform, in Hz.
        windows_s: Start and end of each window of pictures. One that ends after the sound hears
            the last part of it that is as long.
        prompt: What is heard; None or empty for no text.

    Raises:
        MediaError: No sample.
        SettingsError: No window.
    """
    if not len(waveform):
        raise MediaError("expected a sound of at least one sample, got none")
    if not windows_s:
        raise SettingsError("expected at least one window, got none")
    embeddings = []
    for start_s, end_s in windows_s:
        end = min(round(end_s * sample_rate), len(waveform))
        start = max(
            0, min(round(start_s * sample_rate), end - round((end_s - start_s) * sample_rate))
        )
        embeddings.append(binder.embed_audio(waveform[None, start:end], sample_rate))
    return _targets("audio", embeddings, _text(binder, prompt))


def _text(binder: Binder, prompt: str | None) -> dict[str, Tensor]:
    return {"text": binder.embed_text([prompt])} if prompt else {}


def _targets(name: str, embeddings: Sequence[Tensor], text: Mapping[str, Tensor]) -> Targets:
    """One embedding per window, and their mean, made unit length again, for the whole clip."""
    local = tuple({name: embedding, **text} for embedding in embeddings)
    if all(embedding is embeddings[0] for embedding in embeddings):
        return Targets(local=local, whole=local[0])
    mean = torch.cat(list(embeddings)).mean(dim=0, keepdim=True)
    return Targets(local=local, whole={name: torch.nn.functional.normalize(mean), **text})


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
