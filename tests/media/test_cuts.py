"""Cuts of a video are found, and motion is not taken for a cut."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.media_files import make_sound, make_video, scene

from seehear.errors import MediaError
from seehear.media import write_video
from seehear.media.cuts import shot_boundaries
from seehear.media.isolated import isolated

EXAMPLES = Path(__file__).parents[2] / "examples"
FPS = 25.0


def test_every_cut_is_found_to_the_frame(tmp_path):
    lengths = [30, 55, 20, 41, 64]
    frames = torch.cat([scene(seed, count) for seed, count in enumerate(lengths)])
    write_video(tmp_path / "film.mp4", frames, FPS)
    wanted = np.cumsum([0, *lengths]) / FPS
    assert shot_boundaries(tmp_path / "film.mp4") == pytest.approx(wanted.tolist(), abs=1e-3)


def test_motion_and_a_flash_are_no_cuts(tmp_path):
    frames = scene(0, 75)
    frames[40:44] = 255
    write_video(tmp_path / "flash.mp4", frames, FPS)
    found = shot_boundaries(tmp_path / "flash.mp4")
    assert all(after - before >= 0.5 for before, after in pairwise(found))
    assert shot_boundaries(EXAMPLES / "rooster.mp4") == pytest.approx([0, 4])


def test_times_are_those_on_screen_at_a_variable_frame_rate(tmp_path):
    rng = np.random.default_rng(0)
    pts = np.cumsum(rng.integers(1, 4, 60)).tolist()
    path = make_video(tmp_path / "vfr.mp4", pts=pts, num_frames=60)
    assert shot_boundaries(path)[0] == 0.0
    assert shot_boundaries(path)[-1] == pytest.approx((pts[-1] - pts[0] + 1) / 25, abs=0.1)


def test_a_file_without_video_is_refused(tmp_path):
    sound = make_sound(tmp_path / "a.wav", np.zeros((1, 16_000), np.float32), "pcm_s16le")
    with pytest.raises(MediaError, match="expected a video"):
        shot_boundaries(sound)
    (tmp_path / "b.mp4").write_bytes(b"\0" * 100)
    with pytest.raises(MediaError, match="expected"):
        shot_boundaries(tmp_path / "b.mp4")


def test_a_long_file_is_refused(tmp_path):
    path = make_video(tmp_path / "clip.mp4", num_frames=50)
    with pytest.raises(MediaError, match="expected at most 1"):
        shot_boundaries(path, max_duration_s=1.0)


def test_cuts_are_searched_in_a_child_process(tmp_path):
    path = make_video(tmp_path / "clip.mp4", num_frames=50)
    here = shot_boundaries(path)
    with isolated():
        assert shot_boundaries(path) == here
