import pytest
import torch

from seehear.guidance.sampling import sample
from seehear.guidance.settings import SamplingSettings
from seehear.models.backbones import gaussian

COVARIANCE = [[0.5, 0.3, 0, 0], [0.3, 1.0, 0, 0.1], [0, 0, 0.25, 0], [0, 0.1, 0, 0.1]]


def drawn(backbone, num_steps, prompt="", scale=1.0, batch=512):
    z = backbone.prior(2.0, batch, torch.Generator().manual_seed(0))
    y = backbone.embed_prompt([prompt] * batch)
    settings = SamplingSettings(num_steps=num_steps, guidance_scale=scale)
    found = sample({"audio": backbone}, {"audio": z}, {"audio": y}, None, settings)
    return found.latents["audio"].transpose(1, 2).flatten(0, 1)  # 8192 rows of 4 channels


@pytest.mark.parametrize("path", ["vp", "flow"])
def test_many_steps_reproduce_mean_and_covariance(path):
    backbone = gaussian.load(covariance=COVARIANCE, path=path)
    samples = drawn(backbone, 300)
    # Four standard errors of 8192 draws with variances up to 1.
    torch.testing.assert_close(samples.mean(0), backbone.mean, rtol=0, atol=0.05)
    torch.testing.assert_close(torch.cov(samples.T), backbone.covariance, rtol=0, atol=0.06)


def test_a_prompt_shifts_the_mean_and_nothing_else():
    backbone = gaussian.load(covariance=COVARIANCE)
    shift = backbone.embed_prompt(["rain"])[1]
    torch.testing.assert_close(
        drawn(backbone, 20, "rain") - drawn(backbone, 20),
        shift.expand(8192, 4),
        rtol=0,
        atol=0.15,  # 20 steps do not remove all of the prior's pull
    )


def test_the_score_is_that_of_the_noisy_gaussian():
    backbone = gaussian.load(covariance=COVARIANCE)
    level = backbone.levels(10)[4]
    z = torch.randn(1, 4, 1, dtype=torch.float64, requires_grad=True)
    noisy = torch.distributions.MultivariateNormal(
        level.alpha * backbone.mean,
        level.alpha**2 * backbone.covariance + level.sigma**2 * torch.eye(4, dtype=torch.float64),
    )
    (score,) = torch.autograd.grad(noisy.log_prob(z[0, :, 0]), z)
    eps = backbone.predict(z, level, backbone.embed_prompt([""]), 1.0).eps
    torch.testing.assert_close(eps, -level.sigma * score)


@pytest.mark.parametrize("covariance", [[1.0], [[1.0, 2.0], [2.0, 1.0]]])
def test_a_covariance_that_cannot_be_is_refused(covariance):
    with pytest.raises(ValueError, match="covariance"):
        gaussian.load(mean=(0.0, 0.0), covariance=covariance)
