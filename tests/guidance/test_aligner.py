from dataclasses import replace

import pytest
import torch

from seehear.errors import SettingsError
from seehear.guidance.aligner import Aligner
from seehear.guidance.settings import AlignerConfig
from seehear.pipeline.presets import AUTHORS

CONFIG = AlignerConfig(rule="descent", lr_latents=0.1, start=0.0)


def latents(batch=2):
    noise = torch.Generator().manual_seed(0)
    return {"audio": torch.randn(batch, 3, 4, generator=noise, dtype=torch.float64)}


def quartic(z, y):
    return {"quartic": (z["audio"] ** 4).flatten(1).sum(1)}


def moved(config, z=None, pieces=(quartic,), steps=1):
    z, y, aligner = z or latents(), {}, Aligner(config)
    for i in range(1, steps + 1):
        z, y, trace = aligner.align(i, 10, z, y, pieces)
    return z["audio"], trace


def test_the_authors_preset_guides_from_step_7_to_the_last_of_30():
    guided = [i for i in range(30) if AUTHORS.settings.aligner.is_guided(i, 30)]
    assert guided == list(range(7, 30))
    assert [i for i in range(10) if AUTHORS.settings.aligner.is_guided(i, 10)] == [*range(3, 10)]


def test_guidance_ends_and_skips_where_told():
    config = AlignerConfig(start=0.2, end=0.9, every=3)
    assert [i for i in range(30) if config.is_guided(i, 30)] == [7, 10, 13, 16, 19, 22, 25]


def test_descent_moves_by_the_gradient_that_finite_differences_give():
    z = latents()
    after, _ = moved(CONFIG, z)
    gradient = (z["audio"] - after) / 0.1
    nudge = torch.zeros_like(z["audio"])
    nudge[1, 2, 3] = 1e-5
    above, below = (quartic({"audio": z["audio"] + s * nudge}, {})["quartic"] for s in (1, -1))
    expected = (above - below).sum() / 2e-5
    torch.testing.assert_close(gradient[1, 2, 3], expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("num_updates", [1, 3])
def test_fresh_adam_is_a_new_library_adam_at_every_timestep(num_updates):
    z = latents()["audio"]
    found, _ = moved(
        replace(CONFIG, rule="fresh_adam", num_updates=num_updates), {"audio": z}, steps=2
    )
    for _ in range(2):
        z = z.clone().requires_grad_()
        adam = torch.optim.Adam([z], lr=0.1)
        for _ in range(num_updates):
            adam.zero_grad()
            (z**4).sum().backward()
            adam.step()
        z = z.detach()
    torch.testing.assert_close(found, z, rtol=0, atol=1e-14)


def test_persistent_adam_is_one_library_adam_for_all_timesteps():
    z = latents()["audio"].requires_grad_()
    found, _ = moved(
        replace(CONFIG, rule="persistent_adam", num_updates=2), {"audio": z.detach()}, steps=3
    )
    adam = torch.optim.Adam([z], lr=0.1)
    for _ in range(6):
        adam.zero_grad()
        (z**4).sum().backward()
        adam.step()
    torch.testing.assert_close(found, z.detach(), rtol=0, atol=1e-14)


def test_the_relative_step_has_the_asked_size_whatever_the_scale_of_the_loss():
    config = replace(CONFIG, rule="relative", lr_latents=0.05)
    small, trace = moved(config, pieces=[lambda z, y: {"l": 1e-9 * quartic(z, y)["quartic"]}])
    large, _ = moved(config, pieces=[lambda z, y: {"l": 1e9 * quartic(z, y)["quartic"]}])
    torch.testing.assert_close(small, large)
    assert trace.relative_step["audio"] == pytest.approx(0.05)


@pytest.mark.parametrize("rule", ["descent", "fresh_adam", "persistent_adam", "relative"])
def test_samples_of_a_batch_do_not_influence_each_other(rule):
    config = replace(CONFIG, rule=rule, num_updates=2, momentum=0.5, clip_norm=0.3)
    together, _ = moved(config, steps=3)
    z = latents()["audio"]
    apart = [moved(config, {"audio": z[k : k + 1]}, steps=3)[0] for k in range(2)]
    torch.testing.assert_close(together, torch.cat(apart), rtol=0, atol=1e-15)


def test_clipping_limits_the_gradient_norm_of_each_sample():
    z = latents()
    after, _ = moved(replace(CONFIG, clip_norm=0.5), z)
    norms = ((z["audio"] - after) / 0.1).flatten(1).norm(dim=1)
    torch.testing.assert_close(norms, torch.full_like(norms, 0.5))


def test_momentum_adds_half_of_the_direction_before():
    z = latents()

    def slope(z, y):
        return {"slope": z["audio"].flatten(1).sum(1)}

    after, _ = moved(replace(CONFIG, momentum=0.5), z, pieces=[slope], steps=2)
    torch.testing.assert_close(after, z["audio"] - 0.1 * 1.0 - 0.1 * 1.5)


def test_pieces_add_up_to_the_gradient_of_their_sum():
    def first(z, y):
        return {"part": (z["audio"][:, :, :2] ** 4).flatten(1).sum(1)}

    def second(z, y):
        return {"part": (z["audio"][:, :, 2:] ** 4).flatten(1).sum(1)}

    torch.testing.assert_close(moved(CONFIG, pieces=[first, second])[0], moved(CONFIG)[0])


def test_a_rate_of_zero_leaves_a_stream_bit_for_bit_as_it_was():
    z = {"audio": latents()["audio"], "video": latents()["audio"] + 1}

    def both(z, y):
        return {"both": sum((v**4).flatten(1).sum(1) for v in z.values())}

    config = replace(CONFIG, lr_latents={"audio": 0.1, "video": 0.0})
    after, _, trace = Aligner(config).align(1, 10, z, {}, [both])
    assert torch.equal(after["video"], z["video"])
    assert not torch.equal(after["audio"], z["audio"])
    assert list(trace.gradient_norm) == ["audio"]


@pytest.mark.parametrize("bad", [0.0, float("nan")])
@pytest.mark.parametrize("rule", ["descent", "persistent_adam", "relative"])
def test_a_dead_gradient_is_reported_and_leaves_that_sample_alone(rule, bad):
    scale = torch.tensor([1.0, bad], dtype=torch.float64)
    z = latents()
    after, trace = moved(
        replace(CONFIG, rule=rule),
        z,
        pieces=[lambda z, y: {"l": scale * quartic(z, y)["quartic"]}],
    )
    assert trace.dead_gradient
    assert torch.equal(after[1], z["audio"][1])
    assert not torch.equal(after[0], z["audio"][0])


def test_an_objective_that_ignores_the_latents_is_a_dead_gradient():
    _, trace = moved(CONFIG, pieces=[lambda z, y: {"constant": torch.ones(2)}])
    assert trace.dead_gradient
    assert trace.losses == {"constant": 1.0}


@pytest.mark.parametrize(
    ("half", "moved_rows"), [("both", [0, 1, 2, 3]), ("uncond", [0, 1]), ("cond", [2, 3])]
)
def test_prompt_tuning_moves_the_chosen_half_and_keeps_the_norm_of_each_sample(half, moved_rows):
    config = replace(CONFIG, lr_latents=0.0, lr_prompt=0.1, through_denoiser=True, tuned_half=half)
    y = {"audio": torch.randn(4, 5, dtype=torch.float64)}

    def pull(z, y):
        return {"pull": (y["audio"].unflatten(0, (2, -1)) ** 4).sum(dim=(0, 2))}

    z = latents()
    z_after, y_after, trace = Aligner(config).align(1, 10, z, y, [pull])
    assert torch.equal(z_after["audio"], z["audio"])
    assert list(trace.gradient_norm) == ["audio prompt"]
    before, after = y["audio"], y_after["audio"]
    norms = [v[moved_rows].unflatten(0, (-1, 2)).norm(dim=(0, 2)) for v in (before, after)]
    torch.testing.assert_close(norms[1], norms[0])
    directions = [torch.nn.functional.normalize(v, dim=1) for v in (before, after)]
    turned = (directions[0] - directions[1]).abs().amax(dim=1) > 1e-9
    assert turned.nonzero().flatten().tolist() == moved_rows
    left = [row for row in range(4) if row not in moved_rows]
    assert torch.equal(after[left], before[left])  # bit for bit


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"start": 1.0}, "fractions"),
        ({"start": 0.5, "end": 0.4}, "fractions"),
        ({"num_updates": 0}, "num_updates from 1 to 1000"),
        ({"lr_latents": -0.1}, "rates from 0 to 1000"),
        ({"lr_prompt": 0.1}, "through_denoiser=True"),
        ({"rule": "mpgd", "through_denoiser": True}, "mpgd"),
        ({"rule": "mpgd", "level": "stale"}, "stale"),
        ({"clip_norm": 0.0}, "positive"),
        ({"momentum": 1.0}, "momentum"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, complaint):
    with pytest.raises(SettingsError, match=complaint):
        AlignerConfig(**settings)
