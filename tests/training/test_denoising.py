"""What the denoisers learn from."""

import torch
from training.denoising import DROP_PROMPT, VAGUE_PROMPT, caption_rows, v_loss


def test_the_true_velocity_has_no_loss_and_another_one_has():
    alpha_bar = torch.linspace(0.99, 0.01, 10)
    x0 = torch.randn(64, 2, 3, generator=torch.Generator().manual_seed(0))

    def true_v(z, t):
        # From z = alpha x0 + sigma eps: v = alpha eps - sigma x0.
        alpha, sigma = (a.sqrt()[:, None, None] for a in (alpha_bar[t], 1 - alpha_bar[t]))
        return alpha * (z - alpha * x0) / sigma - sigma * x0

    assert v_loss(true_v, alpha_bar, x0, torch.Generator().manual_seed(1)) < 1e-9
    zero = v_loss(lambda z, t: torch.zeros_like(z), alpha_bar, x0, torch.Generator().manual_seed(1))
    assert 0.8 < zero < 1.2  # v of unit latents has unit variance


def test_some_captions_are_dropped_and_the_others_are_their_own():
    rows = torch.arange(100)
    picks = torch.randint(0, 100, (20_000,), generator=torch.Generator().manual_seed(2))
    found = caption_rows(rows, 777, picks, torch.Generator().manual_seed(3))
    is_dropped = found == 777
    assert abs(float(is_dropped.float().mean()) - DROP_PROMPT) < 0.01
    assert torch.equal(found[~is_dropped], picks[~is_dropped])


def test_some_captions_are_the_name_of_their_group():
    rows = torch.arange(100)[:, None] + torch.tensor([0, 1000, 2000])
    picks = torch.randint(0, 100, (20_000,), generator=torch.Generator().manual_seed(2))
    found = caption_rows(rows, 777, picks, torch.Generator().manual_seed(3))
    said = found[found != 777]
    assert torch.equal(said % 1000, picks[found != 777])
    for part in (1, 2):
        assert abs(float((said // 1000 == part).float().mean()) - VAGUE_PROMPT / 2) < 0.01
