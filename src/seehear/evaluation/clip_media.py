"""The media of one clip for the metrics, decoded only if a feature is not cached."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from seehear.errors import MediaError
from seehear.evaluation.feature_cache import FeatureCache, Tensors
from seehear.guidance.conditions import pixels_of
from seehear.guidance.frame_sampling import evenly_spaced_indices
from seehear.hashes import file_sha256
from seehear.media import Audio, Probe, Video, probe, read_audio, read_video
from seehear.metrics import av_align

SAMPLE_RATE = 16_000
MAX_FPS = 60.0
FRAMES = 16  # network input frames per video, evenly spaced
SILENCE = 1e-4  # peak magnitude below which audio counts as silent
SHORT_S = 1.0  # a network that fails on a shorter clip needs a longer one
CUT_SHORT = 0.95  # decoded / declared duration below which a file counts as truncated
_MIN_CHECKED_S = 0.5  # declared durations of shorter files are too coarse for this check


@dataclass(frozen=True)
class ClipMedia:
    """A media file, or a segment of it, with its cached features."""

    path: Path
    start_s: float | None = None
    duration_s: float | None = None
    memory: FeatureCache | None = None

    @cached_property
    def header(self) -> Probe:
        """Properties from the file header."""
        return probe(self.path)

    def rejected(self) -> MediaError:
        """The error for a clip that a network fails on, most often because it is too short."""
        seconds = self.duration_s or self.header.duration_s
        if seconds is not None and seconds < SHORT_S:
            return MediaError(
                f"{self.path}: expected a clip that is long enough for the networks, got "
                f"{seconds:.3f} s; make it longer or leave it out"
            )
        return MediaError(
            f"{self.path}: expected a clip that can be scored, but a network fails on it; leave it "
            "out, or report the file as a bug"
        )

    @property
    def is_video(self) -> bool:
        """Whether the file is a video."""
        return self.header.kind == "video"

    @cached_property
    def video(self) -> Video:
        """All frames at the native frame rate, which AV-Align needs.

        Raises:
            MediaError: Not a video, damaged, or truncated.
        """
        video = read_video(self.path, frames_per_s=min(self.header.fps or 8.0, MAX_FPS))
        self._check_length(video.duration_s)
        first, last = self._span(video.frames_per_s, len(video.frames))
        return replace(video, frames=video.frames[first:last], times_s=video.times_s[first:last])

    @property
    def audio(self) -> Audio:
        """Mono audio at 16 kHz. Raises as `audio_at`."""
        return self.audio_at(SAMPLE_RATE)

    def audio_at(self, sample_rate: int) -> Audio:
        """Mono audio at a sample rate. Each rate is read once.

        Raises:
            MediaError: No audio, silent, NaN or inf, damaged, or truncated.
        """
        if sample_rate not in self._audio_by_rate:
            self._audio_by_rate[sample_rate] = self._read_audio(sample_rate)
        return self._audio_by_rate[sample_rate]

    @cached_property
    def _audio_by_rate(self) -> dict[int, Audio]:
        return {}

    def _read_audio(self, sample_rate: int) -> Audio:
        audio = read_audio(self.path, sample_rate)
        if self.header.kind == "audio":
            self._check_length(audio.duration_s)
        first, last = self._span(sample_rate, audio.waveform.shape[1])
        waveform = audio.waveform[:, first:last]
        if not waveform.isfinite().all():
            raise MediaError(
                f"{self.path}: expected finite samples, got NaN or inf; generate it again"
            )
        if float(waveform.abs().max()) < SILENCE:
            raise MediaError(f"{self.path}: the audio is silent, so there is nothing to score")
        return replace(audio, waveform=waveform)

    @cached_property
    def frames(self) -> Tensor:
        """Network input: float [16, 3, height, width] in [0, 1]; fewer frames of short videos."""
        return pixels_of(
            self.video.frames[list(evenly_spaced_indices(len(self.video.frames), FRAMES))]
        )

    def cached(self, what: str, by: str, compute: Callable[[], Tensors]) -> Tensors:
        """Load features of this clip from the cache, or compute and cache them.

        Args:
            what: Name of the features.
            by: Their origin: the fingerprint of a network, or the name of an algorithm.
            compute: Computes the features.
        """
        if self.memory is None:
            return compute()
        key = {
            "content": self._content, "part": (self.start_s, self.duration_s), "what": what,
            "by": by, "settings": (SAMPLE_RATE, MAX_FPS, FRAMES, SILENCE, CUT_SHORT),
        }  # fmt: skip
        return self.memory.get_or_compute(key, compute)

    def cached_tensor(self, what: str, by: str, compute: Callable[[], Tensor]) -> Tensor:
        """`cached` for a single tensor."""
        return self.cached(what, by, lambda: {"value": compute()})["value"]

    def motion(self) -> Tensor:
        """Frame rate, then the mean optical flow into each frame; only the rate for one frame."""

        def compute() -> Tensor:
            frames, rate = self.video.frames, torch.tensor([self.video.frames_per_s]).double()
            if len(frames) < 2:
                return rate
            return torch.cat([rate, torch.from_numpy(av_align.motion_by_frame(frames)).double()])

        return self.cached_tensor("motion", "Farneback", compute)

    def onsets_s(self) -> Tensor:
        """Audio onset times in seconds."""

        def compute() -> Tensor:
            onsets = av_align.onset_times(self.audio.waveform.mean(0), SAMPLE_RATE)
            return torch.tensor(onsets, dtype=torch.float64)

        return self.cached_tensor("onsets", "librosa", compute)

    @cached_property
    def _content(self) -> str:
        return file_sha256(self.path)

    def _span(self, rate: float | int, count: int) -> tuple[int, int]:
        """Index range of the segment in `count` samples or frames."""
        if self.start_s is None and self.duration_s is None:
            return 0, count
        first = round((self.start_s or 0.0) * rate)
        last = count if self.duration_s is None else first + max(1, round(self.duration_s * rate))
        if first >= count or last > count + rate / 2:
            raise MediaError(
                f"{self.path}: expected a segment from {self.start_s or 0:g} s "
                f"({self.duration_s or 0:g} s long), but the file ends before it; correct the list"
            )
        return first, min(last, count)

    def _check_length(self, decoded_s: float) -> None:
        declared_s = self.header.duration_s or 0.0
        if declared_s >= _MIN_CHECKED_S and decoded_s < CUT_SHORT * declared_s:
            raise MediaError(
                f"{self.path}: expected {declared_s:.2f} s as the header states, got "
                f"{decoded_s:.2f} s; the file is truncated, copy it again"
            )
