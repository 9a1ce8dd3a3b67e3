"""Clips longer than a model's own length: overlapping windows of latents, fused at every step."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from seehear.errors import SettingsError
from seehear.guidance.diffusion import NoiseLevel, Prediction
from seehear.guidance.protocols import Backbone, HasPreview

_GOLDEN = (math.sqrt(5) - 1) / 2  # multiples of it fall evenly between 0 and 1, in any number


@dataclass(frozen=True, kw_only=True)
class WindowLayout:
    """How windows lie over a clip, counted in latent positions."""

    window: int  # length of a window
    overlap: int  # least number of positions that neighbours share

    def __post_init__(self):
        if not 0 < self.overlap < self.window:
            raise SettingsError(
                f"windows need 0 < overlap < window, got window={self.window}, "
                f"overlap={self.overlap}"
            )

    def spans(self, length: int, moved: float = 0.0) -> tuple[slice, ...]:
        """The windows as slices of the time axis, evenly spread; the clip itself if it fits in one.

        Args:
            length: Of the clip.
            moved: Share of their distance by which the windows stand further back, in [0, 1). The
                first still begins with the clip, and one more closes the gap at the end.
        """
        last = length - self.window
        if last <= 0:
            return (slice(0, length),)
        count = math.ceil((length - self.overlap) / (self.window - self.overlap))
        back = round(moved * last / (count - 1))  # the same for all, or neighbours might only touch
        places = (round(k * last / (count - 1)) - back for k in range(count + 1))
        starts = {min(max(0, place), last) for place in places}
        return tuple(slice(start, start + self.window) for start in sorted(starts))

    def times_s(
        self, length: int, latents_per_s: float, duration_s: float
    ) -> list[tuple[float, float]]:
        """Start and end of each window in seconds, no later than the clip's own end."""
        return [
            (span.start / latents_per_s, min(span.stop / latents_per_s, duration_s))
            for span in self.spans(length)
        ]


def layout_of(backbone: Backbone, overlap: float) -> WindowLayout | None:
    """Windows of a model's own length that share at least `overlap` of it; None for a still."""
    window = round(backbone.native_duration_s * backbone.latents_per_s)
    return (
        WindowLayout(window=window, overlap=max(1, round(window * overlap))) if window > 1 else None
    )


def weights_of(spans: Sequence[slice], length: int) -> Float[Tensor, "windows window"]:
    """How much each window says at each of its positions: triangles that sum to one."""
    ramp = torch.arange(spans[0].stop - spans[0].start, dtype=torch.float64) + 0.5
    triangle = torch.minimum(ramp, ramp.flip(0))
    total = torch.zeros(length, dtype=torch.float64)
    for span in spans:
        total[span] += triangle
    return torch.stack([triangle / total[span] for span in spans])


class WindowedBackbone:
    """A backbone for clips of any length, made of one for clips of a fixed length.

    A clip no longer than the native length is generated as one native window, which the caller
    then cuts: models are at their best at the length that they were trained on. With one window
    everything is bit for bit the inner backbone's.
    """

    def __init__(
        self,
        backbone: Backbone,
        layout: WindowLayout,
        *,
        max_batch: int = 4,
        crossfade: int = 2,
    ):
        """Wrap a backbone.

        Args:
            backbone: The model.
            layout: Window and overlap in its latent positions.
            max_batch: Windows that are denoised at once (times the batch of samples).
            crossfade: Latent positions over which decoded neighbours are blended, in the middle
                of what they share; the rest of it is the margin that hides the decoder's edges.
        """
        # Evenly spread starts lie at least half of (window - overlap) apart: fades never meet.
        longest = min(layout.overlap, max(1, (layout.window - layout.overlap) // 2))
        if not 0 < crossfade <= longest:
            raise SettingsError(
                f"crossfade must lie within 1 and {longest} latent positions for this layout, "
                f"got {crossfade}"
            )
        self.backbone = backbone
        self.layout = layout
        self.max_batch = max_batch
        self.crossfade = crossfade
        self.stream = backbone.stream
        self.native_duration_s = backbone.native_duration_s
        self.latents_per_s = backbone.latents_per_s
        self.time_axis = backbone.time_axis
        self.sample_rate = backbone.sample_rate

    def levels(self, num_steps: int) -> tuple[NoiseLevel, ...]:
        """The inner backbone's."""
        return self.backbone.levels(num_steps)

    def prior(self, duration_s: float, batch: int, generator: torch.Generator) -> Tensor:
        """The inner backbone's, for at least one native window."""
        return self.backbone.prior(max(duration_s, self.native_duration_s), batch, generator)

    def embed_prompt(self, prompts: Sequence[str]) -> Tensor:
        """The inner backbone's: every window hears the same prompt."""
        return self.backbone.embed_prompt(prompts)

    def predict(self, z: Tensor, level: NoiseLevel, y: Tensor, guidance_scale: float) -> Prediction:
        """Predict window by window and average where windows overlap.

        From one noise level to the next the windows move, so that no place in the clip is always
        the beginning of one: models begin a sound at the beginning.
        """
        length = z.shape[self.time_axis]
        if length <= self.layout.window:
            return self.backbone.predict(z, level, y, guidance_scale)
        spans = self.layout.spans(length, moved=level.t * _GOLDEN % 1)
        weights = weights_of(spans, length).to(z)
        shape = [1] * z.ndim
        shape[self.time_axis] = self.layout.window
        x0, eps = torch.zeros_like(z), torch.zeros_like(z)
        for first in range(0, len(spans), self.max_batch):
            chosen = range(first, min(first + self.max_batch, len(spans)))
            windows = torch.cat([self._part(z, spans[k]) for k in chosen])
            found = self.backbone.predict(
                windows, level, self._for_windows(y, len(chosen)), guidance_scale
            )
            for k, x0_k, eps_k in zip(
                chosen, found.x0.chunk(len(chosen)), found.eps.chunk(len(chosen)), strict=True
            ):
                weight = weights[k].view(shape)
                self._part(x0, spans[k]).add_(weight * x0_k)
                self._part(eps, spans[k]).add_(weight * eps_k)
        return Prediction(x0=x0, eps=eps)

    def decode(self, z_0: Tensor) -> Tensor:
        """Decode the clip; one longer than a window is decoded in chunks and lands on the CPU."""
        return self._whole(z_0, self.backbone.decode)

    def preview(self, z_0: Tensor) -> Tensor:
        """As `decode`, by the inner backbone's preview if it has one."""
        inner = self.backbone
        return self._whole(z_0, inner.preview if isinstance(inner, HasPreview) else inner.decode)

    def _whole(self, z_0: Tensor, decode: Callable[[Tensor], Tensor]) -> Tensor:
        if z_0.shape[self.time_axis] <= self.layout.window:
            return decode(z_0)
        return torch.cat(list(self.decode_chunks(z_0, decode)), dim=1)

    def decode_chunks(
        self, z_0: Tensor, decode: Callable[[Tensor], Tensor] | None = None
    ) -> Iterator[Tensor]:
        """Decode piece by piece; the pieces, on the CPU, join along axis 1 to the whole clip.

        Each chunk is one window. Where two overlap, they are blended linearly in the middle.
        """
        decode = decode or self.backbone.decode
        spans = self.layout.spans(z_0.shape[self.time_axis])
        per_latent = self.sample_rate / self.latents_per_s
        tail: Tensor | None = None  # of the chunk before: the part to blend with
        begin = 0  # first sample of the clip that is not yet out, where `tail` starts
        for k, span in enumerate(spans):
            media = decode(self._part(z_0, span)).cpu()
            media = media[:, begin - round(span.start * per_latent) :]
            if tail is not None:
                media = torch.cat(
                    [_crossfaded(tail, media[:, : tail.shape[1]]), media[:, tail.shape[1] :]], dim=1
                )
            if k + 1 == len(spans):
                yield media
                return
            middle = (spans[k + 1].start + span.stop) / 2
            fade_start = round((middle - self.crossfade / 2) * per_latent)
            fade_stop = round((middle + self.crossfade / 2) * per_latent)
            yield media[:, : fade_start - begin]
            tail = media[:, fade_start - begin : fade_stop - begin]
            begin = fade_start

    def _part(self, z: Tensor, span: slice) -> Tensor:
        return z.narrow(self.time_axis, span.start, span.stop - span.start)

    def _for_windows(self, y: Tensor, count: int) -> Tensor:
        """Repeat a prompt stack for `count` windows: unconditional rows stay first."""
        uncond, cond = y.chunk(2)
        return torch.cat([uncond] * count + [cond] * count)


def _crossfaded(old: Tensor, new: Tensor) -> Tensor:
    """Go from old to new linearly along axis 1; the two show the same thing, so gains add to 1."""
    ramp = (torch.arange(old.shape[1], dtype=old.dtype) + 0.5) / old.shape[1]
    ramp = ramp.view(1, -1, *[1] * (old.ndim - 2))
    return old * (1 - ramp) + new * ramp


def positions_for(duration_s: float, rate: float) -> int:
    """The fewest positions, `rate` of them a second, that last `duration_s` seconds; at least one.

    The tolerance keeps 2.56 s at 6.25 frames a second from becoming 17 by rounding.
    """
    return max(1, math.ceil(duration_s * rate - 1e-6))


def frames_for(video: Backbone, duration_s: float) -> int:
    """How many frames last at least `duration_s` seconds; 1 for a backbone that makes stills."""
    if not isinstance(video, WindowedBackbone):
        return 1
    return positions_for(duration_s, video.sample_rate)
