import pytest
import torch

from seehear.guidance.losses import NamesDistance, cosine_distance, pair_losses
from seehear.guidance.streams import JOINT, V2A


def test_distance_is_zero_aligned_one_at_right_angles_two_opposite():
    a = torch.tensor([[2.0, 0.0]])
    others = torch.tensor([[5.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    torch.testing.assert_close(
        cosine_distance(a.expand(3, 2), others), torch.tensor([0.0, 1.0, 2.0])
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_half_precision_embeddings_are_compared_in_float32(given, expected):
    assert cosine_distance(torch.ones(1, 4, dtype=given), torch.ones(1, 4, dtype=given)).dtype == (
        expected
    )


def test_joint_generation_compares_all_three_sides_of_the_triangle():
    e = {name: torch.randn(2, 4) for name in ("audio", "video", "text")}
    assert list(pair_losses(e, JOINT, (1.0, 1.0, 1.0))) == [
        "audio-video",
        "audio-text",
        "video-text",
    ]


def test_without_a_prompt_the_text_pair_is_left_out():
    e = {"audio": torch.randn(2, 4), "video": torch.randn(1, 4)}
    assert list(pair_losses(e, V2A, (1.0, 1.0))) == ["audio-video"]


def test_a_shared_target_serves_every_sample_and_weights_scale_the_loss():
    audio, video = torch.randn(3, 4), torch.randn(1, 4)
    loss = pair_losses({"audio": audio, "video": video}, V2A, (0.5, 1.0))["audio-video"]
    expected = torch.stack([0.5 * cosine_distance(row[None], video)[0] for row in audio])
    torch.testing.assert_close(loss, expected)


def test_no_pair_at_all_is_an_error_that_names_what_there_is():
    with pytest.raises(ValueError, match="audio"):
        pair_losses({"audio": torch.randn(1, 4)}, V2A, (1.0, 1.0))


def bank(count=6, dim=16):
    return torch.nn.functional.normalize(
        torch.randn(count, dim, generator=torch.Generator().manual_seed(0)), dim=1
    )


def test_names_agree_across_the_gap_between_two_kinds_of_embeddings():
    phrases = bank()
    corner = torch.linalg.svd(phrases).Vh[-1]  # what no phrase says anything about
    heard = torch.nn.functional.normalize(phrases[:1] + 0.9 * corner, dim=1)
    seen = torch.nn.functional.normalize(phrases[:1] - 0.9 * corner, dim=1)
    other = torch.nn.functional.normalize(phrases[1:2] + 0.9 * corner, dim=1)
    distance = NamesDistance(phrases=phrases, temperature=0.05)
    assert cosine_distance(heard, seen) > cosine_distance(heard, other)
    assert distance(heard, seen) < 0.01 < 1 < distance(heard, other)


def test_the_distance_of_names_is_scipys_relative_entropy():
    scipy_stats = pytest.importorskip("scipy.stats")
    phrases, a, b = bank(), bank(3)[:2], bank(5)[3:]
    found = NamesDistance(phrases=phrases, temperature=0.2, target_temperature=0.1)(a, b)
    names = [(x @ phrases.T / t).softmax(1).numpy() for x, t in ((a, 0.2), (b, 0.1))]
    expected = scipy_stats.entropy(names[1], names[0], axis=1)
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_both_sides_of_a_pair_that_is_made_are_pulled():
    a, b = bank(2).requires_grad_(True), bank(7)[5:].clone().requires_grad_(True)
    losses = pair_losses(
        {"audio": a, "video": b}, JOINT, (1.0, 1.0, 1.0), NamesDistance(phrases=bank())
    )
    for gradient in torch.autograd.grad(losses["audio-video"].sum(), (a, b)):
        assert gradient.abs().amax() > 0


def test_two_that_waver_between_the_same_names_choose_one():
    phrases = bank(3, dim=3).roll(1, 0)
    phrases = torch.linalg.qr(phrases).Q  # three names that have nothing in common
    distance = NamesDistance(phrases=phrases, target_temperature=0.03)
    a = torch.nn.functional.normalize(torch.tensor([[0.72, 0.70, 0.0]]) @ phrases, dim=1)
    b = torch.nn.functional.normalize(torch.tensor([[0.71, 0.70, 0.1]]) @ phrases, dim=1)
    for _ in range(300):
        a, b = a.detach().requires_grad_(True), b.detach().requires_grad_(True)
        grads = torch.autograd.grad(distance(a, b).sum(), (a, b))
        a, b = (
            torch.nn.functional.normalize(x - 0.02 * g, dim=1)
            for x, g in zip((a, b), grads, strict=True)
        )
    for made in (a, b):
        first, second, _ = (made @ phrases.T)[0].sort(descending=True).values.tolist()
        assert first > 0.95 > 0.4 > second
    assert (a @ phrases.T).argmax() == (b @ phrases.T).argmax()
