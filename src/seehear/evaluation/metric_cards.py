"""What every number of a report is: a card per metric, which also tells which way is better."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from seehear.evaluation.feature_networks import FEATURES, FeatureNetwork, StatisticName

Better = Literal["lower", "higher"]


@dataclass(frozen=True, kw_only=True)
class MetricCard:
    """All that must be equal before two values of a metric may be compared."""

    name: str  # of the column
    formula: str
    network: str  # and which of its layers
    given: str  # sample rate or frame size
    rows: str  # what is counted
    scale: str  # range, and the value of a perfect set
    better: Better
    source: str


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """A formula of features, whichever network they are of."""

    formula: str
    scale: str
    better: Better
    of_classes: bool = False  # of logits, not of features
    source: str


STATISTICS: Mapping[StatisticName, Statistic] = {
    "KL": Statistic(
        formula="mean over pairs of sum_c p(c) (ln p(c) - ln(q(c) + 1e-6)), p = softmax of the "
        "real clip's logits, q of the made one's",
        scale="0 up; identical clips score -1e-6 times the number of classes",
        better="lower", of_classes=True, source="arXiv:2110.08791",
    ),
    "same class": Statistic(
        formula="share of pairs whose most likely class agrees",
        scale="0 to 1", better="higher", of_classes=True, source="",
    ),
    "ISc": Statistic(
        formula="exp of the mean KL divergence of each made clip's classes from the mean of its "
        "split; 10 splits (fewer for fewer clips), shuffled by seed 2020, mean over splits",
        scale="1 to the smaller of classes and clips per split",
        better="higher", of_classes=True, source="arXiv:1606.03498",
    ),
    "FD": Statistic(
        formula="|m_x - m_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2)), covariances over n - 1",
        scale="0 up, squared feature units; biased upwards unless n is far above the number of "
        "features",
        better="lower", source="arXiv:1706.08500",
    ),
    "KD": Statistic(
        formula="unbiased MMD^2 with (x.y/d + 1)^3 over the whole sets, once",
        scale="about 0 up; near 0 it may be negative", better="lower", source="arXiv:1801.01401",
    ),
    "AV": Statistic(
        formula="mean over clips of cos(sound, picture)",
        scale="-1 to 1", better="higher", source="arXiv:2305.05665",
    ),
    "VT": Statistic(
        formula="mean over clips of cos(picture, prompt)",
        scale="-1 to 1", better="higher", source="arXiv:2305.05665",
    ),
    "AT": Statistic(
        formula="mean over clips of cos(sound, prompt)",
        scale="-1 to 1", better="higher", source="arXiv:2211.06687",
    ),
}  # fmt: skip
_WITHOUT_NETWORK = (
    MetricCard(
        name="AV-align",
        formula="onsets within one frame of a peak of motion, over all onsets and peaks; one to "
        'one ("2025"; "paper" lets a peak serve several onsets and can exceed 1)',
        network="none: Farneback's optical flow of at least 0.1 px, librosa's onsets",
        given="every frame at the clip's own rate, up to 60 a second; 22.05 kHz mono",
        rows="one per clip that moves or sounds",
        scale="0 to 1",
        better="higher",
        source="arXiv:2309.16429",
    ),
)


def card_of(measure: FeatureNetwork, statistic: StatisticName) -> MetricCard:
    """The card of one column."""
    what = STATISTICS[statistic]
    layer = measure.classes if what.of_classes else measure.features
    sources = dict.fromkeys(s for s in (what.source, measure.source) if s)
    return MetricCard(
        name=measure.columns[statistic],
        formula=what.formula,
        network=f"{measure.network}: {layer}",
        given=measure.given,
        rows=measure.rows,
        scale=what.scale,
        better=what.better,
        source=", ".join(sources),
    )


CARDS: Mapping[str, MetricCard] = {
    card.name: card
    for card in (
        *(card_of(measure, name) for measure in FEATURES.values() for name in measure.columns),
        *_WITHOUT_NETWORK,
    )
}
