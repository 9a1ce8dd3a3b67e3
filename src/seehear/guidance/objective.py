"""What aligned means: decode the clean estimate, embed it, and compare it with the condition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from seehear.errors import SettingsError
from seehear.guidance.aligner import Piece
from seehear.guidance.conditions import Targets
from seehear.guidance.decoding import AlteredCopies, decoded, embedded
from seehear.guidance.frame_sampling import FrameDraws
from seehear.guidance.losses import Distance, Pair, cosine_distance, pair_losses
from seehear.guidance.protocols import Backbone, Binder, Stream
from seehear.guidance.retiming import sources
from seehear.guidance.sync import InStep, in_step


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


@runtime_checkable
class Retimes(Protocol):
    """An objective that knows what happens too early or too late, and where it belongs."""

    @property
    def moved(self) -> Stream | None:
        """The stream that is moved in time, if one is."""
        ...

    def retimed(self, x0: Mapping[Stream, Tensor]) -> Int[Tensor, "batch length"]:
        """From which position of its time axis that stream should take every position.

        Args:
            x0: Whole clean estimates of all streams.
        """
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
    mel_bridge: bool = False  # see `decoded`
    by_eye: bool = False  # see `decoded`
    distance: Distance = cosine_distance
    sync: InStep | None = None
    draws: FrameDraws | None = None  # which frames of a made video are looked at; None: all
    copies: AlteredCopies | None = None  # what is compared; None: what is made, as it is

    def pieces(self, estimate: Estimate) -> tuple[Piece, ...]:
        """A single piece; every call draws the frames that it looks at."""
        looked_at = None if self.draws is None else self.draws.draw()

        def piece(z: dict[Stream, Tensor], y: dict[Stream, Tensor]) -> dict[str, Tensor]:
            made = decoded(
                self.backbones, self.binder, estimate(z, y), self.duration_s, self.mel_bridge,
                looked_at, is_dense=self.sync is not None, by_eye=self.by_eye,
            )  # fmt: skip
            found = {**self.targets, **embedded(self.binder, made, self.copies)}
            losses = pair_losses(found, self.pairs, self.weights, self.distance)
            return losses | in_step(self.sync, made)

        return (piece,)

    @property
    def moved(self) -> Stream | None:
        """The stream that a sync term moves in time."""
        return None if self.sync is None else self.sync.moved

    def retimed(self, x0: Mapping[Stream, Tensor]) -> Int[Tensor, "batch length"]:
        """The whole clip is moved as one."""
        spans = {s: slice(0, z.shape[self.backbones[s].time_axis]) for s, z in x0.items()}
        return retimed(self, (spans,), (0.0,), x0)


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
    by_eye: bool = False  # see `decoded`
    distance: Distance = cosine_distance
    sync: InStep | None = None
    draws: tuple[FrameDraws, ...] = ()  # a window's frames to look at; empty: all of every window
    copies: AlteredCopies | None = None  # what is compared; None: what is made, as it is

    def __post_init__(self):
        if len(self.spans) != len(self.targets.local):
            raise SettingsError(
                f"expected one local target per window, got {len(self.targets.local)} targets "
                f"for {len(self.spans)} windows"
            )

    def pieces(self, estimate: Estimate) -> tuple[Piece, ...]:
        """As many pieces as windows; each decodes and embeds its own window only."""
        looked_at: Sequence[Sequence[int] | None] = [draws.draw() for draws in self.draws]
        looked_at = looked_at or [None] * len(self.spans)
        return tuple(
            self._piece(estimate, span, local, frames)
            for span, local, frames in zip(self.spans, self.targets.local, looked_at, strict=True)
        )

    def _start_s(self, spans: Mapping[Stream, slice]) -> float:
        return min(span.start / self.backbones[s].latents_per_s for s, span in spans.items())

    def _piece(
        self,
        estimate: Estimate,
        spans: Mapping[Stream, slice],
        local: Mapping[str, Tensor],
        looked_at: Sequence[int] | None,
    ) -> Piece:
        start_s = self._start_s(spans)
        kept_s = None if self.duration_s is None else self.duration_s - start_s
        sync = None if self.sync is None else self.sync.from_second(start_s)

        def piece(z: dict[Stream, Tensor], y: dict[Stream, Tensor]) -> dict[str, Tensor]:
            media = decoded(
                self.backbones, self.binder, estimate(z, y, spans), kept_s, self.mel_bridge,
                looked_at, is_dense=sync is not None, by_eye=self.by_eye,
            )  # fmt: skip
            made = embedded(self.binder, media, self.copies)
            terms = in_step(sync, media)
            for part, targets, weight in (
                ("local", local, self.local_weight),
                ("whole", self.targets.whole, 1 - self.local_weight),
            ):
                weights = [w * weight for w in self.weights]
                losses = pair_losses({**targets, **made}, self.pairs, weights, self.distance)
                terms |= {f"{name} {part}": loss for name, loss in losses.items()}
            return terms

        return piece

    @property
    def moved(self) -> Stream | None:
        """The stream that a sync term moves in time."""
        return None if self.sync is None else self.sync.moved

    def retimed(self, x0: Mapping[Stream, Tensor]) -> Int[Tensor, "batch length"]:
        """Every window's part of the clip is moved by itself."""
        return retimed(self, self.spans, [self._start_s(span) for span in self.spans], x0)


@torch.no_grad()
def retimed(
    objective: WholeClip | ByWindows,
    windows: Sequence[Mapping[Stream, slice]],
    starts_s: Sequence[float],
    x0: Mapping[Stream, Tensor],
) -> Int[Tensor, "batch length"]:
    """Where the stream that is moved takes its positions from, so that all windows are in step.

    Raises:
        SettingsError: The objective has no sync term.
    """
    sync = objective.sync
    if sync is None:
        raise SettingsError("expected a sync term to say when things should happen, got none")
    backbone, moves = objective.backbones[sync.moved], []
    for spans, start_s in zip(windows, starts_s, strict=True):
        kept_s = None if objective.duration_s is None else objective.duration_s - start_s
        media = decoded(
            objective.backbones, objective.binder, parts(objective.backbones, x0, spans), kept_s,
            objective.mel_bridge, is_dense=True,
        )  # fmt: skip
        late_s = sync.from_second(start_s).late_s(media)
        moves.append((late_s * backbone.latents_per_s).round().long())
    length = x0[sync.moved].shape[backbone.time_axis]
    return sources(moves, [spans[sync.moved] for spans in windows], length)


def parts(
    backbones: Mapping[Stream, Backbone],
    z: Mapping[Stream, Tensor],
    spans: Mapping[Stream, slice] | None,
) -> dict[Stream, Tensor]:
    """The given span of every stream's time axis, or all of it."""
    if spans is None:
        return dict(z)
    return {
        s: v.narrow(backbones[s].time_axis, spans[s].start, spans[s].stop - spans[s].start)
        for s, v in z.items()
    }
