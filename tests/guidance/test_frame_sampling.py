import pytest
from hypothesis import given
from hypothesis import strategies as st

from seehear.errors import SettingsError
from seehear.guidance.frame_sampling import FrameSampler
from seehear.guidance.settings import FrameSampling


def test_one_seed_draws_the_same_frames_and_another_seed_others():
    def drawn(seed):
        draws = FrameSampler(FrameSampling(per_step=2, seed=seed), 16)
        return [draws.next() for _ in range(8)]

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 9))
def test_every_draw_takes_one_frame_of_each_part_of_the_clip(num_frames, per_step, seed):
    frames = FrameSampler(FrameSampling(per_step=per_step, seed=seed), num_frames).next()
    count = min(per_step, num_frames)
    assert len(frames) == len(set(frames)) == count
    assert list(frames) == sorted(frames)
    for k, frame in enumerate(frames):
        assert round(k * num_frames / count) <= frame < round((k + 1) * num_frames / count)


@pytest.mark.parametrize(("num_frames", "per_step"), [(16, 2), (16, 3), (5, 1), (7, 7), (3, 9)])
def test_every_frame_comes_before_any_comes_again_in_its_part(num_frames, per_step):
    choice = FrameSampling(per_step=per_step)
    draws = FrameSampler(choice, num_frames)
    longest_part = -(-num_frames // min(per_step, num_frames))
    seen = [frame for _ in range(longest_part) for frame in draws.next()]
    assert set(seen) == set(range(num_frames))
    assert max(seen.count(frame) for frame in seen) <= 2  # shorter parts start again


def test_choices_that_cannot_be_are_refused():
    with pytest.raises(SettingsError, match="from 1 to 10000 frames, got 0"):
        FrameSampling(per_step=0)
    with pytest.raises(SettingsError, match="at least one frame"):
        FrameSampler(FrameSampling(), 0)
