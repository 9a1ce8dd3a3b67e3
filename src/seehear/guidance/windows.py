"""Clips longer than a model's native length: overlapping latent windows, fused at every step."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from seehear.errors import SettingsError
from seehear.guidance.diffusion import NoiseLevel, Prediction
from seehear.guidance.protocols import Backbone, HasPreview

# Multiples of the golden ratio modulo 1 cover [0, 1) evenly for any number of steps.
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, kw_only=True)
class WindowLayout:
    """Length and overlap of windows, in latent positions."""

    window: int  # length of a window
    overlap: int  # smallest overlap of neighbouring windows

    def __post_init__(self):
        if not 0 < self.overlap < self.window:
            raise SettingsError(
                f"expected 0 < overlap < window, got window={self.window}, overlap={self.overlap}"
            )

    def spans(self, length: int, moved: float = 0.0) -> tuple[slice, ...]:
        """Evenly spaced windows as slices of the time axis; one slice if the clip fits in it.

        Args:
            length: Length of the clip, in latent positions.
            moved: Fraction of the window distance by which all windows are shifted back, in
                [0, 1). The first window still starts at 0, and an extra one covers the end.
        """
        last = length - self.window
        if last <= 0:
            return (slice(0, length),)
        count = math.ceil((length - self.overlap) / (self.window - self.overlap))
        # One shift for all windows: rounding each alone could reduce their overlap to 0.
        back = round(moved * last / (count - 1))
        places = (round(k * last / (count - 1)) - back for k in range(count + 1))
        starts = {min(max(0, place), last) for place in places}
        return tuple(slice(start, start + self.window) for start in sorted(starts))

    def times_s(
        self, length: int, latents_per_s: float, duration_s: float
    ) -> list[tuple[float, float]]:
        """Start and end of each window in seconds; the end is limited to `duration_s`."""
        return [
            (span.start / latents_per_s, min(span.stop / latents_per_s, duration_s))
            for span in self.spans(length)
        ]


def layout_of(backbone: Backbone, overlap: float) -> WindowLayout | None:
    """Windows of a model's native length; None for an image.

    `overlap` is the smallest overlap of neighbours, as a fraction of a window.
    """
    window = round(backbone.native_duration_s * backbone.latents_per_s)
    return (
        WindowLayout(window=window, overlap=max(1, round(window * overlap))) if window > 1 else None
    )


def weights_of(spans: Sequence[slice], length: int) -> Float[Tensor, "windows window"]:
    """Blending weight of each window at each of its positions: triangles that sum to one."""
    ramp = torch.arange(spans[0].stop - spans[0].start, dtype=torch.float64) + 0.5
    triangle = torch.minimum(ramp, ramp.flip(0))
    total = torch.zeros(length, dtype=torch.float64)
    for span in spans:
        total[span] += triangle
    return torch.stack([triangle / total[span] for span in spans])


class WindowedBackbone:
    """Extends a backbone with a fixed clip length to clips of any length.

    A clip no longer than the native length is generated as one native window, and the caller trims
    it, because models work best at the length that they were trained on. With one window all
    results equal the inner backbone's bit for bit.
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
            layout: Window length and overlap, in latent positions of the model.
            max_batch: Windows to denoise in one batch (times the batch of samples).
            crossfade: Latent positions over which decoded neighbours are blended, in the middle
                of their overlap. The rest of the overlap is discarded with the decoder's edge
                artefacts.
        """
        # Starts are at least (window - overlap) / 2 apart, so crossfades never overlap.
        longest = min(layout.overlap, max(1, (layout.window - layout.overlap) // 2))
        if not 0 < crossfade <= longest:
            raise SettingsError(
                f"expected a crossfade of 1 to {longest} latent positions for this layout, "
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
        """The inner backbone's noise levels."""
        return self.backbone.levels(num_steps)

    def prior(self, duration_s: float, batch: int, generator: torch.Generator) -> Tensor:
        """The inner backbone's initial latents, at least one native window long."""
        return self.backbone.prior(max(duration_s, self.native_duration_s), batch, generator)

    def embed_prompt(self, prompts: Sequence[str]) -> Tensor:
        """The inner backbone's embedding; all windows share it."""
        return self.backbone.embed_prompt(prompts)

    def predict(self, z: Tensor, level: NoiseLevel, y: Tensor, guidance_scale: float) -> Prediction:
        """Predict window by window and average where windows overlap.

        The windows shift from one noise level to the next, because models tend to place an onset
        at the start of a window. Except for the first and the last window, no position of the clip
        is always the start of a window.
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
            prediction = self.backbone.predict(
                windows, level, self._for_windows(y, len(chosen)), guidance_scale
            )
            parts = (t.chunk(len(chosen)) for t in (prediction.x0, prediction.eps))
            for k, x0_k, eps_k in zip(chosen, *parts, strict=True):
                weight = weights[k].view(shape)
                self._part(x0, spans[k]).add_(weight * x0_k)
                self._part(eps, spans[k]).add_(weight * eps_k)
        return Prediction(x0=x0, eps=eps)

    def decode(self, z_0: Tensor) -> Tensor:
        """Decode the clip. A clip longer than a window is decoded in chunks, on to the CPU."""
        return self._whole(z_0, self.backbone.decode)

    def preview(self, z_0: Tensor) -> Tensor:
        """As `decode`, with the inner backbone's preview if it has one."""
        inner = self.backbone
        return self._whole(z_0, inner.preview if isinstance(inner, HasPreview) else inner.decode)

    def _whole(self, z_0: Tensor, decode: Callable[[Tensor], Tensor]) -> Tensor:
        if z_0.shape[self.time_axis] <= self.layout.window:
            return decode(z_0)
        return torch.cat(list(self.decode_chunks(z_0, decode)), dim=1)

    def decode_chunks(
        self, z_0: Tensor, decode: Callable[[Tensor], Tensor] | None = None
    ) -> Iterator[Tensor]:
        """Decode window by window; concatenate the chunks along axis 1 to get the whole clip.

        The chunks are on the CPU. Neighbouring windows are crossfaded in the middle of their
        overlap.
        """
        decode = decode or self.backbone.decode
        spans = self.layout.spans(z_0.shape[self.time_axis])
        per_latent = self.sample_rate / self.latents_per_s
        tail: Tensor | None = None  # the end of the previous chunk, to be crossfaded
        begin = 0  # first sample that is not yet returned, where `tail` starts
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
        """Repeat a prompt stack for `count` windows; unconditional rows stay first."""
        uncond, cond = y.chunk(2)
        return torch.cat([uncond] * count + [cond] * count)


def _crossfaded(old: Tensor, new: Tensor) -> Tensor:
    """Linear crossfade along axis 1. Both show the same content, so the gains add up to 1."""
    ramp = (torch.arange(old.shape[1], dtype=old.dtype) + 0.5) / old.shape[1]
    ramp = ramp.view(1, -1, *[1] * (old.ndim - 2))
    return old * (1 - ramp) + new * ramp


def positions_for(duration_s: float, rate: float) -> int:
    """Smallest number of positions that covers `duration_s` at `rate` per second; at least 1.

    The tolerance prevents a rounding error from making 2.56 s at 6.25 frames/s 17 frames.
    """
    return max(1, math.ceil(duration_s * rate - 1e-6))


def frames_for(video: Backbone, duration_s: float) -> int:
    """Number of frames that last at least `duration_s` seconds; 1 for an image backbone."""
    if round(video.native_duration_s * video.latents_per_s) <= 1:
        return 1
    return positions_for(duration_s, video.sample_rate)
