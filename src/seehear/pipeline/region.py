"""A region of a video whose audio is generated again, and the audio around it, which is kept."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seehear.errors import MediaError, SettingsError
from seehear.guidance.inpainting import InpaintedBackbone
from seehear.guidance.protocols import Backbone
from seehear.media import Audio, Video, read_audio
from seehear.media.encode import pad_or_trim, resample_for_track
from seehear.pipeline.steering import encoded_audio

MIN_REGION_S = 0.1  # as the shortest input
CONTEXT_S = 1.0  # kept audio on both sides that the model sees at least, where the clip has it
FADE_S = 0.02  # crossfade at both ends, inside the region


@dataclass(frozen=True, kw_only=True, eq=False)
class Region:
    """A region of a clip, the audio of the clip, and the part of the clip to generate.

    The part contains the region and kept audio around it, so that the model continues it.
    """

    start_s: float
    end_s: float
    recording: Audio  # of the whole clip
    part_s: tuple[float, float]  # start and end

    def inpainted(self, backbone: Backbone, noise: Tensor) -> InpaintedBackbone:
        """The backbone with the latents of the recording outside the region.

        Args:
            backbone: The audio model.
            noise: Standard normal latents of the part.

        Raises:
            SettingsError: The model cannot encode audio.
        """
        start, end = (round(t * self.recording.sample_rate) for t in self.part_s)
        around = replace(self.recording, waveform=self.recording.waveform[:, start:end])
        clean = encoded_audio(around, backbone, noise)
        return InpaintedBackbone(backbone, clean, noise, self._is_known(backbone, noise))

    def _is_known(self, backbone: Backbone, noise: Tensor) -> Bool[Tensor, " length"]:
        """Positions that end before the region or start after it, but within the part."""
        positions = torch.arange(noise.shape[backbone.time_axis])
        starts = positions / backbone.latents_per_s + self.part_s[0]
        ends = (positions + 1) / backbone.latents_per_s + self.part_s[0]
        is_outside = (ends <= self.start_s) | (starts >= self.end_s)
        return is_outside & (starts < self.part_s[1])

    def spliced(
        self, waveform: Float[Tensor, " samples"], sample_rate: int
    ) -> Float[Tensor, "channels all_samples"]:
        """The recording with the region replaced by that of the generated part.

        All samples outside the region are unchanged. Inside, both ends are crossfaded with equal
        power over 20 ms, except where the region starts or ends with the clip.

        Args:
            waveform: Generated audio of the part.
            sample_rate: Its sample rate; the result has that of the recording.
        """
        rate, old = self.recording.sample_rate, self.recording.waveform
        start, end = round(self.start_s * rate), min(round(self.end_s * rate), old.shape[1])
        new = torch.from_numpy(resample_for_track(waveform[None].numpy(), sample_rate, rate))
        first = start - round(self.part_s[0] * rate)
        region = torch.from_numpy(pad_or_trim(new[:, first:].numpy(), end - start))
        gain = torch.ones(end - start)
        fade = min(round(FADE_S * rate), (end - start) // 2)
        ramp = torch.sin((torch.arange(fade) + 0.5) / max(1, fade) * (math.pi / 2))
        if start > 0:
            gain[:fade] = ramp
        if end < old.shape[1]:
            gain[len(gain) - fade :] = ramp.flip(0)
        spliced = old.clone()
        kept = (1 - gain.square()).clamp(min=0).sqrt()
        spliced[:, start:end] = kept * old[:, start:end] + gain * region
        return spliced


def region_of(
    video: Video, start_s: float | None, end_s: float | None, native_duration_s: float
) -> Region:
    """The region of a video with audio, and the part of the clip to generate.

    Args:
        video: The clip, from a file.
        start_s: Start of the region in seconds; None: that of the clip.
        end_s: Its end; None: that of the clip.
        native_duration_s: Length of the model's clips. The part is at least as long, if the clip
            is.

    Raises:
        MediaError: The file has no audio.
        SettingsError: Not a file, or the region is too short, or not inside the clip.
    """
    if video.path is None:
        raise SettingsError("expected a video file for a region, got frames; save them as a video")
    if not video.has_audio:
        raise MediaError(
            f"{video.path}: expected a video with audio, which is kept outside the region, got "
            "none; generate audio for all of it first"
        )
    start = 0.0 if start_s is None else start_s
    end = video.duration_s if end_s is None else end_s
    if not 0 <= start <= end - MIN_REGION_S or end > video.duration_s + 1e-6:
        raise SettingsError(
            f"expected a region of at least {MIN_REGION_S:g} s in a clip of "
            f"{video.duration_s:.3f} s, got {start:g} to {end:g} s"
        )
    return Region(
        start_s=start,
        end_s=min(end, video.duration_s),
        recording=_track_of(video.path, video.duration_s),
        part_s=_part(start, end, native_duration_s, video.duration_s),
    )


def _track_of(path: Path, duration_s: float) -> Audio:
    """The audio of a clip at its own rate, exactly as long as the clip."""
    audio = read_audio(path, None, mono=False, max_duration_s=math.inf)
    samples = pad_or_trim(audio.waveform.numpy(), round(duration_s * audio.sample_rate))
    return replace(audio, waveform=torch.from_numpy(samples))


def _part(start_s: float, end_s: float, native_s: float, duration_s: float) -> tuple[float, float]:
    """The part of a clip around a region: `CONTEXT_S` on both sides, or the model's length."""
    wanted = min(duration_s, max(native_s, end_s - start_s + 2 * CONTEXT_S))
    first = (start_s + end_s - wanted) / 2
    first = min(max(0.0, first), duration_s - wanted)
    return first, first + wanted


def frames_between(video: Video, start_s: float, end_s: float) -> Video:
    """The frames of a video that are on screen between two times, which start at 0.

    The path stays, because all of the video is written to the output.
    """
    times = video.times_s
    is_on = (times >= start_s - 1e-9) & (times < end_s - 1e-9)
    if not is_on.any():  # the frame on screen at the start
        is_on = times == times[times <= start_s + 1e-9].max()
    return replace(
        video,
        frames=video.frames[is_on],
        times_s=(times[is_on] - start_s).clamp(min=0),
        duration_s=end_s - start_s,
    )
