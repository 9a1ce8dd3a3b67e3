"""Compare systems by a paired bootstrap over the clips that both have."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch

from seehear.errors import SettingsError
from seehear.evaluation.report import Report
from seehear.metrics.intervals import bootstrap_interval, mean_of

RESAMPLES = 2000
GUIDE, JUDGE = "AV-bind", "KL"  # guidance may optimise AV-bind directly, but never KL


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Mean difference of a metric (second minus first system) over the shared clips."""

    metric: str
    first: str
    second: str
    value: float
    interval: tuple[float, float]
    count: int

    @property
    def is_real(self) -> bool:
        """Whether the 95 % interval excludes zero."""
        return self.interval[0] > 0 or self.interval[1] < 0


def compared(reports: Sequence[Report]) -> list[Difference]:
    """Differences between all pairs of reports, for every metric.

    Raises:
        SettingsError: Fewer than two reports, reports of different tasks, or no shared clips.
    """
    if len(reports) < 2:
        raise SettingsError(f"expected at least two reports to compare, got {len(reports)}")
    if len({report.task for report in reports}) > 1:
        raise SettingsError(
            "expected reports of one task, got several; scores of tasks are not comparable"
        )
    found = []
    for k, first in enumerate(reports):
        for second in reports[k + 1 :]:
            found += _differences(first, second)
    return found


def _differences(first: Report, second: Report) -> list[Difference]:
    shared = sorted(first.clips.keys() & second.clips.keys())
    if not shared:
        raise SettingsError(f"{first.made} and {second.made}: expected shared clips, got none")
    found = []
    # Metrics of single clips that both reports have.
    shared_metrics = [name for name in first.clips[shared[0]] if name in second.clips[shared[0]]]
    for metric in shared_metrics:
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
    """Warnings for systems with a better guiding-binder score but a worse score by the judge.

    In this case guidance exploits the binder instead of improving audio-video agreement.
    """
    found = {(d.first, d.second, d.metric): d for d in differences if d.is_real}
    warnings = []
    for (first, second, metric), guide in found.items():
        judge = found.get((first, second, JUDGE))
        # Higher KL is worse.
        if metric != GUIDE or judge is None or (guide.value > 0) != (judge.value > 0):
            continue
        better, worse = (second, first) if guide.value > 0 else (first, second)
        warnings.append(
            f"over-optimised: {better} has a higher {GUIDE} than {worse}, which guidance may have "
            f"optimised, but a worse {JUDGE} by the judge ({abs(judge.value):+.3f})"
        )
    return warnings
