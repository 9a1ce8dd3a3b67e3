import pytest
import torch

from seehear.metrics.frechet import frechet_distance


def _normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_distance_of_shifted_features_is_the_squared_shift():
    x = _normal(500, 3)
    torch.testing.assert_close(frechet_distance(x, x + 2.0).item(), 12.0, rtol=0, atol=1e-6)


def test_distance_of_scaled_features_is_the_trace_of_the_squared_difference_of_spreads():
    x = _normal(4000, 4)
    x = x - x.mean(0)
    expected = torch.cov(x.T).trace().item()  # (3 - 2)² tr C for commuting covariances
    assert frechet_distance(2 * x, 3 * x).item() == pytest.approx(expected, rel=1e-9)


def test_distance_agrees_with_the_matrix_square_root_of_scipy():
    linalg = pytest.importorskip("scipy.linalg")
    x, y = _normal(300, 6) @ _normal(6, 6, seed=1), _normal(200, 6, seed=2) @ _normal(6, 6, seed=3)
    cov_x, cov_y = torch.cov(x.T).numpy(), torch.cov(y.T).numpy()
    root = linalg.sqrtm(cov_x @ cov_y).real
    expected = float(((x.mean(0) - y.mean(0)) ** 2).sum()) + (cov_x + cov_y - 2 * root).trace()
    assert frechet_distance(x, y).item() == pytest.approx(expected, rel=1e-6)


def test_distance_is_finite_with_fewer_clips_than_dimensions():
    assert frechet_distance(_normal(5, 30), _normal(5, 30, seed=1)).isfinite()


def test_a_single_clip_has_no_covariance():
    with pytest.raises(ValueError, match="at least 2 clips"):
        frechet_distance(_normal(1, 3), _normal(5, 3))
