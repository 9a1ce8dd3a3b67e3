"""The guidance objective: decode the clean estimate, embed it, compare it with the condition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from seehear.errors import SettingsError
from seehear.guidance.aligner import Piece
from seehear.guidance.conditions import Targets
from seehear.guidance.decoding import AugmentedViews, Media, decode_estimate, embed_media
from seehear.guidance.diffusion import NoiseLevel
from seehear.guidance.frame_sampling import FrameSampler
from seehear.guidance.losses import Distance, cosine_distance, pair_losses
from seehear.guidance.protocols import Backbone, Binder, EmbedsLatents
from seehear.guidance.references import Reference, reference_losses
from seehear.guidance.retiming import source_positions
from seehear.guidance.streams import Pair, Stream
from seehear.guidance.sync import SyncTerm


@runtime_checkable
class Estimate(Protocol):
    """Predicts clean latents from noisy latents (Eq. 11). The sampler implements it."""

    def __call__(
        self,
        z: Mapping[Stream, Tensor],
        y: Mapping[Stream, Tensor],
        spans: Mapping[Stream, slice] | None = None,
    ) -> dict[Stream, Tensor]:
        """Clean latents of every stream, or only of the given span of its time axis."""
        ...


@runtime_checkable
class Objective(Protocol):
    """The loss that the aligner minimises, as a sum of pieces with separate backward passes."""

    def pieces(self, estimate: Estimate) -> Sequence[Piece]:
        """Functions of latents and prompts whose sum is the objective."""
        ...


@runtime_checkable
class ReadsLatents(Protocol):
    """An objective that can be computed from noisy latents, without the denoiser and a decoder."""

    @property
    def reads_latents(self) -> bool:
        """Whether guidance should use `latent_pieces`."""
        ...

    def latent_pieces(self, levels: Mapping[Stream, NoiseLevel]) -> Sequence[Piece]:
        """As `Objective.pieces`, of latents at `levels`."""
        ...


@runtime_checkable
class ShiftsInTime(Protocol):
    """An objective that can correct the timing of one stream by shifting its latents."""

    @property
    def shifted_stream(self) -> Stream | None:
        """The stream to shift in time, if any."""
        ...

    def source_positions(self, x0: Mapping[Stream, Tensor]) -> Int[Tensor, "batch length"]:
        """For every position of that stream's time axis, the position to take latents from.

        Args:
            x0: Clean estimates of all streams over the whole clip.
        """
        ...


@runtime_checkable
class LossTerm(Protocol):
    """An extra term of the objective besides the embedding pairs, such as `sync.SyncTerm`."""

    @property
    def reads_all_frames(self) -> bool:
        """Whether the term compares neighbouring frames, so that a step must decode all frames."""
        ...

    def for_window(self, start_s: float) -> "LossTerm":
        """The term for a window of the clip that begins at `start_s`."""
        ...

    def losses(self, media: Mapping[Stream, Media]) -> dict[str, Tensor]:
        """Weighted losses [batch] of the decoded media, by name."""
        ...


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Distance between the decoded estimate and the condition in the binder's space.

    With windows there is one piece per window, which is compared with its own part of the condition
    and with the whole condition. The weights of the two add up to 1, so that a clip of one window
    has the loss of a whole clip. Without windows every stream is decoded and embedded in one piece.
    """

    backbones: Mapping[Stream, Backbone]
    binder: Binder
    pairs: tuple[Pair, ...]
    weights: tuple[float, ...]
    targets: Targets  # embeddings of the given media; one local entry per window
    windows: tuple[Mapping[Stream, slice], ...] = ()  # in latent positions; empty: the whole clip
    local_weight: float = 0.5
    duration_s: float | None = None  # length to which the decoded clip is trimmed; None: no trim
    mel_bridge: bool = False  # see `decode_estimate`
    noisy_image_encoder: bool = False  # see `decode_estimate`
    distance: Distance = cosine_distance
    terms: tuple[LossTerm, ...] = ()
    references: tuple[Reference, ...] = ()  # of the whole clip, for every window
    samplers: tuple[FrameSampler, ...] = ()  # frames to decode, per window; empty: all frames
    views: AugmentedViews | None = None  # augmented views to embed; None: no augmentation
    # Encoders of noisy latents, one per generated stream; empty: decode and embed clean estimates.
    latent_encoders: Mapping[Stream, EmbedsLatents] = field(default_factory=dict)

    def __post_init__(self):
        if self.latent_encoders and self.terms:
            raise SettingsError(
                "expected no sync loss and no further loss terms with latent_encoder, which "
                "decodes nothing; use another preset"
            )
        if self.windows and len(self.windows) != len(self.targets.local):
            raise SettingsError(
                f"expected one local target per window, got {len(self.targets.local)} targets "
                f"for {len(self.windows)} windows"
            )

    def pieces(self, estimate: Estimate) -> tuple[Piece, ...]:
        """One piece per window; each decodes and embeds its own window only."""
        count = max(1, len(self.windows))
        frames: Sequence[Sequence[int] | None] = [sampler.next() for sampler in self.samplers]
        frames = frames or [None] * count
        return tuple(self._piece(estimate, k, frames[k]) for k in range(count))

    @property
    def reads_latents(self) -> bool:
        """Whether noisy latents are embedded directly."""
        return bool(self.latent_encoders)

    def latent_pieces(self, levels: Mapping[Stream, NoiseLevel]) -> tuple[Piece, ...]:
        """One piece per window, of the embeddings of noisy latents."""
        return tuple(self._latent_piece(levels, k) for k in range(max(1, len(self.windows))))

    def _latent_piece(self, levels: Mapping[Stream, NoiseLevel], k: int) -> Piece:
        spans = self._spans(k)

        def piece(z: dict[Stream, Tensor], y: dict[Stream, Tensor]) -> dict[str, Tensor]:
            embeddings: dict[str, Tensor] = {
                s: self.latent_encoders[s].embed_latents(part, levels[s])
                for s, part in parts(self.backbones, z, spans).items()
            }
            return self._pair_losses(embeddings, k)

        return piece

    def _spans(self, k: int) -> Mapping[Stream, slice] | None:
        return self.windows[k] if self.windows else None

    def _start_s(self, k: int) -> float:
        if not self.windows:
            return 0.0
        return min(
            span.start / self.backbones[s].latents_per_s for s, span in self.windows[k].items()
        )

    def _trim_s(self, k: int) -> float | None:
        return None if self.duration_s is None else self.duration_s - self._start_s(k)

    def _piece(self, estimate: Estimate, k: int, frames: Sequence[int] | None) -> Piece:
        spans = self._spans(k)
        terms = [term.for_window(self._start_s(k)) for term in self.terms]

        def piece(z: dict[Stream, Tensor], y: dict[Stream, Tensor]) -> dict[str, Tensor]:
            media = decode_estimate(
                self.backbones, self.binder, estimate(z, y, spans), self._trim_s(k),
                self.mel_bridge, frames, is_dense=any(term.reads_all_frames for term in terms),
                noisy_image_encoder=self.noisy_image_encoder,
            )  # fmt: skip
            losses = {name: loss for term in terms for name, loss in term.losses(media).items()}
            return losses | self._pair_losses(embed_media(self.binder, media, self.views), k)

        return piece

    def _pair_losses(self, embeddings: Mapping[str, Tensor], k: int) -> dict[str, Tensor]:
        """Losses of all pairs in window k, with its part of the condition and with the whole.

        Losses of references are added.
        """
        compared = [(" local", self.targets.local[k], self.local_weight)] if self.windows else []
        suffix, share = (" whole", 1 - self.local_weight) if self.windows else ("", 1.0)
        compared.append((suffix, self.targets.whole, share))
        losses: dict[str, Tensor] = {}
        for suffix, targets, share in compared:
            weights = [w * share for w in self.weights]
            pairs = pair_losses({**targets, **embeddings}, self.pairs, weights, self.distance)
            losses |= {f"{name}{suffix}": loss for name, loss in pairs.items()}
        return losses | reference_losses(embeddings, self.references)

    @property
    def shifted_stream(self) -> Stream | None:
        """The stream that the sync loss shifts in time, if there is one."""
        return None if self._sync is None else self._sync.shifted_stream

    @property
    def _sync(self) -> SyncTerm | None:
        return next((term for term in self.terms if isinstance(term, SyncTerm)), None)

    @torch.no_grad()
    def source_positions(self, x0: Mapping[Stream, Tensor]) -> Int[Tensor, "batch length"]:
        """Source positions that bring every window of the shifted stream into sync.

        Raises:
            SettingsError: The objective has no sync loss.
        """
        sync = self._sync
        if sync is None:
            raise SettingsError("expected an objective with a sync loss to shift latents, got none")
        backbone, moves = self.backbones[sync.shifted_stream], []
        whole = {s: slice(0, z.shape[self.backbones[s].time_axis]) for s, z in x0.items()}
        windows = self.windows or (whole,)
        for k, spans in enumerate(windows):
            media = decode_estimate(
                self.backbones, self.binder, parts(self.backbones, x0, spans), self._trim_s(k),
                self.mel_bridge, is_dense=True,
            )  # fmt: skip
            offset_s = sync.for_window(self._start_s(k)).offset_s(media)
            moves.append((offset_s * backbone.latents_per_s).round().long())
        length = x0[sync.shifted_stream].shape[backbone.time_axis]
        return source_positions(moves, [spans[sync.shifted_stream] for spans in windows], length)


def parts(
    backbones: Mapping[Stream, Backbone],
    z: Mapping[Stream, Tensor],
    spans: Mapping[Stream, slice] | None,
) -> dict[Stream, Tensor]:
    """The given span of every stream's time axis; the whole axis without spans."""
    if spans is None:
        return dict(z)
    return {
        s: v.narrow(backbones[s].time_axis, spans[s].start, spans[s].stop - spans[s].start)
        for s, v in z.items()
    }
