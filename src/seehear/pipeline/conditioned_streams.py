"""The input of v2a or a2v as the conditioning stream of a joint model."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seehear.dsp.resample import resample
from seehear.errors import SettingsError
from seehear.guidance.protocols import Backbone, JointStream
from seehear.guidance.streams import Stream
from seehear.media import Audio, Image, Video, read_video
from seehear.pipeline.inputs import Media
from seehear.pipeline.task import Task


def with_conditioned_stream(
    task: Task, backbones: Mapping[Stream, Backbone], media: Media | None, seed: int
) -> dict[Stream, Backbone]:
    """The backbones of a task; a joint model's stream is conditioned on the other one, the input.

    Raises:
        SettingsError: The joint model needs a stream that the input does not have, or the task
            needs a joint model and there is none.
    """
    found = dict(backbones)
    for s, backbone in backbones.items():
        if not isinstance(backbone, JointStream):
            if task.needs_joint_model:
                raise SettingsError(
                    "expected a joint model of video and audio, got two models; name one with "
                    "--backbone, such as mm-diffusion=Landscape.pt"
                )
            continue
        others = [other for other in backbone.joint.streams if other not in backbones]
        if not others:
            continue
        (condition,) = others
        partner = backbone.joint.stream(condition)
        generator = torch.Generator().manual_seed(seed)
        found[s] = backbone.joint.conditioned_on(condition, _latents_of(partner, media), generator)
    return found


def _latents_of(partner: Backbone, media: Media | None) -> Tensor:
    """The input as clean latents of a joint model's stream."""
    empty = partner.prior(0.0, 1, torch.Generator().manual_seed(0))
    if partner.stream == "audio" and isinstance(media, Audio):
        return waveform_latents(media, int(partner.sample_rate), empty.shape[-1]).to(empty)
    if partner.stream == "video" and isinstance(media, Video) and partner.native_duration_s:
        if media.path is not None:
            media = read_video(media.path, frames_per_s=float(partner.sample_rate))
        count, height, width = empty.shape[1], *empty.shape[-2:]
        return frame_latents(media, float(partner.sample_rate), count, height, width).to(empty)
    kind = "an image" if isinstance(media, Image) else "this input"
    raise SettingsError(
        f"the joint model generates a stream for {partner.stream}, and {kind} has none; use "
        "two models, without --backbone"
    )


def waveform_latents(audio: Audio, sample_rate: int, samples: int) -> Float[Tensor, "1 1 samples"]:
    """A clip's samples in mono at the model's rate, cut or filled with silence at the end."""
    mono = audio.waveform.mean(dim=0, keepdim=True)
    waveform = resample(mono, audio.sample_rate, sample_rate)[:, :samples]
    return functional.pad(waveform, (0, samples - waveform.shape[1]))[None]


def frame_latents(
    video: Video, fps: float, count: int, height: int, width: int
) -> Float[Tensor, "1 count 3 height width"]:
    """A clip's frames at the model's rate and size, in [-1, 1].

    The whole frame is kept, with black bars where the shapes differ, as in the authors' loader. The
    last frame stays until the end of the model's clip.
    """
    times = torch.arange(count, dtype=torch.float64) / fps
    on_screen = torch.searchsorted(video.times_s.double(), times + 1e-6).clamp(min=1) - 1
    frames = video.frames[on_screen].float() / 255
    scale = min(height / frames.shape[2], width / frames.shape[3])
    size = [max(1, round(scale * side)) for side in frames.shape[2:]]
    fitted = functional.interpolate(frames, size, mode="bicubic", antialias=True).clamp(0, 1)
    above, left = (height - size[0]) // 2, (width - size[1]) // 2
    margins = (left, width - size[1] - left, above, height - size[0] - above)
    return 2 * functional.pad(fitted, margins)[None] - 1
