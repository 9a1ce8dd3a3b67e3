"""Score columns of one network: features of one pair at a time, then statistics of all."""

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
from seehear.evaluation.feature_networks import DISTANCES, LoadedNetwork, StatisticName
from seehear.evaluation.guide_overlap import guide_overlap_note
from seehear.evaluation.metric_cards import CARDS
from seehear.evaluation.report import Score
from seehear.metrics.bind import paired_cosine
from seehear.metrics.classes import inception_score, paired_kls
from seehear.metrics.features.protocol import EmbedsAudio, EmbedsText, EmbedsVideo, Features
from seehear.metrics.intervals import bootstrap_interval, mean_of

SPLITS = 10  # of the inception score
RESAMPLES = 200
_SET_STATISTICS: tuple[StatisticName, ...] = ("ISc", *DISTANCES)
_COSINES: tuple[StatisticName, ...] = ("AV", "VT", "AT")

ClipStatistic = Callable[[Tensor], float]  # a statistic of the clips with the given indices


@dataclass(frozen=True, kw_only=True)
class PairMedia:
    """The media of a pair, decoded on first use."""

    name: str  # for errors
    audio_pair: tuple[ClipMedia, ClipMedia] | None  # real and generated, if audio was generated
    video_pair: tuple[ClipMedia, ClipMedia] | None  # real and generated, if video was generated
    audio: ClipMedia  # of the generated clip, or the input audio
    video: ClipMedia | None  # the video of `audio`
    prompt: str | None = None


@dataclass(frozen=True, kw_only=True)
class PairFeatures:
    """Features of a pair by one network: a few hundred numbers, without the media."""

    real: Features | None  # None if no column needs it
    made: Features
    cosines: Mapping[StatisticName, float]


@dataclass
class NetworkScores:
    """A network with the features of all clips so far."""

    loaded: LoadedNetwork
    reads: bool = False  # whether there are prompts
    fingerprint: str = ""  # of the network; "" without a cache
    is_paired: bool = True  # False: only sets can be compared
    rows: list[PairFeatures] = field(default_factory=list)

    @property
    def names(self) -> Mapping[StatisticName, str]:
        """Column names by statistic."""
        skipped: tuple[StatisticName, ...] = () if self.reads else ("VT", "AT")
        if not self.is_paired:
            skipped += ("KL", "same class")
        return {k: v for k, v in self.loaded.measure.columns.items() if k not in skipped}

    def pair_features(self, media: PairMedia) -> PairFeatures:
        """Features of a pair. They are not stored here: another network may reject the pair.

        Raises:
            MediaError: The features are not finite, or the network rejects the clip.
        """
        network = self.loaded.network
        extract: Callable[[ClipMedia, str], Features]
        if media.video_pair is not None and isinstance(network, EmbedsVideo):
            letter, pair, extract = "V", media.video_pair, partial(video_features, network)
        else:
            # `check` has rejected other networks.
            assert isinstance(network, EmbedsAudio)
            assert media.audio_pair is not None
            letter, pair, extract = "A", media.audio_pair, partial(audio_features, network)
        made = extract(pair[1], self.fingerprint)
        needs_real = not self.names.keys() <= set(_COSINES)
        real = extract(pair[0], self.fingerprint) if needs_real else None
        tensors = [t for features in (real, made) if features for t in features if t is not None]
        if not all(tensor.isfinite().all() for tensor in tensors):
            raise MediaError(
                f"{media.name}: expected finite features, got NaN or inf; check the file for damage"
            )
        return PairFeatures(
            real=real, made=made, cosines=self._cosines(media, {letter: made.embedding})
        )

    def _cosines(self, media: PairMedia, known: Mapping[str, Tensor]) -> dict[StatisticName, float]:
        """Cosines between audio, video and prompt; NaN if one of the two is missing."""
        network, columns = self.loaded.network, [k for k in _COSINES if k in self.names]
        letters, e = set("".join(columns)), dict(known)
        if "A" in letters - e.keys() and isinstance(network, EmbedsAudio):
            e["A"] = audio_features(network, media.audio, self.fingerprint).embedding
        if "V" in letters - e.keys() and media.video and isinstance(network, EmbedsVideo):
            e["V"] = video_features(network, media.video, self.fingerprint).embedding
        if "T" in letters and media.prompt and isinstance(network, EmbedsText):
            e["T"] = network.read([media.prompt])
        return {
            k: float(paired_cosine(e[k[0]], e[k[1]])) if e.keys() >= set(k) else math.nan
            for k in columns
        }

    def scores(self) -> list[Score]:
        """All columns with bootstrap intervals over clips."""
        statistics, n = self._statistics(), len(self.rows)
        scores = []
        for name, column in self.names.items():
            if name in _COSINES:
                scores += mean_score(column, [row.cosines[name] for row in self.rows])
            elif n > 1 or name not in DISTANCES:
                is_biased = name in _SET_STATISTICS
                scores.append(score(column, n, statistics[name], is_biased=is_biased))
        return scores

    def _statistics(self) -> dict[StatisticName, ClipStatistic]:
        """The statistics as functions of clip indices."""
        found: dict[StatisticName, ClipStatistic] = {
            name: partial(self._distance, distance) for name, distance in DISTANCES.items()
        }
        if "ISc" not in self.names:
            return found
        p, q = self._logits()
        splits = min(SPLITS, len(self.rows))
        found["KL"] = partial(mean_of, paired_kls(p, q))
        found["same class"] = partial(mean_of, (p.argmax(1) == q.argmax(1)).double())
        found["ISc"] = lambda chosen: inception_score(q[chosen], splits=splits)[0]
        return found

    def _distance(self, distance: Callable[[Tensor, Tensor], float], chosen: Tensor) -> float:
        return distance(*self._sets(chosen))

    def _sets(self, chosen: Tensor) -> tuple[Float[Tensor, "n dim"], Float[Tensor, "m dim"]]:
        """Real and generated features of the chosen clips. A clip can have several rows."""
        rows = [self.rows[k] for k in chosen.tolist()]
        x = [row.real.embedding for row in rows if row.real is not None]
        return torch.cat(x), torch.cat([row.made.embedding for row in rows])

    def _logits(self) -> tuple[Float[Tensor, "n classes"], Float[Tensor, "n classes"]]:
        pairs = [(row.real.logits, row.made.logits) for row in self.rows if row.real is not None]
        p, q = (torch.cat([t for t in side if t is not None]) for side in zip(*pairs, strict=True))
        return p, q

    def clip_values(self) -> list[dict[str, float]]:
        """Values of single clips by column, one dict per clip."""
        clips: list[dict[str, float]] = [{} for _ in self.rows]
        if "KL" in self.names:
            for clip, kl in zip(clips, paired_kls(*self._logits()).tolist(), strict=True):
                clip[self.names["KL"]] = kl
        for clip, row in zip(clips, self.rows, strict=True):
            clip.update({self.names[k]: value for k, value in row.cosines.items()})
        return clips

    def notes(self, scored: Sequence[Path]) -> list[str]:
        """Notes on the limits of the scores. `scored` are the generated files."""
        measure, label = self.loaded.measure, ", ".join(self.names.values())
        notes = []
        if measure.note:
            notes.append(measure.note if measure.shipped else f"{label}: {measure.note}")
        if measure.may_guide:
            notes.append(guide_overlap_note(label, self.loaded.path, scored))
        distances = [self.names[k] for k in DISTANCES if k in self.names]
        if not distances:
            return notes
        if len(self.rows) == 1:
            what = " and ".join(distances)
            return [*notes, f"{what}: skipped, because they need at least 2 clips, got 1"]
        x, y = self._sets(torch.arange(len(self.rows)))
        n, dim = min(len(x), len(y)), x.shape[1]
        if n <= dim:
            what = f"{n} clips" if n == len(self.rows) else f"{n} rows"
            notes.append(
                f"{' and '.join(distances)}: {what} for {dim} features, so most of "
                f"{distances[0]} is bias; compare only equal counts"
            )
        return notes


def check(columns: NetworkScores, *, audio: bool, video: bool) -> None:
    """Check that a network can score the generated modality.

    Raises:
        SettingsError: The network cannot embed that modality.
    """
    network, name = columns.loaded.network, columns.loaded.measure.name
    if audio and isinstance(network, EmbedsAudio):
        return
    if video and isinstance(network, EmbedsVideo):
        return
    kind = "audio" if audio else "video"
    raise SettingsError(
        f"--features {name} cannot embed {kind}, which this task generates; choose another network"
    )


def score(column: str, n: int, statistic: ClipStatistic, *, is_biased: bool = False) -> Score:
    """A statistic of all clips with its bootstrap interval.

    With `is_biased`, the interval is corrected for the bias that repeated clips cause.
    """
    value, interval = statistic(torch.arange(n)), (math.nan, math.nan)
    if n > 1:
        around = value if is_biased else None
        interval = bootstrap_interval(statistic, n, RESAMPLES, around=around)
    return Score(name=column, value=value, interval=interval, better=CARDS[column].better, count=n)


def mean_score(column: str, values: Sequence[float]) -> list[Score]:
    """The mean over clips that have a value (not NaN), or [] if none has."""
    known = torch.tensor([v for v in values if not math.isnan(v)], dtype=torch.float64)
    return [score(column, len(known), partial(mean_of, known))] if len(known) else []
