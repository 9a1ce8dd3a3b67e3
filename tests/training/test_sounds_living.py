"""Facts about the synthetic sounds of animals and people."""

import numpy as np
import pytest
from training.world.dsp import SAMPLE_RATE, Draw, Voice
from training.world.sounds_living import SYNTHS


@pytest.mark.parametrize("name", SYNTHS)
def test_a_sound_is_audible_finite_and_has_an_early_onset(name):
    for n in (1600, 40_960):
        draw = Draw(np.random.default_rng(3), held_out=n == 1600)
        sound = SYNTHS[name](draw, Voice(size=0.4, speed=0.6), n)
        duration_s = n / SAMPLE_RATE
        assert sound.waveform.shape == (n,)
        assert sound.waveform.dtype == np.float32
        assert np.abs(sound.waveform).max() <= 1  # also false for nan
        assert np.sqrt(np.mean(sound.waveform**2)) > 0.01
        assert 0 <= min(sound.onsets_s) < 0.6 * duration_s
        assert max(sound.onsets_s) < duration_s


def test_the_same_seed_gives_the_same_sound():
    voice = Voice(size=0.5, speed=0.5)
    one, other = (
        SYNTHS["dog"](Draw(np.random.default_rng(7), held_out=False), voice, 8000) for _ in range(2)
    )
    assert np.array_equal(one.waveform, other.waveform)
    assert one.onsets_s == other.onsets_s


def test_key_parameters_of_training_and_testing_never_meet():
    train = Draw(np.random.default_rng(0), held_out=False)
    test = Draw(np.random.default_rng(0), held_out=True)
    trained = np.array([train.key(0, 1) for _ in range(2000)])
    tested = np.array([test.key(0, 1) for _ in range(2000)])
    assert not ((trained > 0.65) & (trained < 0.8)).any()
    assert ((tested >= 0.65) & (tested <= 0.8)).all()
    assert trained.max() > 0.95  # training hears both sides of the band


def test_a_large_dog_barks_lower_than_a_small_one():
    def centroid(size):
        total = 0.0
        for seed in range(4):
            draw = Draw(np.random.default_rng(seed), held_out=False)
            y = SYNTHS["dog"](draw, Voice(size=size, speed=0.5), 16_000).waveform
            power = np.abs(np.fft.rfft(y)) ** 2
            total += (power * np.fft.rfftfreq(len(y), 1 / SAMPLE_RATE)).sum() / power.sum()
        return total

    assert centroid(1.0) < 0.8 * centroid(0.0)


def test_a_fast_walker_takes_more_steps():
    steps = [
        len(SYNTHS["footsteps"](Draw(np.random.default_rng(1), False), voice, 40_960).onsets_s)
        for voice in (Voice(size=0.5, speed=0.0), Voice(size=0.5, speed=1.0))
    ]
    assert steps[1] > 1.5 * steps[0]
