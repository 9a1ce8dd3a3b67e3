"""Costs found on the device "meta" are those of a real step."""

import copy
import gc
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from seehear.diagnostics import random_models
from seehear.diagnostics.step_cost import (
    LiveBytes,
    fused_attention,
    measured_rate,
    step_costs,
    weight_bytes,
)
from seehear.models import latent_encoder
from seehear.models.backbones import animatediff, audioldm
from seehear.models.binders import pocket
from seehear.models.shipped import POCKET


def on_meta(model):
    """The same model without numbers."""
    twin = copy.copy(model)
    for name, value in vars(model).items():
        if isinstance(value, nn.Module):
            setattr(twin, name, copy.deepcopy(value).to("meta"))
    return twin


def unpolished(model):
    model.polish_rounds = 0  # phase retrieval looks at its numbers, which "meta" has none of
    return model


@pytest.fixture(scope="module")
def sound():
    return unpolished(audioldm.load(POCKET / "audio"))


@pytest.fixture(scope="module")
def binder():
    return pocket.load(tower_share=0.5)


def costs_on(device, sound, binder, **options):
    y = sound.embed_prompt(["rain"])
    if device == "meta":
        sound, binder = on_meta(sound), copy.deepcopy(binder).to("meta")
    return step_costs(sound, binder, y.to(device), duration_s=2.56, **options)


def test_live_bytes_follow_births_and_deaths_and_leave_views_and_weights_out():
    weight = torch.ones(1000)
    with LiveBytes() as live:
        a = torch.ones(1000)
        b = a.view(10, 100)
        weight.view(10, 100)
        assert live.now == 4000
        c = a + weight
        assert (live.now, live.peak) == (8000, 8000)
        del a, b, c
        gc.collect()
        assert (live.now, live.peak) == (0, 8000)


@pytest.mark.long
@pytest.mark.parametrize("options", [{}, {"mel_bridge": True}])
@pytest.mark.parametrize("through_denoiser", [False, True])
def test_a_step_on_meta_costs_what_a_real_one_does(sound, binder, through_denoiser, options):
    real = costs_on("cpu", sound, binder, through_denoiser=through_denoiser, **options)
    meta = costs_on("meta", sound, binder, through_denoiser=through_denoiser, **options)
    assert [s.name for s in meta.stages] == [s.name for s in real.stages]
    assert meta.guided_flops == pytest.approx(real.guided_flops, rel=0.02)
    assert meta.guided_peak_bytes == pytest.approx(real.guided_peak_bytes, rel=0.2)
    assert meta.decode_peak_bytes == pytest.approx(real.decode_peak_bytes, rel=0.2)
    assert meta.weight_bytes == real.weight_bytes


def test_a_step_with_a_latent_encoder_costs_hardly_more_than_an_unguided_one(sound, binder):
    encoder = latent_encoder.load(POCKET / "latent_encoders" / "audio").to("meta")
    meta = costs_on("meta", sound, binder, through_denoiser=False, latent_encoder=encoder)
    assert [stage.name for stage in meta.stages] == ["encoder", "backward", "denoiser"]
    assert meta.plain_flops < meta.guided_flops < 1.2 * meta.plain_flops
    assert meta.weight_bytes["latent_encoder"] == 4 * sum(p.numel() for p in encoder.parameters())


@pytest.mark.long
def test_a_gradient_through_the_denoiser_costs_more(sound, binder):
    far = costs_on("meta", sound, binder, through_denoiser=True)
    near = costs_on("meta", sound, binder, through_denoiser=False)
    assert far.guided_flops > near.guided_flops
    assert far.guided_peak_bytes > near.guided_peak_bytes
    assert near.peak_bytes > sum(near.weight_bytes.values())


@pytest.mark.long
def test_recomputing_activations_takes_a_fraction_of_the_memory():
    """Of AudioLDM's decoder and vocoder at their true size, for a second of sound."""
    peaks, flops = [], []
    for checkpointing in (False, True):
        model = random_models.audioldm(
            "s", device="meta", checkpointing=checkpointing, with_text=False
        )
        z = torch.empty(1, 8, 25, 16, device="meta", requires_grad=True)
        with fused_attention(), LiveBytes() as live:
            model.decode(z).sum().backward()
        with fused_attention(), FlopCounterMode(display=False) as counted:
            model.decode(z).sum().backward()
        peaks.append(live.peak)
        flops.append(counted.get_total_flops())
    assert peaks[1] < 0.5 * peaks[0]
    assert 1.2 * flops[0] < flops[1] < 1.7 * flops[0]


@pytest.mark.slow
def test_video_steps_look_at_some_frames(binder):
    video = animatediff.load(POCKET / "video")
    y = video.embed_prompt(["a dog barking"]).to("meta")
    meta, twin = on_meta(video), copy.deepcopy(binder).to("meta")
    few, many = (
        step_costs(
            meta,
            twin,
            y,
            duration_s=2.56,
            through_denoiser=True,
            noisy_image_encoder=True,
            frames_per_step=n,
        )
        for n in (1, 16)
    )
    decoder = {n: c.stages[1].flops for n, c in ((1, few), (16, many))}
    assert decoder[16] == pytest.approx(16 * decoder[1], rel=0.01)


def test_fused_attention_counts_its_products_and_passes_gradients_by():
    q = torch.empty(2, 4, 10, 8, device="meta", requires_grad=True)
    with fused_attention() as flops:
        functional.scaled_dot_product_attention(q, q, q).sum().backward()
    forward = 2 * 2 * (2 * 4 * 10 * 10) * 8
    assert flops == [forward, 2.5 * forward]
    assert q.grad.shape == q.shape


def test_every_network_is_weighed_once():
    class Owner:
        def __init__(self):
            self.a = nn.Linear(10, 10, bias=False)
            self.b = self.a

    assert sum(weight_bytes(Owner()).values()) == 400


def test_a_rate_is_measured():
    assert 1e8 < measured_rate("cpu", torch.float32, seconds=0.1) < 1e15


@pytest.mark.slow
def test_predicted_memory_is_what_the_process_takes():
    """Weights and a guided step of AudioLDM's sound half at its true size, within a fifth."""
    program = """if True:
        import torch
        from seehear.diagnostics import random_models
        from seehear.diagnostics.dry_run import peak_resident_bytes
        torch.set_num_threads(1)
        before = peak_resident_bytes()
        model = random_models.audioldm("s", with_text=False)
        z = torch.randn(1, 8, 128, 16, requires_grad=True)
        model.decode(z).sum().backward()
        print(peak_resident_bytes() - before)
    """
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    model = random_models.audioldm("s", device="meta", with_text=False)
    z = torch.empty(1, 8, 128, 16, device="meta", requires_grad=True)
    with LiveBytes() as live, fused_attention():
        model.decode(z).sum().backward()
    total = live.peak + sum(weight_bytes(model).values())
    assert total == pytest.approx(int(run.stdout), rel=0.2)
