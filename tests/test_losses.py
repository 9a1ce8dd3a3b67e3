import pytest
import torch

from seehear.losses import JOINT, V2A, cosine_distance, pair_losses


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
