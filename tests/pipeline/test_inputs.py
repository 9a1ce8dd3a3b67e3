import numpy as np
import pytest
import soundfile
import torch
from small_family import moving_frames

from seehear.errors import MediaError
from seehear.media import read_video, write_video
from seehear.pipeline.inputs import as_audio, as_video, motion_curve


def jumps_once(at: int, num_frames: int = 50) -> np.ndarray:
    """A still square that is somewhere else from frame `at` on: [n, height, width, 3]."""
    before, after = moving_frames(13)[[0, 12]]
    return np.stack([after if k >= at else before for k in range(num_frames)])


def test_motion_peaks_when_something_moves_in_an_array():
    motion = motion_curve(as_video(jumps_once(30), fps=25.0, frames_per_s=25.0))
    assert motion.values.argmax() == 29
    assert motion.times_s[29].item() == pytest.approx(29.5 / 25)
    assert (motion.values[0] > 1e-3).sum() == 1


def test_surround_sound_becomes_one_that_a_track_can_hold(tmp_path):
    sound = np.stack([np.full(4800, 0.1 * k, np.float32) for k in range(1, 7)])
    soundfile.write(tmp_path / "surround.wav", sound.T, 48_000, subtype="FLOAT")
    waveform = as_audio(tmp_path / "surround.wav").waveform
    assert waveform.shape == (1, 4800)
    assert waveform.numpy() == pytest.approx(0.35, abs=1e-6)


def test_motion_is_looked_for_in_the_file_more_densely_than_frames_are_kept(tmp_path):
    path = tmp_path / "jump.mp4"
    write_video(path, torch.from_numpy(jumps_once(30)).permute(0, 3, 1, 2), 25.0)
    video = read_video(path, frames_per_s=4.0)
    motion = motion_curve(video)
    assert len(motion.times_s) == 49 > len(video.frames)
    assert motion.times_s[motion.values.argmax()].item() == pytest.approx(29.5 / 25)


def test_one_frame_has_no_motion_to_be_in_step_with():
    with pytest.raises(MediaError, match="at least 2 "):
        motion_curve(as_video(moving_frames(1), fps=25.0))
