"""What the objective embeds, and by which way the sound gets to the binder."""

import pytest
import torch
from small_family import small_family, write_small

from seehear.binders import pocket
from seehear.objective import embedded


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return small_family(write_small(tmp_path_factory.mktemp("small")))


@pytest.fixture(scope="module")
def binder():
    return pocket.load(tower_share=0.0)


def latents(family):
    return family.audio.prior(1.28, 2, torch.Generator().manual_seed(0))


def test_the_mel_bridge_embeds_the_mel_that_the_vocoder_would_have_got(family, binder):
    z_0 = latents(family)
    found = embedded({"audio": family.audio}, binder, {"audio": z_0}, 1.0, mel_bridge=True)
    mel = family.audio.mel_from_latents(z_0)[:, :100]
    torch.testing.assert_close(found["audio"], binder.embed_mel(mel), rtol=0, atol=0)


def test_the_bridge_never_runs_the_vocoder_and_still_has_a_gradient(family, binder, monkeypatch):
    monkeypatch.setattr(family.audio, "waveform_from_mel", None)
    z_0 = latents(family).requires_grad_(True)
    found = embedded({"audio": family.audio}, binder, {"audio": z_0}, None, mel_bridge=True)
    (gradient,) = torch.autograd.grad(found["audio"][:, 0].sum(), z_0)
    assert gradient.abs().max() > 0


def test_a_binder_that_hears_no_mels_gets_the_waveform(family):
    z_0 = latents(family)
    audio = {"audio": family.audio}
    with_bridge = embedded(audio, family.binder, {"audio": z_0}, None, mel_bridge=True)
    without = embedded(audio, family.binder, {"audio": z_0}, None)
    torch.testing.assert_close(with_bridge["audio"], without["audio"], rtol=0, atol=0)
