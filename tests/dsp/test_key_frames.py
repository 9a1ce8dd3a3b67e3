"""Key frames: sharp, well lit, and different from each other, on clips whose best is known."""

import pytest
import torch

from seehear.dsp.key_frames import _small, key_frames, lighting, sharpness


def picture(seed=0, side=96):
    """Coloured squares: as sharp as can be."""
    coarse = torch.randint(30, 226, (3, 8, 8), generator=torch.Generator().manual_seed(seed))
    return coarse.repeat_interleave(side // 8, 1).repeat_interleave(side // 8, 2).byte()


@pytest.mark.parametrize("best", [0, 3, 7])
def test_the_one_sharp_frame_is_found(best):
    frames = torch.stack([picture()] * 8)
    for k in range(8):
        if k != best:
            soft = torch.nn.functional.avg_pool2d(picture()[None].float(), 9, 1, 4)
            frames[k] = soft[0].byte()
    assert key_frames(frames) == [best]


@pytest.mark.parametrize("best", [1, 4])
@pytest.mark.parametrize(("scale", "shift"), [(0.05, 0), (0.05, 242)], ids=["dark", "glaring"])
def test_the_one_well_lit_frame_is_found(best, scale, shift):
    frames = (torch.stack([picture()] * 6).float() * scale + shift).byte()
    frames[best] = picture()
    assert key_frames(frames) == [best]


def test_further_frames_differ_from_those_before():
    scenes = [picture(seed) for seed in (1, 2, 3)]
    frames = torch.stack([scenes[k // 4] for k in range(12)])
    chosen = key_frames(frames, 3)
    assert sorted(k // 4 for k in chosen) == [0, 1, 2]


def test_there_are_never_more_than_frames_and_none_twice():
    frames = torch.stack([picture()] * 3)
    assert sorted(key_frames(frames, 10)) == [0, 1, 2]
    assert key_frames(torch.zeros(2, 3, 5, 7, dtype=torch.uint8)) in ([0], [1])
    assert key_frames(torch.full((1, 3, 1, 1), 9, dtype=torch.uint8), 2) == [0]


def test_large_frames_are_looked_at_small_with_their_shape_kept():
    assert _small(torch.zeros(2, 3, 720, 1280, dtype=torch.uint8)).shape == (2, 3, 72, 128)


def test_a_plain_picture_has_no_sharpness_and_black_no_light():
    plain = torch.full((1, 3, 20, 20), 0.5)
    assert sharpness(plain).item() == 0
    assert lighting(plain).item() == pytest.approx(1)
    assert lighting(torch.zeros(1, 3, 20, 20)).item() == 0
