import pytest
import torch

from seehear.errors import MediaError
from seehear.guidance.conditions import frames_in_window, targets_for_video
from seehear.models.binders import linear


class Counting(linear.RandomLinearBinder):
    """Remembers the shapes that it embeds."""

    def __init__(self):
        plain = linear.load()
        super().__init__(plain.audio, plain.video, 0)
        self.shapes = []

    def embed_video(self, frames):
        self.shapes.append(tuple(frames.shape[:2]))
        return super().embed_video(frames)


def film(count):
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0)).double()


def test_each_window_is_embedded_from_the_frames_shown_in_it():
    binder, frames = linear.load(), film(8)
    targets = targets_for_video(
        binder, frames, [k / 4 for k in range(8)], [(0.0, 1.0), (1.0, 2.0)], "rain"
    )
    for local, part in zip(targets.local, (frames[:4], frames[4:]), strict=True):
        torch.testing.assert_close(local["video"], binder.embed_video(part[None]))
        torch.testing.assert_close(local["text"], binder.embed_text(["rain"]))
    mean = sum(local["video"] for local in targets.local)
    torch.testing.assert_close(targets.whole["video"], mean / mean.norm())


def test_a_picture_is_embedded_once_and_is_every_windows_target():
    binder = Counting()
    targets = targets_for_video(binder, film(1), [0.0], [(0.0, 2.0), (1.5, 3.5), (3.0, 5.0)], None)
    assert binder.shapes == [(1, 1)]
    assert all(torch.equal(t["video"], targets.whole["video"]) for t in targets.local)


@pytest.mark.parametrize("prompt", [None, ""])
def test_without_a_prompt_there_is_no_text_target(prompt):
    targets = targets_for_video(linear.load(), film(1), [0.0], [(0.0, 2.0)], prompt)
    assert set(targets.whole) == {"video"}


def test_many_windows_are_embedded_in_small_batches():
    binder = Counting()
    windows = [(k / 2, k / 2 + 1) for k in range(10)]
    targets_for_video(binder, film(24), [k / 4 for k in range(24)], windows, None, max_batch=4)
    assert binder.shapes == [(4, 4), (4, 4), (2, 4)]


def test_a_window_without_a_frame_takes_the_one_on_screen():
    assert frames_in_window([0.0, 5.0], 2.0, 4.0) == (0,)
    assert frames_in_window([0.0, 5.0], 6.0, 8.0) == (1,)
    assert frames_in_window([1.0], 0.0, 0.5) == (0,)


def test_frames_need_times():
    with pytest.raises(MediaError, match="2 frames and 1 times"):
        targets_for_video(linear.load(), film(2), [0.0], [(0.0, 1.0)], None)


def test_frames_in_bytes_mean_the_same_as_their_floats():
    pixels = (film(6) * 255).byte()
    binder, times, windows = linear.load(), [k / 4 for k in range(6)], [(0.0, 0.75), (0.75, 1.5)]
    floats = targets_for_video(binder, pixels.float() / 255, times, windows, None)
    kept = targets_for_video(binder, pixels, times, windows, None)
    assert torch.equal(kept.whole["video"], floats.whole["video"])
