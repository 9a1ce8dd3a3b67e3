"""Which differences between systems are real: a paired bootstrap over the clips of both."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from seehear.errors import SettingsError
from seehear.evaluation.report import Report
from seehear.metrics.intervals import bootstrap_interval, mean_of

RESAMPLES = 2000
GUIDE, JUDGE = "AV-bind", "KL"  # a score that guidance may raise, and one that it must not


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much more the second system has of a metric, over the clips that both have."""

    metric: str
    first: str
    second: str
    value: float
    interval: tuple[float, float]
    count: int

    @property
    def is_real(self) -> bool:
        """Whether the 95 % interval leaves zero out."""
        return self.interval[0] > 0 or self.interval[1] < 0


def compared(reports: Sequence[Report]) -> list[Difference]:
    """Every pair of reports, metric by metric.

    Raises:
        SettingsError: Fewer than two reports, of other tasks, or without a clip in common.
    """
    if len(reports) < 2:
        raise SettingsError(f"expected at least two reports to compare, got {len(reports)}")
    if len({report.task for report in reports}) > 1:
        raise SettingsError("expected reports of one task; their scores mean different things")
    found = []
    for k, first in enumerate(reports):
        for second in reports[k + 1 :]:
            found += _differences(first, second)
    return found


def _differences(first: Report, second: Report) -> list[Difference]:
    shared = sorted(first.clips.keys() & second.clips.keys())
    if not shared:
        raise SettingsError(f"{first.made} and {second.made} have no clip in common")
    found = []
    # What single clips have, by the networks that scored both.
    known = [name for name in first.clips[shared[0]] if name in second.clips[shared[0]]]
    for metric in known:
        pairs = [(first.clips[c][metric], second.clips[c][metric]) for c in shared]
        steps = torch.tensor(
            [b - a for a, b in pairs if not (math.isnan(a) or math.isnan(b))], dtype=torch.float64
        )
        if len(steps) > 1:
            interval = bootstrap_interval(partial(mean_of, steps), len(steps), RESAMPLES)
            found.append(
                Difference(
                    metric=metric,
                    first=first.made,
                    second=second.made,
                    value=steps.mean().item(),
                    interval=interval,
                    count=len(steps),
                )
            )
    return found


def over_optimisation_warnings(differences: Sequence[Difference]) -> list[str]:
    """Sentences about systems that please the network that guides while the judge likes them less.

    Then guidance found what fools the binder, instead of what belongs together.
    """
    found = {(d.first, d.second, d.metric): d for d in differences if d.is_real}
    told = []
    for (first, second, metric), guide in found.items():
        judge = found.get((first, second, JUDGE))
        # KL is worse where it is higher.
        if metric != GUIDE or judge is None or (guide.value > 0) != (judge.value > 0):
            continue
        better, worse = (second, first) if guide.value > 0 else (first, second)
        told.append(
            f"over-optimised: {better} has more {GUIDE} than {worse}, which may be what guided, "
            f"but the judge finds it worse ({JUDGE} {abs(judge.value):+.3f})"
        )
    return told
