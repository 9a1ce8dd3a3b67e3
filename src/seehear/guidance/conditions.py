"""Conditions: input media as fixed target embeddings, computed once per run."""

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
    """The input that guidance aligns the generated media with."""

    def targets(
        self, binder: Binder, windows_s: Sequence[tuple[float, float]], prompt: str | None
    ) -> Targets:
        """Embeddings of every window and of the whole clip, and of the prompt if there is one.

        Args:
            binder: The network that embeds the media.
            windows_s: Start and end of every window in seconds.
            prompt: A description of the clip; None or empty for no text.
        """
        ...


@dataclass(frozen=True, eq=False)
class VideoCondition:
    """An input video, or an image as a video of one frame."""

    frames: Shaped[Tensor, "frames 3 height width"]  # RGB, uint8 or floats in [0, 1]
    times_s: tuple[float, ...]  # presentation time of each frame, ascending

    def targets(
        self, binder: Binder, windows_s: Sequence[tuple[float, float]], prompt: str | None
    ) -> Targets:
        """As `targets_for_video`."""
        return targets_for_video(binder, self.frames, self.times_s, windows_s, prompt)


@dataclass(frozen=True, eq=False)
class AudioCondition:
    """An input audio clip."""

    waveform: Float[Tensor, " samples"]  # mono, in [-1, 1]
    sample_rate: int

    def targets(
        self, binder: Binder, windows_s: Sequence[tuple[float, float]], prompt: str | None
    ) -> Targets:
        """As `targets_for_audio`."""
        return targets_for_audio(binder, self.waveform, self.sample_rate, windows_s, prompt)


@dataclass(frozen=True)
class TextCondition:
    """Text only, by the names in the task's pairs: "text", or one name per stream."""

    texts: Mapping[str, str]

    @torch.no_grad()
    def targets(
        self, binder: Binder, windows_s: Sequence[tuple[float, float]], prompt: str | None
    ) -> Targets:
        """Embeddings of all texts that are not empty; all windows share them."""
        embeddings = {name: binder.embed_text([text]) for name, text in self.texts.items() if text}
        return Targets(local=(embeddings,) * len(windows_s), whole=embeddings)


@dataclass(frozen=True)
class ReferenceCondition:
    """A reference for both streams of a joint model, and a prompt; each may be left out."""

    reference: VideoCondition | AudioCondition | None
    text: str = ""

    def targets(
        self, binder: Binder, windows_s: Sequence[tuple[float, float]], prompt: str | None
    ) -> Targets:
        """Embeddings by the names "reference", of the whole reference, and "text"."""
        embeddings = dict(TextCondition({"text": self.text}).targets(binder, windows_s, None).whole)
        if self.reference is not None:
            embeddings["reference"] = embed_whole(binder, self.reference)
        return Targets(local=(embeddings,) * len(windows_s), whole=embeddings)


def embed_whole(binder: Binder, media: VideoCondition | AudioCondition) -> Float[Tensor, "1 dim"]:
    """The embedding of a whole recording, video or image."""
    if isinstance(media, VideoCondition):
        whole_s = (0.0, max(media.times_s) + 1.0)
        return media.targets(binder, [whole_s], None).whole["video"]
    whole_s = (0.0, len(media.waveform) / media.sample_rate)
    return media.targets(binder, [whole_s], None).whole["audio"]


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
    """Embed a video window by window, and its prompt. An image is a video of one frame.

    The embedding of the whole clip is the normalised mean of its windows' embeddings. This needs no
    extra forward pass and has no limit on the clip's length. Every window has the text's embedding.

    Args:
        binder: The network that embeds the media.
        frames: RGB, uint8 or floats in [0, 1], at the frame rate to embed.
        times_s: Presentation time of each frame in seconds, ascending.
        windows_s: Start and end of each audio window. A window without a frame uses the frame on
            screen at its middle, so an image gives all windows the same target.
        prompt: A description of the clip; None or empty for no text.
        max_batch: Windows to embed in one batch. More need more memory and are hardly faster.

    Raises:
        MediaError: There is no frame, or the number of times differs from that of frames.
        SettingsError: There is no window.
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
    """Embed audio window by window, and its prompt.

    The embedding of the whole clip is the normalised mean of its windows' embeddings.

    Args:
        binder: The network that embeds the media.
        waveform: Mono, in [-1, 1].
        sample_rate: Sample rate of the waveform, in Hz.
        windows_s: Start and end of each video window. A window that ends after the audio is moved
            back to the end of the audio.
        prompt: A description of the clip; None or empty for no text.

    Raises:
        MediaError: The waveform is empty.
        SettingsError: There is no window.
    """
    if not len(waveform):
        raise MediaError("expected audio of at least one sample, got none")
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
    """One embedding per window, and their normalised mean for the whole clip."""
    local = tuple({name: embedding, **text} for embedding in embeddings)
    if all(embedding is embeddings[0] for embedding in embeddings):
        return Targets(local=local, whole=local[0])
    mean = torch.cat(list(embeddings)).mean(dim=0, keepdim=True)
    return Targets(local=local, whole={name: torch.nn.functional.normalize(mean), **text})


def pixels_of(frames: Shaped[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Frames as floats in [0, 1]; clips are stored as uint8 to save memory."""
    return frames.float() / 255 if frames.dtype == torch.uint8 else frames


def frames_in_window(times_s: Sequence[float], start_s: float, end_s: float) -> tuple[int, ...]:
    """Frames that start within [start, end); without any, the frame on screen at its middle."""
    inside = tuple(k for k, t in enumerate(times_s) if start_s <= t < end_s)
    if inside:
        return inside
    middle_s = (start_s + end_s) / 2
    return (max((k for k, t in enumerate(times_s) if t <= middle_s), default=0),)


def _embed_each(
    binder: Binder, frames: Tensor, choices: Sequence[tuple[int, ...]], max_batch: int
) -> dict[tuple[int, ...], Tensor]:
    """An embedding (1, dim) per selection of frames; selections of equal length share a batch."""
    embeddings: dict[tuple[int, ...], Tensor] = {}
    for count in sorted({len(indices) for indices in choices}):
        same_length = [indices for indices in choices if len(indices) == count]
        for first in range(0, len(same_length), max_batch):
            batch = same_length[first : first + max_batch]
            frame_batch = torch.stack([pixels_of(frames[list(indices)]) for indices in batch])
            embedded = binder.embed_video(frame_batch)
            embeddings.update(zip(batch, embedded.split(1), strict=True))
    return embeddings
