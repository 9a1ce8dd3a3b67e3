"""The columns of one network: it looks at a clip at a time, keeps numbers, and scores them all."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from seehear.errors import MediaError, SettingsError
from seehear.evaluation.clip_media import ClipMedia
from seehear.evaluation.extract_features import audio_features, video_features
from seehear.evaluation.feature_networks import LoadedNetwork, StatisticName
from seehear.evaluation.guide_overlap import guide_overlap_note
from seehear.evaluation.metric_cards import CARDS
from seehear.evaluation.report import Score
from seehear.metrics.bind import paired_cosine
from seehear.metrics.classes import inception_score, paired_kls
from seehear.metrics.features.protocol import Features, HearsSounds, ReadsText, SeesVideos
from seehear.metrics.frechet import frechet_distance
from seehear.metrics.intervals import bootstrap_interval, mean_of
from seehear.metrics.kernel import polynomial_mmd

SPLITS = 10  # of the inception score
RESAMPLES = 200
_OF_SETS: tuple[StatisticName, ...] = ("ISc", "FD", "KD")
_COSINES: tuple[StatisticName, ...] = ("AV", "VT", "AT")

OfClips = Callable[[Tensor], float]  # of the indices of clips that are counted


@dataclass(frozen=True, kw_only=True)
class PairMedia:
    """What there is of a pair for networks to look at, read when it is asked for."""

    name: str  # for errors
    sounds: tuple[ClipMedia, ClipMedia] | None  # real and made, where sounds were made
    videos: tuple[ClipMedia, ClipMedia] | None  # real and made, where pictures were made
    sound: ClipMedia  # the made clip's, or else the one that was given
    video: ClipMedia | None  # that belongs to it
    prompt: str | None = None


@dataclass(frozen=True, kw_only=True)
class PairFeatures:
    """What a network kept of a pair: a few hundred numbers, never the clip."""

    real: Features | None  # None where nothing compares with it
    made: Features
    cosines: Mapping[StatisticName, float]


@dataclass
class NetworkScores:
    """What a network made of all clips so far."""

    loaded: LoadedNetwork
    reads: bool = False  # whether prompts are given
    fingerprint: str = ""  # of the network, where what it says is remembered
    is_paired: bool = True  # False: made clips answer no real ones, so that only sets compare
    rows: list[PairFeatures] = field(default_factory=list)

    @property
    def names(self) -> Mapping[StatisticName, str]:
        """Of the columns, by what is computed."""
        lacking: tuple[StatisticName, ...] = () if self.reads else ("VT", "AT")
        if not self.is_paired:
            lacking += ("KL", "same class")
        return {k: v for k, v in self.loaded.measure.columns.items() if k not in lacking}

    def look(self, material: PairMedia) -> PairFeatures:
        """Features of a pair; nothing is kept yet, since another network may fail it.

        Raises:
            MediaError: The features are not finite, or the network refuses the clip.
        """
        network = self.loaded.network
        perceive: Callable[[ClipMedia, str], Features]
        if material.videos is not None and isinstance(network, SeesVideos):
            letter, pair, perceive = "V", material.videos, partial(video_features, network)
        else:
            # `check` was asked before whether it can.
            assert isinstance(network, HearsSounds)
            assert material.sounds is not None
            letter, pair, perceive = "A", material.sounds, partial(audio_features, network)
        made = perceive(pair[1], self.fingerprint)
        compares = not self.names.keys() <= set(_COSINES)
        real = perceive(pair[0], self.fingerprint) if compares else None
        found = [t for features in (real, made) if features for t in features if t is not None]
        if not all(tensor.isfinite().all() for tensor in found):
            raise MediaError(f"{material.name}: its features are not finite; is the file damaged?")
        return PairFeatures(
            real=real, made=made, cosines=self._cosines(material, {letter: made.embedding})
        )

    def _cosines(
        self, material: PairMedia, known: Mapping[str, Tensor]
    ) -> dict[StatisticName, float]:
        """How well sound, picture and prompt agree, nan where one of two is missing."""
        network, wanted = self.loaded.network, [k for k in _COSINES if k in self.names]
        letters, e = set("".join(wanted)), dict(known)
        if "A" in letters - e.keys() and isinstance(network, HearsSounds):
            e["A"] = audio_features(network, material.sound, self.fingerprint).embedding
        if "V" in letters - e.keys() and material.video and isinstance(network, SeesVideos):
            e["V"] = video_features(network, material.video, self.fingerprint).embedding
        if "T" in letters and material.prompt and isinstance(network, ReadsText):
            e["T"] = network.read([material.prompt])
        return {
            k: float(paired_cosine(e[k[0]], e[k[1]])) if e.keys() >= set(k) else math.nan
            for k in wanted
        }

    def scores(self) -> list[Score]:
        """Every column, with its interval over resampled clips."""
        statistics, n = self._statistics(), len(self.rows)
        found = []
        for name, column in self.names.items():
            if name in _COSINES:
                found += mean_score(column, [row.cosines[name] for row in self.rows])
            elif n > 1 or name not in ("FD", "KD"):
                is_biased = name in _OF_SETS
                found.append(score(column, n, statistics[name], is_biased=is_biased))
        return found

    def _statistics(self) -> dict[StatisticName, OfClips]:
        """The formulas, as functions of which clips are counted."""

        def distance(chosen: Tensor) -> float:
            return float(frechet_distance(*self._sets(chosen)))

        def kernel_distance(chosen: Tensor) -> float:
            return polynomial_mmd(*self._sets(chosen))

        found: dict[StatisticName, OfClips] = {"FD": distance, "KD": kernel_distance}
        if "ISc" not in self.names:
            return found
        p, q = self._logits()
        splits = min(SPLITS, len(self.rows))
        found["KL"] = partial(mean_of, paired_kls(p, q))
        found["same class"] = partial(mean_of, (p.argmax(1) == q.argmax(1)).double())
        found["ISc"] = lambda chosen: inception_score(q[chosen], splits=splits)[0]
        return found

    def _sets(self, chosen: Tensor) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "m dim"]]:
        """Features of the chosen clips, real and made; single clips may have several rows."""
        rows = [self.rows[k] for k in chosen.tolist()]
        x = [row.real.embedding for row in rows if row.real is not None]
        return torch.cat(x), torch.cat([row.made.embedding for row in rows])

    def _logits(self) -> tuple[Float[Tensor, "n classes"], Float[Tensor, "n classes"]]:
        pairs = [(row.real.logits, row.made.logits) for row in self.rows if row.real is not None]
        p, q = (torch.cat([t for t in side if t is not None]) for side in zip(*pairs, strict=True))
        return p, q

    def of_clips(self) -> list[dict[str, float]]:
        """What can be told of single clips, by column, clip after clip."""
        found: list[dict[str, float]] = [{} for _ in self.rows]
        if "KL" in self.names:
            for clip, kl in zip(found, paired_kls(*self._logits()).tolist(), strict=True):
                clip[self.names["KL"]] = kl
        for clip, row in zip(found, self.rows, strict=True):
            clip.update({self.names[k]: value for k, value in row.cosines.items()})
        return found

    def notes(self, scored: Sequence[Path]) -> list[str]:
        """What to beware of; `scored` are the made files."""
        measure, label = self.loaded.measure, ", ".join(self.names.values())
        notes = []
        if measure.note:
            notes.append(measure.note if measure.place else f"{label}: {measure.note}")
        if measure.may_guide:
            notes.append(guide_overlap_note(label, self.loaded.path, scored))
        distances = [self.names[k] for k in ("FD", "KD") if k in self.names]
        if not distances:
            return notes
        if len(self.rows) == 1:
            what = " and ".join(distances)
            return [*notes, f"{what}: left out, since they need at least 2 clips and 1 was scored"]
        x, y = self._sets(torch.arange(len(self.rows)))
        n, dim = min(len(x), len(y)), x.shape[1]
        if n <= dim:
            what = f"{n} clips" if n == len(self.rows) else f"{n} rows"
            notes.append(
                f"{' and '.join(distances)}: {what} for {dim} features, so most of "
                f"{distances[0]} is bias; compare equal counts"
            )
        return notes


def check(columns: NetworkScores, *, sounds: bool, pictures: bool) -> None:
    """Insist that a network can judge what a task makes.

    Raises:
        SettingsError: It is deaf where sounds are made, or blind where pictures are.
    """
    network, name = columns.loaded.network, columns.loaded.measure.name
    if sounds and isinstance(network, HearsSounds):
        return
    if pictures and isinstance(network, SeesVideos):
        return
    made = "sounds" if sounds else "pictures"
    raise SettingsError(f"--features {name} cannot judge {made}, which this task makes")


def score(column: str, n: int, statistic: OfClips, *, is_biased: bool = False) -> Score:
    """A statistic of all clips, and its interval over resampled ones.

    `is_biased` tells that clips which are drawn twice bias it, which is then taken off.
    """
    value, interval = statistic(torch.arange(n)), (math.nan, math.nan)
    if n > 1:
        around = value if is_biased else None
        interval = bootstrap_interval(statistic, n, RESAMPLES, around=around)
    return Score(name=column, value=value, interval=interval, better=CARDS[column].better, count=n)


def mean_score(column: str, values: Sequence[float]) -> list[Score]:
    """The mean over clips that have a value; nothing where none has."""
    known = torch.tensor([v for v in values if not math.isnan(v)], dtype=torch.float64)
    return [score(column, len(known), partial(mean_of, known))] if len(known) else []
