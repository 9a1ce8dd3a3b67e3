"""Metric cards: definition, network, input, scale and direction of every reported score."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from seehear.evaluation.feature_networks import FEATURES, FeatureNetwork, StatisticName

Better = Literal["lower", "higher"]


@dataclass(frozen=True, kw_only=True)
class MetricCard:
    """The properties that must be equal before two values of a metric can be compared."""

    name: str  # column name
    formula: str
    network: str  # with the layer
    input: str  # sample rate or frame size, and preprocessing
    rows: str  # what a row of features is
    scale: str  # range, and the best value
    better: Better
    source: str


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """A formula over features of any network."""

    formula: str
    scale: str
    better: Better
    uses_logits: bool = False  # computed from logits instead of features
    source: str


STATISTICS: Mapping[StatisticName, Statistic] = {
    "KL": Statistic(
        formula="mean over pairs of sum_c p(c) (ln p(c) - ln(q(c) + 1e-6)), p = softmax of the "
        "real clip's logits, q = softmax of the generated clip's logits",
        scale="about 0 or more; because of the 1e-6, identical clips score -1e-6 times the number "
        "of classes",
        better="lower", uses_logits=True, source="arXiv:2110.08791",
    ),
    "same class": Statistic(
        formula="fraction of pairs with the same most likely class",
        scale="0 to 1", better="higher", uses_logits=True, source="",
    ),
    "ISc": Statistic(
        formula="exp of the mean KL divergence of each generated clip's class distribution from "
        "the mean distribution of its split; 10 splits (fewer for fewer clips), shuffled with seed "
        "2020, mean over splits",
        scale="1 to the number of classes or the number of clips per split, whichever is smaller",
        better="higher", uses_logits=True, source="arXiv:1606.03498",
    ),
    "FD": Statistic(
        formula="|m_x - m_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2)), covariances over n - 1",
        scale="0 or more, in squared feature units; biased upwards unless n is much larger than "
        "the number of features",
        better="lower", source="arXiv:1706.08500",
    ),
    "KD": Statistic(
        formula="unbiased MMD^2 with the kernel (x.y/d + 1)^3, once over the whole sets",
        scale="about 0 or more; can be negative near 0", better="lower", source="arXiv:1801.01401",
    ),
    "AV": Statistic(
        formula="mean over clips of cos(audio, video)",
        scale="-1 to 1", better="higher", source="arXiv:2305.05665",
    ),
    "VT": Statistic(
        formula="mean over clips of cos(video, prompt)",
        scale="-1 to 1", better="higher", source="arXiv:2305.05665",
    ),
    "AT": Statistic(
        formula="mean over clips of cos(audio, prompt)",
        scale="-1 to 1", better="higher", source="arXiv:2211.06687",
    ),
}  # fmt: skip
_WITHOUT_NETWORK = (
    MetricCard(
        name="AV-align",
        formula="number of onsets within one frame of a motion peak / size of the union of onsets "
        'and peaks; each peak matches at most one onset (version="2025"; with version="paper" a '
        "peak can match several onsets, and the score can exceed 1)",
        network="none: Farneback's optical flow of at least 0.1 px, librosa's onsets",
        input="all frames at the native frame rate, up to 60 fps; 22.05 kHz mono",
        rows="one per clip with motion or onsets",
        scale="0 to 1",
        better="higher",
        source="arXiv:2309.16429",
    ),
)


def card_of(measure: FeatureNetwork, statistic: StatisticName) -> MetricCard:
    """The metric card of one column."""
    definition = STATISTICS[statistic]
    layer = measure.classes if definition.uses_logits else measure.features
    sources = dict.fromkeys(s for s in (definition.source, measure.source) if s)
    return MetricCard(
        name=measure.columns[statistic],
        formula=definition.formula,
        network=f"{measure.network}: {layer}",
        input=measure.input,
        rows=measure.rows,
        scale=definition.scale,
        better=definition.better,
        source=", ".join(sources),
    )


CARDS: Mapping[str, MetricCard] = {
    card.name: card
    for card in (
        *(card_of(measure, name) for measure in FEATURES.values() for name in measure.columns),
        *_WITHOUT_NETWORK,
    )
}
