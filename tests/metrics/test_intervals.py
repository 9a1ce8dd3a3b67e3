import pytest
import torch

from seehear.metrics.frechet import frechet_distance
from seehear.metrics.intervals import bootstrap_interval, wilson_interval


def test_wilson_interval_of_a_textbook_case():
    low, high = wilson_interval(81, 263)  # Newcombe 1998, Table I, method 3
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_wilson_interval_of_no_hits_starts_at_zero_and_has_width():
    low, high = wilson_interval(0, 20)
    assert low == 0.0
    assert 0.1 < high < 0.2


def test_wilson_interval_refuses_more_hits_than_trials():
    with pytest.raises(ValueError, match="hits <= trials"):
        wilson_interval(3, 2)


def test_bootstrap_interval_of_a_mean_is_two_standard_errors_wide():
    x = torch.randn(400, generator=torch.Generator().manual_seed(0))
    low, high = bootstrap_interval(lambda i: float(x[i].mean()), 400, resamples=1000)
    standard_error = float(x.std()) / 20
    assert low < float(x.mean()) < high
    assert (high - low) / (2 * 1.96 * standard_error) == pytest.approx(1, abs=0.1)


def test_an_interval_of_a_distance_lies_around_its_value():
    draws = torch.Generator().manual_seed(0)
    x, y = (torch.randn(60, 40, generator=draws, dtype=torch.float64) for _ in range(2))
    value = float(frechet_distance(x, y))

    def statistic(chosen):
        return float(frechet_distance(x[chosen], y[chosen]))

    low, _ = bootstrap_interval(statistic, 60)
    assert low > value  # rows that come twice make sets smaller, and distances larger
    low, high = bootstrap_interval(statistic, 60, around=value)
    assert low < value < high
