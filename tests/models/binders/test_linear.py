import torch

from seehear.models.binders import linear


def test_repeating_a_sound_does_not_change_its_embedding():
    binder = linear.load()
    waveform = torch.randn(2, 16, dtype=torch.float64)
    once, thrice = (binder.embed_audio(waveform.repeat(1, n), 64) for n in (1, 3))
    torch.testing.assert_close(once, thrice)


def test_another_seed_is_another_space():
    first, other = (linear.load(seed=seed).embed_text(["rain"]) for seed in (0, 1))
    assert not torch.allclose(first, other)
