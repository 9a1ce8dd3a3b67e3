"""One clip's media for the metrics: decoded when something about them is not known yet."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from seehear.errors import MediaError
from seehear.evaluation.feature_cache import FeatureCache, Kept
from seehear.guidance.conditions import pixels_of
from seehear.guidance.frame_sampling import evenly_spaced_indices
from seehear.hashes import file_sha256
from seehear.media import Audio, Probe, Video, probe, read_audio, read_video
from seehear.metrics import av_align

SAMPLE_RATE = 16_000
MAX_FPS = 60.0
FRAMES = 16  # of a video that networks look at, spread over it
SILENCE = 1e-4  # peak below which a track is silent
CUT_SHORT = 0.95  # decoded share of the promised length below which a file counts as damaged
_SHORTEST_PROMISE_S = 0.5  # shorter files round too much for that


@dataclass(frozen=True)
class ClipMedia:
    """A file, or a part of it, with what is remembered about it."""

    path: Path
    start_s: float | None = None
    duration_s: float | None = None
    memory: FeatureCache | None = None

    @cached_property
    def header(self) -> Probe:
        """What the file says of itself."""
        return probe(self.path)

    @property
    def is_video(self) -> bool:
        """Whether there is a moving picture."""
        return self.header.kind == "video"

    @cached_property
    def video(self) -> Video:
        """Every frame, at the file's own rate: peaks of motion are counted in frames.

        Raises:
            MediaError: Not a video, damaged, or cut short.
        """
        found = read_video(self.path, frames_per_s=min(self.header.fps or 8.0, MAX_FPS))
        self._check_length(found.duration_s)
        first, last = self._span(found.frames_per_s, len(found.frames))
        return replace(found, frames=found.frames[first:last], times_s=found.times_s[first:last])

    @property
    def sound(self) -> Audio:
        """Mono at 16 kHz; errors as `sound_at`."""
        return self.sound_at(SAMPLE_RATE)

    def sound_at(self, sample_rate: int) -> Audio:
        """All channels at a rate in Hz; a rate is read once.

        Raises:
            MediaError: No sound, silent, not finite, damaged, or cut short.
        """
        if sample_rate not in self._sounds:
            self._sounds[sample_rate] = self._read_sound(sample_rate)
        return self._sounds[sample_rate]

    @cached_property
    def _sounds(self) -> dict[int, Audio]:
        return {}

    def _read_sound(self, sample_rate: int) -> Audio:
        found = read_audio(self.path, sample_rate)
        if self.header.kind == "audio":
            self._check_length(found.duration_s)
        first, last = self._span(sample_rate, found.waveform.shape[1])
        waveform = found.waveform[:, first:last]
        if not waveform.isfinite().all():
            raise MediaError(f"{self.path}: has samples that are not finite numbers; make it again")
        if float(waveform.abs().max()) < SILENCE:
            raise MediaError(f"{self.path}: is silent; there is nothing to score")
        return replace(found, waveform=waveform)

    @cached_property
    def frames(self) -> Tensor:
        """What networks look at: float [16, 3, height, width] in [0, 1], fewer of short videos."""
        return pixels_of(
            self.video.frames[list(evenly_spaced_indices(len(self.video.frames), FRAMES))]
        )

    def recalled(self, what: str, by: str, compute: Callable[[], Kept]) -> Kept:
        """What someone says about this file: remembered, or computed and then remembered.

        Args:
            what: Which of the things that they say.
            by: Who says it: the fingerprint of a network, or a name with its settings.
            compute: Says it.
        """
        if self.memory is None:
            return compute()
        about = {
            "content": self._content, "part": (self.start_s, self.duration_s), "what": what,
            "by": by, "settings": (SAMPLE_RATE, MAX_FPS, FRAMES, SILENCE, CUT_SHORT),
        }  # fmt: skip
        return self.memory.recalled(about, compute)

    def known(self, what: str, by: str, compute: Callable[[], Tensor]) -> Tensor:
        """The same for a single tensor."""
        return self.recalled(what, by, lambda: {"value": compute()})["value"]

    def motion(self) -> Tensor:
        """Frame rate, then how far pixels move into each frame; the rate alone for one frame."""

        def compute() -> Tensor:
            frames, rate = self.video.frames, torch.tensor([self.video.frames_per_s]).double()
            if len(frames) < 2:
                return rate
            return torch.cat([rate, torch.from_numpy(av_align.motion_by_frame(frames)).double()])

        return self.known("motion", "Farneback", compute)

    def onsets_s(self) -> Tensor:
        """When something begins to sound."""

        def compute() -> Tensor:
            found = av_align.onset_times(self.sound.waveform.mean(0), SAMPLE_RATE)
            return torch.tensor(found, dtype=torch.float64)

        return self.known("onsets", "librosa", compute)

    @cached_property
    def _content(self) -> str:
        return file_sha256(self.path)

    def _span(self, rate: float | int, count: int) -> tuple[int, int]:
        """First and one past the last of `count` samples or frames that belong to the part."""
        if self.start_s is None and self.duration_s is None:
            return 0, count
        first = round((self.start_s or 0.0) * rate)
        last = count if self.duration_s is None else first + max(1, round(self.duration_s * rate))
        if first >= count or last > count + rate / 2:
            raise MediaError(
                f"{self.path}: ends before the part from {self.start_s or 0:g} s that the list "
                f"names ({self.duration_s or 0:g} s)"
            )
        return first, min(last, count)

    def _check_length(self, decoded_s: float) -> None:
        promised_s = self.header.duration_s or 0.0
        if promised_s >= _SHORTEST_PROMISE_S and decoded_s < CUT_SHORT * promised_s:
            raise MediaError(
                f"{self.path}: is cut short: its header promises {promised_s:.2f} s, "
                f"{decoded_s:.2f} s can be decoded; copy it again"
            )
