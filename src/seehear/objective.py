"""What aligned means: decode the clean estimate, embed it, and compare it with the condition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from torch import Tensor

from seehear.aligner import Piece
from seehear.conditions import Targets
from seehear.errors import SettingsError
from seehear.losses import Pair, pair_losses
from seehear.mel import HOP_SAMPLES, SAMPLE_RATE
from seehear.protocols import Backbone, Binder, HearsMel, MakesMel, Stream
from seehear.sync import Curve, curve_distance, mel_onsets, onset_envelope, paired


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
class InStep:
    """That the made sound begins when the given picture moves: a term without weights."""

    motion: Curve  # of one clip, or of one per sample
    weight: float = 1.0

    def losses(self, onsets: Curve, duration_s: float) -> dict[str, Tensor]:
        """The weighted distance of the two curves over the first `duration_s` seconds."""
        return {"sync": self.weight * curve_distance(*paired(onsets, self.motion, duration_s))}

    def from_second(self, start_s: float) -> "InStep":
        """The same for a part of the clip."""
        return replace(self, motion=self.motion.later(-start_s))


@dataclass(frozen=True)
class Mel:
    """A sound as a log mel of `seehear.mel`."""

    mel: Tensor  # [batch, hops, 64]

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return self.mel.shape[1] * HOP_SAMPLES / SAMPLE_RATE

    def embedded(self, binder: Binder) -> Tensor:
        """Unit vectors (batch, dim)."""
        assert isinstance(binder, HearsMel)
        return binder.embed_mel(self.mel)

    def onsets(self) -> Curve:
        """How suddenly it grows louder, when."""
        return mel_onsets(self.mel, SAMPLE_RATE / HOP_SAMPLES)


@dataclass(frozen=True)
class Waveform:
    """A sound as samples."""

    samples: Tensor  # [batch, samples]
    sample_rate: int

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return self.samples.shape[1] / self.sample_rate

    def embedded(self, binder: Binder) -> Tensor:
        """Unit vectors (batch, dim)."""
        return binder.embed_audio(self.samples, self.sample_rate)

    def onsets(self) -> Curve:
        """How suddenly it grows louder, when."""
        return onset_envelope(self.samples, self.sample_rate)


@dataclass(frozen=True)
class Frames:
    """A picture that moves, or a still."""

    frames: Tensor  # [batch, frames, 3, height, width]

    def embedded(self, binder: Binder) -> Tensor:
        """Unit vectors (batch, dim)."""
        return binder.embed_video(self.frames)


Media = Mel | Waveform | Frames


@dataclass(frozen=True, kw_only=True)
class WholeClip:
    """One piece: every stream is decoded and embedded as a whole."""

    backbones: Mapping[Stream, Backbone]
    binder: Binder
    pairs: tuple[Pair, ...]
    weights: tuple[float, ...]
    targets: Mapping[str, Tensor]  # embeddings of what is given: (1, dim) or (batch, dim)
    duration_s: float | None = None  # how much of the decoded media is kept, so scored; None: all
    mel_bridge: bool = False  # see `decoded`
    sync: InStep | None = None

    def pieces(self, estimate: Estimate) -> tuple[Piece, ...]:
        """A single piece."""

        def piece(z: dict[Stream, Tensor], y: dict[Stream, Tensor]) -> dict[str, Tensor]:
            made = decoded(
                self.backbones, self.binder, estimate(z, y), self.duration_s, self.mel_bridge
            )
            found = {**self.targets, **embedded(self.binder, made)}
            return pair_losses(found, self.pairs, self.weights) | in_step(self.sync, made)

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
    mel_bridge: bool = False  # see `decoded`
    sync: InStep | None = None

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
        start_s = min(span.start / self.backbones[s].latents_per_s for s, span in spans.items())
        kept_s = None if self.duration_s is None else self.duration_s - start_s
        sync = None if self.sync is None else self.sync.from_second(start_s)

        def piece(z: dict[Stream, Tensor], y: dict[Stream, Tensor]) -> dict[str, Tensor]:
            media = decoded(
                self.backbones, self.binder, estimate(z, y, spans), kept_s, self.mel_bridge
            )
            made = embedded(self.binder, media)
            terms = in_step(sync, media)
            for part, targets, weight in (
                ("local", local, self.local_weight),
                ("whole", self.targets.whole, 1 - self.local_weight),
            ):
                weights = [w * weight for w in self.weights]
                losses = pair_losses({**targets, **made}, self.pairs, weights)
                terms |= {f"{name} {part}": loss for name, loss in losses.items()}
            return terms

        return piece


def decoded(
    backbones: Mapping[Stream, Backbone],
    binder: Binder,
    x0: Mapping[Stream, Tensor],
    duration_s: float | None,
    mel_bridge: bool = False,
) -> dict[Stream, Media]:
    """The media that clean latents decode to, cut to `duration_s`.

    With `mel_bridge`, a sound stays a mel where both sound model and binder can do so: no vocoder
    to run, nor to differentiate.
    """
    made: dict[Stream, Media] = {}
    for stream, latents in x0.items():
        backbone = backbones[stream]
        if stream != "audio":
            made[stream] = Frames(kept(backbone.decode(latents), duration_s, backbone.sample_rate))
        elif mel_bridge and isinstance(backbone, MakesMel) and isinstance(binder, HearsMel):
            mel = backbone.mel_from_latents(latents)
            made[stream] = Mel(kept(mel, duration_s, SAMPLE_RATE / HOP_SAMPLES))
        else:
            waveform = kept(backbone.decode(latents), duration_s, backbone.sample_rate)
            made[stream] = Waveform(waveform, backbone.sample_rate)
    return made


def embedded(binder: Binder, media: Mapping[Stream, Media]) -> dict[str, Tensor]:
    """Embeddings (batch, dim) of media."""
    return {stream: made.embedded(binder) for stream, made in media.items()}


def in_step(sync: InStep | None, media: Mapping[Stream, Media]) -> dict[str, Tensor]:
    """The losses of the sync term, if it is asked for."""
    if sync is None:
        return {}
    sound = media["audio"]
    assert isinstance(sound, Mel | Waveform)
    return sync.losses(sound.onsets(), sound.duration_s)


def kept(media: Tensor, duration_s: float | None, rate: float | int) -> Tensor:
    """The first `duration_s` seconds of media whose second axis is time; None: all of it."""
    return media if duration_s is None else media[:, : max(1, round(duration_s * rate))]
