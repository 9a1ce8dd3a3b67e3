import pytest
import torch

from seehear.guidance import diffusion
from seehear.guidance.diffusion import NoiseLevel, prediction_from, step

VP = NoiseLevel(t=500.0, alpha=0.6, sigma=0.8)
FLOW = NoiseLevel(t=0.3, alpha=0.7, sigma=0.3)


def noisy(level):
    noise = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(2, 3, 5, generator=noise, dtype=torch.float64).unbind()
    return x0, eps, level.alpha * x0 + level.sigma * eps


@pytest.mark.parametrize(
    ("kind", "level", "output_of"),
    [
        ("eps", VP, lambda x0, eps: eps),
        ("x0", VP, lambda x0, eps: x0),
        ("v", VP, lambda x0, eps: VP.alpha * eps - VP.sigma * x0),
        ("velocity", FLOW, lambda x0, eps: eps - x0),
        ("eps", FLOW, lambda x0, eps: eps),
        ("x0", FLOW, lambda x0, eps: x0),
    ],
)
def test_a_perfect_prediction_of_any_kind_gives_back_clean_latents_and_noise(
    kind, level, output_of
):
    x0, eps, z = noisy(level)
    found = prediction_from(kind, output_of(x0, eps), z, level)
    torch.testing.assert_close(found.x0, x0)
    torch.testing.assert_close(found.eps, eps)


def test_a_kind_that_nobody_predicts_is_refused():
    _, _, z = noisy(VP)
    with pytest.raises(ValueError, match="got 'score'"):
        # The annotation would stop a typed caller; a config file is not typed.
        getattr(prediction_from, "__wrapped__", prediction_from)("score", z, z, VP)


def test_one_step_with_a_perfect_prediction_lands_on_the_path():
    x0, eps, z = noisy(VP)
    nearer = NoiseLevel(t=10.0, alpha=0.8, sigma=0.6)
    arrived = step(prediction_from("eps", eps, z, VP), nearer)
    torch.testing.assert_close(arrived, 0.8 * x0 + 0.6 * eps)


def test_a_flow_step_is_an_euler_step():
    x0, eps, z = noisy(FLOW)
    nearer = NoiseLevel(t=0.1, alpha=0.9, sigma=0.1)
    arrived = step(prediction_from("velocity", eps - x0, z, FLOW), nearer)
    torch.testing.assert_close(arrived, z + (0.1 - 0.3) * (eps - x0))


def test_levels_are_float32_numbers_and_end_with_the_final_one():
    alphas_cumprod = torch.linspace(0.99, 0.01, 100)
    levels = diffusion.vp_levels(alphas_cumprod, [90, 50, 10], 1.0)
    assert [level.t for level in levels] == [90, 50, 10, 0]
    assert levels[-1].alpha == 1.0
    assert levels[-1].sigma == 0.0
    root = alphas_cumprod[50].double().sqrt().float()
    assert levels[1].alpha == root.item()
    assert levels[1].sigma == (1 - alphas_cumprod[50]).double().sqrt().float().item()
    assert levels[1].inv_alpha == (1 / root).item()


def test_the_step_is_the_library_ddim_scheduler():
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DDIMScheduler(
        beta_start=0.0015, beta_end=0.0195, beta_schedule="scaled_linear", steps_offset=1,
        clip_sample=False, set_alpha_to_one=False,
    )  # fmt: skip
    scheduler.set_timesteps(10)
    levels = diffusion.vp_levels(
        scheduler.alphas_cumprod, scheduler.timesteps.tolist(), float(scheduler.final_alpha_cumprod)
    )
    _, eps, z = noisy(VP)
    for i, t in enumerate(scheduler.timesteps):
        expected = scheduler.step(eps, t, z).prev_sample
        found = step(prediction_from("eps", eps, z, levels[i]), levels[i + 1])
        # The scheduler takes float32 roots, which processors round differently, an ulp apart.
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    with_float64 = [level.alpha for level in levels[:-1]]
    exact = scheduler.alphas_cumprod[scheduler.timesteps].double().sqrt().float().tolist()
    assert with_float64 == exact


def test_reciprocal_and_division_agree_to_float32_rounding_only():
    level = diffusion.vp_levels(torch.tensor([0.37]), [0], 1.0)[0]
    _, eps, z = noisy(VP)
    by_reciprocal = diffusion.x0_from_eps_by_reciprocal(z, eps, level)
    divided = diffusion.x0_from_eps(z, eps, level)
    torch.testing.assert_close(by_reciprocal, divided, rtol=1e-6, atol=0)
    assert not torch.equal(by_reciprocal, divided)
