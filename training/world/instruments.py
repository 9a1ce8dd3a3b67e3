"""Musical instruments: notes rendered once from a General MIDI sound font, then random phrases.

`python -m training.world.instruments [folder]` renders the note bank (needs the `fluidsynth`
program and the sound font of the Debian package `fluid-soundfont-gm`, MIT licence). The synths
in `SYNTHS` read the bank from `NOTE_BANK_DIR`.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from training.world.dsp import SAMPLE_RATE, Draw, Sound, Synth, Voice, finish, tilt
from training.world.places import in_room

_FETCHED_FONT = Path(__file__).resolve().parents[2] / "cache" / "soundfont" / "FluidR3_GM.sf2"
_INSTALLED_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
SOUND_FONT = _FETCHED_FONT if _FETCHED_FONT.exists() else _INSTALLED_FONT
NOTE_BANK_DIR = Path(__file__).resolve().parents[2] / "cache" / "notes"

NOTE_S = 2.5  # length of a banked note
SLOT_S = 4  # spacing of notes while rendering: lets releases die away
RENDER_RATE = 2 * SAMPLE_RATE  # rendered at twice the rate, then halved, so nothing aliases
VELOCITIES = (64, 112)
DRUM_CHANNEL = 9  # General MIDI's channel 10, counted from 0


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """Which General MIDI programs play an instrument and over which range of keys."""

    programs: tuple[int, ...]  # counted from 0
    held_out_program: int  # rendered too, but only played in held-out scenes
    low: int
    high: int
    step: int = 3  # semitones between banked notes; phrases shift the nearest one
    channel: int = 0
    compass: tuple[tuple[int, int, int], ...] = ()  # (program, low, high) where programs differ

    def range_of(self, program: int) -> "Instrument":
        """The instrument within the keys that one of its programs really has."""
        for its_program, low, high in self.compass:
            if its_program == program:
                return replace(self, low=low, high=high)
        return self


# Drum keys: kicks, snares and sticks, toms, hats, cymbals.
KICKS, SNARES, TOMS = (35, 36), (38, 40, 37), (41, 43, 45, 47, 48, 50)
HATS, CYMBALS = (42, 44, 46), (49, 51, 57)

INSTRUMENTS: dict[str, Instrument] = {
    "piano": Instrument(programs=(0, 1, 3), held_out_program=2, low=33, high=96),
    "guitar": Instrument(programs=(24, 25, 27), held_out_program=26, low=40, high=82),
    "violin": Instrument(programs=(40, 110), held_out_program=41, low=55, high=97),
    "trumpet": Instrument(programs=(56, 59), held_out_program=57, low=52, high=85),
    "saxophone": Instrument(
        programs=(65, 66, 67),
        held_out_program=64,
        low=42,
        high=82,
        compass=((64, 58, 82), (65, 51, 78), (66, 46, 74), (67, 42, 68)),
    ),
    "accordion": Instrument(programs=(21,), held_out_program=23, low=48, high=88),
    "flute": Instrument(programs=(73, 72, 75), held_out_program=74, low=60, high=96),
    "drum": Instrument(
        programs=(0, 8, 24, 32), held_out_program=16, low=35, high=57, step=1, channel=DRUM_CHANNEL
    ),
}


@dataclass(frozen=True, kw_only=True)
class NoteBank:
    """Rendered notes of one instrument, one row per (program, key, velocity)."""

    programs: np.ndarray
    keys: np.ndarray
    velocities: np.ndarray
    notes: np.ndarray  # [n, NOTE_S * SAMPLE_RATE] float32, loudest note peaks at 1

    def nearest(self, program: int, key: float, velocity: float) -> tuple[np.ndarray, int]:
        """The banked note closest to the asked one, and its key."""
        cost = (self.programs != program) * 1e6 + np.abs(self.keys - key) * 1e3
        row = int(np.argmin(cost + np.abs(self.velocities - velocity)))
        return self.notes[row], int(self.keys[row])


# ------------------------------------------------------------------ rendering, once


def _variable_length(value: int) -> bytes:
    """A MIDI delta time: seven bits a byte, the high bit set on all but the last."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | (value & 0x7F))
    return bytes(reversed(out))


def midi_bytes(program: int, channel: int, notes: list[tuple[int, int]]) -> bytes:
    """A format-0 MIDI file that plays (key, velocity) notes, one each `SLOT_S` seconds."""
    ticks_per_s = 1000  # 1000 ticks a quarter note of 1 000 000 microseconds
    hold = round(NOTE_S * ticks_per_s)
    rest = SLOT_S * ticks_per_s - hold
    track = b"\x00\xff\x51\x03" + (1_000_000).to_bytes(3, "big")
    track += bytes([0, 0xC0 | channel, program])
    for i, (key, velocity) in enumerate(notes):
        track += _variable_length(rest if i else 0) + bytes([0x90 | channel, key, velocity])
        track += _variable_length(hold) + bytes([0x80 | channel, key, 0])
    track += _variable_length(rest) + b"\xff\x2f\x00"
    header = b"MThd" + (6).to_bytes(4, "big") + b"\x00\x00\x00\x01" + ticks_per_s.to_bytes(2, "big")
    return header + b"MTrk" + len(track).to_bytes(4, "big") + track


def _render_program(program: int, channel: int, notes: list[tuple[int, int]]) -> np.ndarray:
    """Mono float32 [len(notes), NOTE_S * SAMPLE_RATE] of one program."""
    with tempfile.TemporaryDirectory() as folder:
        midi, raw = Path(folder, "notes.mid"), Path(folder, "notes.raw")
        midi.write_bytes(midi_bytes(program, channel, notes))
        # Dry: no reverb, no chorus; 16-bit stereo without a header.
        options = ["-ni", "-q", "-R", "0", "-C", "0", "-g", "0.6", "-r", str(RENDER_RATE)]
        options += ["-T", "raw", "-O", "s16", "-F", str(raw)]
        subprocess.run(
            ["fluidsynth", *options, str(SOUND_FONT), str(midi)], check=True, capture_output=True
        )
        stereo = np.fromfile(raw, dtype="<i2").reshape(-1, 2)
    mono = stereo.mean(1, dtype=np.float32)
    slot = SLOT_S * RENDER_RATE
    mono = np.pad(mono, (0, max(0, slot * len(notes) - len(mono))))[: slot * len(notes)]
    mono = mono.reshape(len(notes), slot)[:, : round(NOTE_S * RENDER_RATE)]
    return resample_poly(mono, 1, 2, axis=1).astype(np.float32)


def render_note_bank(cache_dir: Path = NOTE_BANK_DIR) -> None:
    """Render every note of every instrument into `cache_dir`, one .npz each; skips what exists.

    Raises:
        FileNotFoundError: the sound font is not installed.
    """
    if not SOUND_FONT.exists():
        raise FileNotFoundError(
            f"expected the sound font {SOUND_FONT}; apt-get install fluidsynth fluid-soundfont-gm"
        )
    cache_dir.mkdir(parents=True, exist_ok=True)
    for name, instrument in INSTRUMENTS.items():
        path = cache_dir / f"{name}.npz"
        if path.exists():
            continue
        keys = range(instrument.low, instrument.high + 1, instrument.step)
        asked = [(key, velocity) for key in keys for velocity in VELOCITIES]
        programs = (*instrument.programs, instrument.held_out_program)
        notes = np.concatenate([_render_program(p, instrument.channel, asked) for p in programs])
        is_heard = np.abs(notes).max(1) > 30  # a key without a sample renders as silence
        rows = [(p, key, velocity) for p in programs for key, velocity in asked]
        labels = np.array(rows, dtype=np.int16)[is_heard]
        pcm = np.round(notes[is_heard] * (32767 / np.abs(notes).max())).astype(np.int16)
        partial_path = path.with_suffix(".tmp.npz")
        np.savez(partial_path, labels=labels, pcm=pcm)
        partial_path.rename(path)


@lru_cache(maxsize=16)
def load_note_bank(name: str, cache_dir: Path = NOTE_BANK_DIR) -> NoteBank:
    """Read the notes of one instrument.

    Raises:
        FileNotFoundError: the bank was not rendered yet.
    """
    path = cache_dir / f"{name}.npz"
    if not path.exists():
        raise FileNotFoundError(
            f"expected rendered notes in {path}; run python -m training.world.instruments"
        )
    with np.load(path) as file:
        labels, pcm = file["labels"].astype(np.int32), file["pcm"]
    notes = pcm.astype(np.float32) / 32767
    # Level every note halfway to the bank's peak, so that quiet keys are heard.
    notes /= np.sqrt(np.abs(notes).max(1, keepdims=True))
    return NoteBank(programs=labels[:, 0], keys=labels[:, 1], velocities=labels[:, 2], notes=notes)


# ------------------------------------------------------------------ phrases


@dataclass(frozen=True, kw_only=True)
class Note:
    """One note of a phrase."""

    start_s: float
    length_s: float
    key: float  # MIDI key number, fractions allowed
    velocity: float = 96.0
    is_onset: bool = True  # false for notes that belong to an onset already reported


Phrase = Callable[[Draw, Voice, Instrument, float], list[Note]]

SCALES = (
    (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10),
    (0, 2, 3, 5, 7, 9, 10),
)  # fmt: skip
CHORDS = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 10), (0, 4, 7, 11), (0, 3, 7, 10), (0, 5, 7))


def _tonic(draw: Draw, voice: Voice, instrument: Instrument) -> float:
    """A key that is low for large voices and high for small ones, an octave short of the top."""
    span = instrument.high - 12 - instrument.low
    place = np.clip(1 - voice.size + draw.uniform(-0.12, 0.12), 0, 1)
    return float(instrument.low + np.round(place * span))


def _beat_s(draw: Draw, voice: Voice, slow: float, fast: float) -> float:
    """Seconds between notes, from `slow` to `fast` as the voice's speed goes from 0 to 1."""
    return float(slow * (fast / slow) ** voice.speed * draw.log_uniform(0.9, 1.1))


def _melody(
    draw: Draw, voice: Voice, instrument: Instrument, duration_s: float,
    slow: float = 0.8, fast: float = 0.12,
) -> list[Note]:  # fmt: skip
    """A random walk on a scale, with notes of one, two or half a beat."""
    rng, tonic, scale = draw.rng, _tonic(draw, voice, instrument), draw.choice(SCALES)
    beat = _beat_s(draw, voice, slow, fast)
    legato = draw.uniform(0.5, 1.1)
    stride = draw.choice((1, 1, 2))
    start, degree, notes = draw.uniform(0, min(0.3, 0.3 * duration_s)), int(rng.integers(0, 5)), []
    rhythm = draw.choice(((1.0,), (1.0, 1.0, 2.0), (0.5, 1.0), (1.0, 2.0, 4.0)))
    while start < duration_s - 0.02:
        octave, step = divmod(degree, len(scale))
        length = beat * rhythm[rng.integers(len(rhythm))]
        notes.append(
            Note(
                start_s=start, length_s=max(0.08, length * legato),
                key=tonic + 12 * octave + scale[step], velocity=rng.uniform(60, 120),
            )
        )  # fmt: skip
        degree = int(np.clip(degree + rng.integers(-2, 3) * stride, -3, len(scale) + 3))
        start += length
    return notes


def _chords(
    draw: Draw, voice: Voice, instrument: Instrument, duration_s: float,
    strum_s: float = 0.0, octaves: int = 1, slow: float = 1.3, fast: float = 0.25,
) -> list[Note]:  # fmt: skip
    """Chords struck together (or strummed, `strum_s` between strings), moving every few beats."""
    rng, tonic = draw.rng, _tonic(draw, voice, instrument)
    beat = _beat_s(draw, voice, slow, fast)
    start, notes, root, chord, count = draw.uniform(0, min(0.25, 0.25 * duration_s)), [], 0, None, 0
    change = int(rng.integers(1, 5))
    while start < duration_s - 0.02:
        if chord is None or count % change == 0:
            root, chord = draw.choice((0, 5, 7, -3, -5, 2)), draw.choice(CHORDS)
        count += 1
        tones = [root + tone + 12 * o for o in range(octaves) for tone in chord]
        if strum_s and rng.random() < 0.35:
            tones.reverse()  # an up-stroke
        length = beat * draw.uniform(0.7, 1.3)
        for i, tone in enumerate(tones):
            notes.append(
                Note(
                    start_s=start + i * strum_s, length_s=length, key=tonic + tone,
                    velocity=rng.uniform(70, 115), is_onset=i == 0,
                )
            )  # fmt: skip
        start += beat * draw.choice((1.0, 1.0, 0.5))
    return notes


def _arpeggio(
    draw: Draw, voice: Voice, instrument: Instrument, duration_s: float,
    slow: float = 0.5, fast: float = 0.09,
) -> list[Note]:  # fmt: skip
    """Chord tones one after the other, ringing into each other."""
    rng, tonic = draw.rng, _tonic(draw, voice, instrument)
    beat = _beat_s(draw, voice, slow, fast)
    ring = draw.uniform(1.0, 5.0)
    start, notes = draw.uniform(0, min(0.25, 0.25 * duration_s)), []
    while start < duration_s - 0.02:
        root, chord = draw.choice((0, 5, 7, -3, -5)), draw.choice(CHORDS)
        tones = [root + tone for tone in (*chord, 12)]
        tones = draw.choice((tones, tones[::-1], [*tones, *tones[-2:0:-1]]))
        for tone in tones:
            velocity = rng.uniform(65, 110)
            length = min(NOTE_S, beat * ring)
            notes.append(Note(start_s=start, length_s=length, key=tonic + tone, velocity=velocity))
            start += beat
    return notes


def _held(draw: Draw, voice: Voice, instrument: Instrument, duration_s: float) -> list[Note]:
    """Long single notes, as a player warming up."""
    return _melody(draw, voice, instrument, duration_s, slow=2.0, fast=0.7)


def _piano(draw: Draw, voice: Voice, instrument: Instrument, duration_s: float) -> list[Note]:
    kind = draw.choice((_melody, _chords, _arpeggio, _two_hands))
    return kind(draw, voice, instrument, duration_s)


def _two_hands(draw: Draw, voice: Voice, instrument: Instrument, duration_s: float) -> list[Note]:
    right = _melody(draw, voice, instrument, duration_s)
    left = draw.choice((_chords, _arpeggio))(draw, voice, instrument, duration_s)
    return right + [
        Note(
            start_s=n.start_s, length_s=n.length_s, key=max(instrument.low, n.key - 17),
            velocity=0.8 * n.velocity, is_onset=False,
        )
        for n in left
    ]  # fmt: skip


def _guitar(draw: Draw, voice: Voice, instrument: Instrument, duration_s: float) -> list[Note]:
    kind = draw.choice(("strum", "strum", "pluck", "melody"))
    if kind == "strum":
        strum_s = draw.log_uniform(0.008, 0.035)
        return _chords(draw, voice, instrument, duration_s, strum_s, octaves=2, slow=1.2, fast=0.2)
    return (_arpeggio if kind == "pluck" else _melody)(draw, voice, instrument, duration_s)


def _solo(draw: Draw, voice: Voice, instrument: Instrument, duration_s: float) -> list[Note]:
    return draw.choice((_melody, _melody, _held))(draw, voice, instrument, duration_s)


def _accordion(draw: Draw, voice: Voice, instrument: Instrument, duration_s: float) -> list[Note]:
    melody = _melody(draw, voice, instrument, duration_s, slow=0.9, fast=0.16)
    if draw.uniform(0, 1) < 0.3:
        return melody
    chords = _chords(draw, voice, instrument, duration_s, slow=1.2, fast=0.3)
    if draw.uniform(0, 1) < 0.4:
        return chords
    return melody + [
        Note(
            start_s=n.start_s, length_s=n.length_s, key=max(instrument.low, n.key - 12),
            velocity=0.7 * n.velocity, is_onset=False,
        )
        for n in chords
    ]  # fmt: skip


def _drum(draw: Draw, voice: Voice, instrument: Instrument, duration_s: float) -> list[Note]:
    """A kit groove, a snare march or roll, or toms around the kit."""
    rng = draw.rng
    grid = _beat_s(draw, voice, slow=0.34, fast=0.09)  # one sixteenth or eighth
    kind = draw.choice(("groove", "groove", "snare", "toms", "roll"))
    steps = 16
    kick, snare, hat = draw.choice(KICKS), draw.choice(SNARES), draw.choice(HATS)
    large = (1 - voice.size) * (len(TOMS) - 1)
    toms = [TOMS[int(np.clip(round(large + d), 0, len(TOMS) - 1))] for d in (-1, 0, 1)]
    chance = {}  # key -> probability of a hit in each step of the bar
    if kind == "groove":
        step = np.arange(steps)
        chance[kick] = np.where(step % 8 == 0, 1.0, 1.0 * (rng.random(steps) < 0.15))
        chance[snare] = np.where(step % 8 == 4, 1.0, 1.0 * (rng.random(steps) < 0.05))
        chance[hat] = np.where(step % draw.choice((1, 2, 2)) == 0, 0.95, 0.0)
        chance[draw.choice(CYMBALS)] = np.where(step == 0, draw.choice((0.0, 1.0)), 0.0)
    elif kind == "snare":
        hits = rng.choice([0.0, 1.0], steps, p=[0.45, 0.55])
        hits[::4] = 1
        chance[draw.choice(SNARES[:2])] = hits
    elif kind == "toms":
        row = rng.integers(0, len(toms), steps)
        played = rng.random(steps) < 0.75
        played[0] = True
        for i, tom in enumerate(toms):
            chance[tom] = np.maximum(chance.get(tom, 0.0), ((row == i) & played) * 1.0)
    else:
        chance[draw.choice((*SNARES[:2], toms[1]))] = np.ones(steps)
        grid = min(grid, 0.11)
    start, step, notes = draw.uniform(0, min(0.2, 0.2 * duration_s)), 0, []
    while start < duration_s - 0.02:
        first = True
        for key, odds in chance.items():
            if rng.random() < odds[step % steps]:
                accent = 110 if step % 4 == 0 else 85
                velocity = (accent + rng.uniform(-25, 12)) * (0.6 if key in HATS + CYMBALS else 1)
                jitter = rng.uniform(0, 0.006)
                notes.append(
                    Note(
                        start_s=start + jitter, length_s=NOTE_S, key=key, velocity=velocity,
                        is_onset=first,
                    )
                )  # fmt: skip
                first = False
        start, step = start + grid, step + 1
    return notes


PHRASES: dict[str, Phrase] = {
    "piano": _piano, "guitar": _guitar, "violin": _solo, "trumpet": _solo, "saxophone": _solo,
    "accordion": _accordion, "flute": _solo, "drum": _drum,
}  # fmt: skip


# ------------------------------------------------------------------ playing


def _played(note: Note, bank: NoteBank, program: int, detune: float, fade_s: float) -> np.ndarray:
    """The samples of one note: nearest banked note, shifted in pitch, cut and released."""
    source, key = bank.nearest(program, note.key, note.velocity)
    ratio = 2 ** ((note.key - key + detune) / 12)
    length = min(int((note.length_s + fade_s) * SAMPLE_RATE), int(len(source) / ratio) - 2)
    if abs(ratio - 1) < 1e-4:
        wave = source[:length].copy()
    else:
        at = np.arange(length) * ratio
        low = at.astype(np.int32)
        part = (at - low).astype(np.float32)
        wave = source[low] * (1 - part) + source[low + 1] * part
    fade = min(int(fade_s * SAMPLE_RATE), length)
    wave[length - fade :] *= np.linspace(1, 0, fade, dtype=np.float32) ** 2
    return wave * np.float32((note.velocity / 127) ** 1.5)


def play(
    name: str, draw: Draw, voice: Voice, num_samples: int, cache_dir: Path = NOTE_BANK_DIR
) -> Sound:
    """A random phrase of one instrument, float32 [num_samples], peak at most 1."""
    bank, instrument = load_note_bank(name, cache_dir), INSTRUMENTS[name]
    duration_s = num_samples / SAMPLE_RATE
    program = instrument.held_out_program if draw.held_out else draw.choice(instrument.programs)
    instrument = instrument.range_of(program)
    detune = draw.uniform(-0.4, 0.4) if name != "drum" else draw.uniform(-2.0, 2.0)
    fade_s = draw.log_uniform(0.03, 0.25)
    phrase = PHRASES[name](draw, voice, instrument, duration_s)
    wave = np.zeros(num_samples, dtype=np.float32)
    for note in phrase:
        at = int(note.start_s * SAMPLE_RATE)
        played = _played(note, bank, program, detune, fade_s)[: max(0, num_samples - at)]
        wave[at : at + len(played)] += played
    # The colour of the microphone: from nothing to a soft roll-off of the treble.
    wave = tilt(wave, 1500.0 * 2 ** draw.key(0.0, 3.0))
    onsets = sorted({round(n.start_s, 4) for n in phrase if n.is_onset})
    hall = in_room(wave, draw, (0.3, 1.8), (0.1, 0.6)) if draw.chance(0.8) else wave
    return finish(hall, onsets, draw, room=False)


SYNTHS: dict[str, Synth] = {name: partial(play, name) for name in INSTRUMENTS}


if __name__ == "__main__":
    render_note_bank(Path(sys.argv[1]) if len(sys.argv) > 1 else NOTE_BANK_DIR)
