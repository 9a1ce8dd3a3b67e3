import pytest
import torch
from training.binder.worst import worse

from seehear.guidance.step_rules import sample_rms


@pytest.mark.parametrize("num_steps", [1, 2, 5])
def test_a_change_for_the_worse_goes_uphill_and_stays_within_its_radius(num_steps):
    slope = torch.randn(4, 32, 16, generator=torch.Generator().manual_seed(0))
    radius = torch.tensor([0.1, 0.5, 0.1, 0.5]).view(4, 1, 1)
    smooth = torch.tensor([False, False, True, True]).view(4, 1, 1)
    change = torch.zeros_like(slope)
    for _ in range(num_steps):
        change = worse(change, slope, radius, smooth, num_steps)
    assert ((change * slope).flatten(1).sum(1) > 0).all()
    torch.testing.assert_close(sample_rms(change), radius)  # 1.5 times the way, and back


def test_a_smooth_change_has_no_fine_texture():
    slope = torch.randn(2, 32, 16, generator=torch.Generator().manual_seed(0))
    smooth = torch.tensor([False, True]).view(2, 1, 1)
    white, flowing = worse(torch.zeros_like(slope), slope, torch.ones(2, 1, 1), smooth, 1)
    assert flowing.diff(dim=0).square().mean() < 0.2 * white.diff(dim=0).square().mean()
