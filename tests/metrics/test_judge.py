import numpy as np
import pytest
import torch

from seehear.metrics.features import judge as pocket_judge

pytest.importorskip("scipy")
from training.world import sounds_living, sounds_things
from training.world.dsp import Draw, Voice


@pytest.fixture(scope="module")
def judge():
    return pocket_judge.load()


def test_the_judge_names_held_out_synthetic_sounds(judge):
    synths = {**sounds_living.SYNTHS, **sounds_things.SYNTHS}
    waves = []
    for k, synth in enumerate(synths.values()):
        rng = np.random.default_rng(90_000 + k)
        sound = synth(Draw(rng, True), Voice(size=0.5, speed=0.5), 40_960)
        waves.append(torch.from_numpy(sound.waveform) * 0.3)
    named = judge.sound_logits(torch.stack(waves)).argmax(1).tolist()
    right = sum(judge.classes[n] == thing for n, thing in zip(named, synths, strict=True))
    # The shipped judge was trained on an earlier version of the synthesis.
    assert right >= 0.8 * len(synths)


def test_the_judge_hears_clips_shorter_than_its_network_is_deep(judge):
    assert judge.sound_logits(torch.randn(2, 1600)).isfinite().all()


def test_a_batch_is_judged_like_its_members(judge):
    waves = 0.1 * torch.randn(3, 40_960, generator=torch.Generator().manual_seed(0))
    together = judge.sound_features(waves)
    apart = torch.cat([judge.sound_features(wave[None]) for wave in waves])
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-4)


def test_a_picture_is_a_video_of_one_frame_to_the_judge(judge):
    frames = torch.rand(1, 1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    once, twice = judge.picture_logits(frames), judge.picture_logits(frames.expand(1, 2, 3, 64, 64))
    torch.testing.assert_close(once, twice, rtol=1e-5, atol=1e-5)
