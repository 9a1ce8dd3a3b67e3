"""Facts about what scenes make of real recordings."""

import numpy as np
import pytest

pytest.importorskip("soundfile")
from training.world import recorded
from training.world.dsp import SAMPLE_RATE, Voice
from training.world.onsets import onsets_in
from training.world.things import BY_ID


def bursts(times_s, duration_s=2.56):
    rng = np.random.default_rng(0)
    x = np.zeros(round(duration_s * SAMPLE_RATE))
    for time_s in times_s:
        start = round(time_s * SAMPLE_RATE)
        x[start : start + 3000] += rng.standard_normal(3000) * np.exp(-np.arange(3000) / 600)
    return x


@pytest.fixture
def recordings(monkeypatch):
    """Ten short takes of a dog and one long rain, all to train on."""
    files = {("dog", "train"): [f"kennel/bark{i}-0000.wav" for i in range(10)]}
    files["rain", "train"] = ["roof/rain-0000.wav"]
    noise = np.random.default_rng(1).standard_normal(5 * SAMPLE_RATE).astype(np.float32)
    bark = np.concatenate([np.zeros(4000), bursts([0.0], 0.4)]).astype(np.float32)
    monkeypatch.setattr(recorded, "_index", lambda: files)
    monkeypatch.setattr(recorded, "samples_of", lambda f: noise if "rain" in f else bark)


def test_onsets_are_found_within_20_ms():
    times = (0.3, 0.9, 1.4, 2.2)
    assert onsets_in(bursts(times)) == pytest.approx(times, abs=0.02)


def test_silence_and_very_short_sounds_have_one_onset():
    assert onsets_in(np.zeros(1600)) == (0.0,)
    assert len(onsets_in(bursts([0.0], 0.2)[:64])) == 1


def test_more_recordings_make_more_of_the_scenes(recordings):
    assert recorded.share_of("dog", "train") == 0.5
    assert recorded.share_of("rain", "train") == 0.12


def test_a_split_without_recordings_gives_none(recordings):
    voice, rng = Voice(size=0.5, speed=0.5), np.random.default_rng(0)
    assert recorded.sound_of("dog", rng, "test", 40_960, voice) is None


@pytest.mark.parametrize("thing", ["dog", "rain"])
@pytest.mark.parametrize("num_samples", [1600, 40_960])
def test_a_seed_decides_the_sound(recordings, thing, num_samples):
    voice = Voice(size=0.2, speed=0.9)
    first, second = (
        recorded.sound_of(thing, np.random.default_rng(5), "train", num_samples, voice)
        for _ in range(2)
    )
    assert first.waveform.shape == (num_samples,)
    np.testing.assert_array_equal(first.waveform, second.waveform)
    assert first.onsets_s == second.onsets_s
    assert all(0 <= t < num_samples / SAMPLE_RATE for t in first.onsets_s)
    assert len(first.onsets_s) == 1 or not BY_ID[thing].is_continuous


def test_short_takes_repeat_more_often_when_fast(recordings):
    slow, fast = (
        recorded.sound_of(
            "dog", np.random.default_rng(2), "train", 40_960, Voice(size=0.5, speed=s)
        )
        for s in (0.0, 1.0)
    )
    assert len(fast.onsets_s) > len(slow.onsets_s)
