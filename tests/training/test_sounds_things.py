import numpy as np
import pytest
from training.world import instruments
from training.world.dsp import SAMPLE_RATE, Draw, Voice
from training.world.instruments import INSTRUMENTS, NOTE_BANK_DIR, NOTE_S, midi_bytes
from training.world.sounds_things import SYNTHS
from training.world.things import THINGS

GROUPS = ("vehicles", "weather and water", "household")
HAS_NOTES = all((NOTE_BANK_DIR / f"{name}.npz").exists() for name in INSTRUMENTS)
needs_notes = pytest.mark.skipif(not HAS_NOTES, reason="the note bank was not rendered")


def hear(synth, seed=0, num_samples=40_960, held_out=False, size=0.5, speed=0.5):
    draw = Draw(np.random.default_rng(seed), held_out)
    return synth(draw, Voice(size=size, speed=speed), num_samples)


def check(sound, num_samples):
    waveform, onsets = sound.waveform, sound.onsets_s
    assert waveform.shape == (num_samples,)
    assert waveform.dtype == np.float32
    assert np.isfinite(waveform).all()
    assert np.abs(waveform).max() <= 1
    assert np.sqrt(np.mean(waveform**2)) > 0.01
    duration_s = num_samples / SAMPLE_RATE
    assert list(onsets) == sorted(onsets)
    assert 0 <= onsets[0] <= 0.6 * duration_s
    assert onsets[-1] < duration_s


def centroid(waveform):
    power = np.abs(np.fft.rfft(waveform)) ** 2
    return float((power * np.arange(len(power))).sum() / power.sum()) * SAMPLE_RATE / len(waveform)


def test_every_thing_of_the_groups_has_a_synth():
    wanted = {thing.id for thing in THINGS if thing.group in GROUPS}
    assert wanted | {"alarm_clock", "bell", "siren", "fireworks"} == set(SYNTHS)
    assert {t.id for t in THINGS if t.group == "instruments"} == set(instruments.SYNTHS)


@pytest.mark.parametrize("name", SYNTHS)
@pytest.mark.parametrize(("num_samples", "held_out"), [(40_960, False), (1_600, True)])
def test_sounds_are_heard_bounded_and_have_an_early_onset(name, num_samples, held_out):
    check(hear(SYNTHS[name], num_samples=num_samples, held_out=held_out), num_samples)


@pytest.mark.parametrize("name", ["car", "rain", "bell"])
def test_same_seed_same_sound(name):
    first, second = hear(SYNTHS[name], seed=3), hear(SYNTHS[name], seed=3)
    np.testing.assert_array_equal(first.waveform, second.waveform)


@pytest.mark.parametrize("name", ["drops", "glasses", "clock", "fire_engine"])
def test_large_things_sound_lower(name):
    small = np.median([centroid(hear(SYNTHS[name], s, size=0.0).waveform) for s in range(5)])
    large = np.median([centroid(hear(SYNTHS[name], s, size=1.0).waveform) for s in range(5)])
    assert large < small


@pytest.mark.parametrize("name", ["drops", "keyboard", "hammer", "clock", "door"])
def test_fast_things_sound_more_often(name):
    slow, fast = hear(SYNTHS[name], speed=0.0), hear(SYNTHS[name], speed=1.0)
    assert len(fast.onsets_s) > len(slow.onsets_s)


def test_midi_file_states_its_own_track_length():
    data = midi_bytes(program=5, channel=0, notes=[(60, 100), (64, 100)])
    assert data[:4] == b"MThd"
    assert data[14:18] == b"MTrk"
    assert int.from_bytes(data[18:22], "big") == len(data) - 22
    assert data[-3:] == b"\xff\x2f\x00"


def test_missing_note_bank_says_how_to_make_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"python -m training\.world\.instruments"):
        instruments.load_note_bank("piano", tmp_path)


@needs_notes
@pytest.mark.parametrize("name", INSTRUMENTS)
@pytest.mark.parametrize(("num_samples", "held_out"), [(40_960, False), (1_600, True)])
def test_phrases_are_heard_bounded_and_have_an_early_onset(name, num_samples, held_out):
    check(hear(instruments.SYNTHS[name], num_samples=num_samples, held_out=held_out), num_samples)


@needs_notes
def test_banked_notes_have_the_pitch_of_their_key():
    bank = instruments.load_note_bank("flute")
    note, key = bank.nearest(program=73, key=72, velocity=112)
    assert note.shape == (round(NOTE_S * SAMPLE_RATE),)
    spectrum = np.abs(np.fft.rfft(note * np.hanning(len(note))))
    f0 = 440 * 2 ** ((key - 69) / 12)
    bins = np.arange(len(spectrum)) * SAMPLE_RATE / len(note)
    near = np.abs(np.log2(np.maximum(bins, 1) / f0)) < 0.5
    assert abs(12 * np.log2(bins[near][spectrum[near].argmax()] / f0)) < 0.3
