"""What the objective embeds, and by which way the sound gets to the binder."""

import pytest
import torch
from small_family import small_family, write_small

from seehear.binders import pocket
from seehear.made import decoded, embedded
from seehear.objective import InStep, in_step


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return small_family(write_small(tmp_path_factory.mktemp("small")))


@pytest.fixture(scope="module")
def binder():
    return pocket.load(tower_share=0.0)


def found(audio, binder, z_0, duration_s=None, mel_bridge=False):
    media = decoded({"audio": audio}, binder, {"audio": z_0}, duration_s, mel_bridge)
    return embedded(binder, media)["audio"]


def latents(family):
    return family.audio.prior(1.28, 2, torch.Generator().manual_seed(0))


def test_the_mel_bridge_embeds_the_mel_that_the_vocoder_would_have_got(family, binder):
    z_0 = latents(family)
    bridged = found(family.audio, binder, z_0, 1.0, mel_bridge=True)
    mel = family.audio.mel_from_latents(z_0)[:, :100]
    torch.testing.assert_close(bridged, binder.embed_mel(mel), rtol=0, atol=0)


def test_the_bridge_never_runs_the_vocoder_and_still_has_a_gradient(family, binder, monkeypatch):
    monkeypatch.setattr(family.audio, "waveform_from_mel", None)
    z_0 = latents(family).requires_grad_(True)
    bridged = found(family.audio, binder, z_0, mel_bridge=True)
    (gradient,) = torch.autograd.grad(bridged[:, 0].sum(), z_0)
    assert gradient.abs().max() > 0


def test_a_binder_that_hears_no_mels_gets_the_waveform(family):
    z_0 = latents(family)
    with_bridge = found(family.audio, family.binder, z_0, mel_bridge=True)
    without = found(family.audio, family.binder, z_0)
    torch.testing.assert_close(with_bridge, without, rtol=0, atol=0)


@pytest.mark.parametrize("mel_bridge", [True, False])
def test_a_sound_in_step_with_the_picture_has_the_smaller_sync_loss(family, binder, mel_bridge):
    audio = {"audio": family.audio}
    media = decoded(audio, binder, {"audio": latents(family)}, 1.0, mel_bridge)
    onsets = media["audio"].onsets()
    in_time = InStep(motion=onsets, weight=0.5)
    (loss,) = in_step(in_time, media).values()
    torch.testing.assert_close(loss, torch.zeros(2), rtol=0, atol=1e-3)
    (late,) = in_step(in_time.from_second(0.3), media).values()
    assert (late > 0.1).all()
    assert in_step(None, media) == {}
