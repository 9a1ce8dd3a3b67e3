"""What aligned means: decode the clean estimate, embed it, and compare it with the condition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from seehear.aligner import Piece
from seehear.conditions import Targets
from seehear.errors import SettingsError
from seehear.losses import Pair, pair_losses
from seehear.mel import HOP_SAMPLES, SAMPLE_RATE
from seehear.protocols import Backbone, Binder, HearsMel, MakesMel, Stream


@runtime_checkable
class Estimate(Protocol):
    """From noisy latents to predicted clean ones (Eq. 11); the sampler knows how."""

    def __call__(
        self,
        z: Mapping[Stream, Tensor],
        y: Mapping[Stream, Tensor],
        spans: Mapping[Stream, slice] | None = None,
    ) -> dict[Stream, Tensor]:
        """Clean latents of every stream, or of the given part of its time axis alone."""
        ...


@runtime_checkable
class Objective(Protocol):
    """What the aligner makes smaller, cut into pieces that are differentiated one by one."""

    def pieces(self, estimate: Estimate) -> Sequence[Piece]:
        """Functions of latents and prompts whose sum is the objective."""
        ...


@dataclass(frozen=True, kw_only=True)
class WholeClip:
    """One piece: every stream is decoded and embedded as a whole."""

    backbones: Mapping[Stream, Backbone]
    binder: Binder
    pairs: tuple[Pair, ...]
    weights: tuple[float, ...]
    targets: Mapping[str, Tensor]  # embeddings of what is given: (1, dim) or (batch, dim)
    duration_s: float | None = None  # how much of the decoded media is kept, so scored; None: all
    mel_bridge: bool = False  # see `embedded`

    def pieces(self, estimate: Estimate) -> tuple[Piece, ...]:
        """A single piece."""

        def piece(z: dict[Stream, Tensor], y: dict[Stream, Tensor]) -> dict[str, Tensor]:
            made = embedded(
                self.backbones, self.binder, estimate(z, y), self.duration_s, self.mel_bridge
            )
            return pair_losses({**self.targets, **made}, self.pairs, self.weights)

        return (piece,)


@dataclass(frozen=True, kw_only=True)
class ByWindows:
    """One piece per window, compared with its own part of the condition and with all of it.

    The weights of the two add up to 1, so that a clip of one window has the whole clip's loss.
    """

    backbones: Mapping[Stream, Backbone]
    binder: Binder
    pairs: tuple[Pair, ...]
    weights: tuple[float, ...]
    spans: tuple[Mapping[Stream, slice], ...]  # the windows, in latent positions
    targets: Targets  # one local entry per window
    local_weight: float = 0.5
    duration_s: float | None = None  # how much of the decoded clip is kept; None: all
    mel_bridge: bool = False  # see `embedded`

    def __post_init__(self):
        if len(self.spans) != len(self.targets.local):
            raise SettingsError(
                f"expected one local target per window, got {len(self.targets.local)} targets "
                f"for {len(self.spans)} windows"
            )

    def pieces(self, estimate: Estimate) -> tuple[Piece, ...]:
        """As many pieces as windows; each decodes and embeds its own window only."""
        return tuple(
            self._piece(estimate, span, local)
            for span, local in zip(self.spans, self.targets.local, strict=True)
        )

    def _piece(
        self, estimate: Estimate, spans: Mapping[Stream, slice], local: Mapping[str, Tensor]
    ) -> Piece:
        kept_s = None
        if self.duration_s is not None:
            kept_s = self.duration_s - min(
                span.start / self.backbones[s].latents_per_s for s, span in spans.items()
            )

        def piece(z: dict[Stream, Tensor], y: dict[Stream, Tensor]) -> dict[str, Tensor]:
            made = embedded(
                self.backbones, self.binder, estimate(z, y, spans), kept_s, self.mel_bridge
            )
            terms: dict[str, Tensor] = {}
            for part, targets, weight in (
                ("local", local, self.local_weight),
                ("whole", self.targets.whole, 1 - self.local_weight),
            ):
                weights = [w * weight for w in self.weights]
                losses = pair_losses({**targets, **made}, self.pairs, weights)
                terms |= {f"{name} {part}": loss for name, loss in losses.items()}
            return terms

        return piece


def embedded(
    backbones: Mapping[Stream, Backbone],
    binder: Binder,
    x0: Mapping[Stream, Tensor],
    duration_s: float | None,
    mel_bridge: bool = False,
) -> dict[str, Tensor]:
    """Embeddings (batch, dim) of the media that clean latents decode to, cut to `duration_s`.

    With `mel_bridge`, a sound model's mels go to the binder without a waveform in between, where
    both can do so: no vocoder to run, nor to differentiate.
    """
    found: dict[str, Tensor] = {}
    for stream, latents in x0.items():
        backbone = backbones[stream]
        if stream != "audio":
            frames = kept(backbone.decode(latents), duration_s, backbone.sample_rate)
            found[stream] = binder.embed_video(frames)
        elif mel_bridge and isinstance(backbone, MakesMel) and isinstance(binder, HearsMel):
            mel = kept(backbone.mel_from_latents(latents), duration_s, SAMPLE_RATE / HOP_SAMPLES)
            found[stream] = binder.embed_mel(mel)
        else:
            waveform = kept(backbone.decode(latents), duration_s, backbone.sample_rate)
            found[stream] = binder.embed_audio(waveform, backbone.sample_rate)
    return found


def kept(media: Tensor, duration_s: float | None, rate: float | int) -> Tensor:
    """The first `duration_s` seconds of media whose second axis is time; None: all of it."""
    return media if duration_s is None else media[:, : max(1, round(duration_s * rate))]
