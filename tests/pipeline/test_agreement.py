"""The agreement of takes is the cosine of the binder's embeddings of audio and video."""

import pytest
import torch
from small_family import moving_frames, small_picture_family

from seehear.pipeline.inputs import as_video
from seehear.pipeline.presets import DEFAULT, with_overrides
from seehear.pipeline.studio import Studio

QUICK = with_overrides(DEFAULT, num_steps=2)


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    return Studio(small_picture_family(tmp_path_factory.mktemp("models")))


def test_a_list_of_seeds_gives_the_agreement_of_every_result(studio):
    frames = moving_frames(10)
    results = studio.video_to_audio(frames, "rain", seed=[0, 1], preset=QUICK, fps=10.0)
    binder = studio.family.binder
    job = studio.job("v2a", as_video(frames, 10.0), prompt="rain", preset=QUICK)
    video = job.condition.targets(binder, job.windows_s, None)
    with torch.no_grad():
        expected = [
            float(binder.embed_audio(r.waveform, r.sample_rate) @ video.whole["video"].T)
            for r in results
        ]
    assert [r.agreement for r in results] == pytest.approx(expected, abs=1e-5)
    assert results[0].agreement != results[1].agreement


def test_a_single_seed_needs_no_agreement(studio):
    frames = moving_frames(10)
    assert studio.video_to_audio(frames, "rain", preset=QUICK, fps=10.0).agreement is None


def test_joint_streams_are_compared_with_each_other(studio):
    (result,) = studio.text_to_both("rain", seed=[3], preset=_joint(), duration_s=1.0)
    assert -1 <= result.agreement <= 1


def _joint():
    return with_overrides("default", num_steps=2, task="joint")
