"""Films of five shots of different things: whole, by found shots, and by a list with prompts.

`python -m benchmarks.pocket_shots --outside FOLDER` (needs the world, see training/README.md)

The shots are held-out drawings at 25 frames per second. The judges classify the audio of every shot
by itself. It also counts the cuts that are found.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from training.world.captions import label
from training.world.pictures import art_of_thing, film
from training.world.scenes import STYLES_OF_SPLIT, Heard, heard
from training.world.things import BY_ID, IDS

from benchmarks import outside
from benchmarks.results import TIMES_NOTE, interval, table, write
from benchmarks.scenes import DURATION_S
from seehear.dsp.resample import resample
from seehear.media import write_video
from seehear.media.cuts import shot_boundaries
from seehear.metrics.features import judge as pocket_judge
from seehear.metrics.intervals import wilson_interval
from seehear.models.families import load_family
from seehear.pipeline.shot_list import Shot
from seehear.pipeline.studio import Studio

SHOTS, FPS, SIZE = 5, 25, 128
TOLERANCE_S = 0.02
PRESET = "fast"
RATE = 16_000
ROWS = ("whole film", "found shots", "list with prompts")


@dataclass(frozen=True)
class Film:
    """A film in a file, and the sounds whose pictures it shows."""

    path: Path
    sounds: Sequence[Heard]

    @property
    def times_s(self) -> list[float]:
        """Start of every shot, and the end."""
        return [k * DURATION_S for k in range(len(self.sounds) + 1)]


def write_films(folder: Path, count: int) -> list[Film]:
    """Films of held-out scenes; the things of neighbouring shots differ."""
    films = []
    # Scene k shows thing k of the list, in turn; a step of 11 mixes the groups.
    order = [k * 11 % (len(IDS) * 4) for k in range(count * SHOTS)]
    for first in range(0, len(order), SHOTS):
        numbers = order[first : first + SHOTS]
        sounds = [heard(number, "test") for number in numbers]
        frames = [_frames(sound, number) for sound, number in zip(sounds, numbers, strict=True)]
        path = folder / f"film_{first // SHOTS:03d}.mp4"
        write_video(path, torch.cat(frames), float(FPS))
        films.append(Film(path, sounds))
    return films


def _frames(sound: Heard, number: int) -> Tensor:
    """A shot of the thing that sounds."""
    rng = np.random.default_rng((number, 17))
    thing = BY_ID[sound.thing]
    drawings = art_of_thing(thing, STYLES_OF_SPLIT["test"]) or art_of_thing(
        thing, STYLES_OF_SPLIT["judge"]
    )
    drawing = drawings[rng.integers(len(drawings))]
    frames = film(
        rng, thing, drawing, sound.onsets_s, scale=0.6, speed=sound.voice.speed,
        duration_s=DURATION_S, num_frames=round(FPS * DURATION_S), size=SIZE,
    )  # fmt: skip
    return torch.from_numpy(frames)


def cuts(films: Sequence[Film]) -> dict:
    """How many cuts are found, and how many are none."""
    found_count, false_count, total = 0, 0, 0
    for one in films:
        wanted, found = one.times_s[1:-1], shot_boundaries(one.path)[1:-1]
        hits = sum(any(abs(a - b) <= TOLERANCE_S for b in found) for a in wanted)
        found_count, false_count = found_count + hits, false_count + len(found) - hits
        total += len(wanted)
    return {
        "cuts": total, "found": found_count, "false": false_count,
        "minutes": len(films) * SHOTS * DURATION_S / 60,
    }  # fmt: skip


def audio_of(studio: Studio, one: Film, row: str, seed: int) -> Tensor:
    """Audio of every shot [shots, samples] at 16 kHz."""
    shots: str | list[Shot] | None = None
    if row == "found shots":
        shots = "auto"
    if row == "list with prompts":
        prompts = [label(BY_ID[sound.thing]) for sound in one.sounds]
        shots = [
            Shot(start_s=start, end_s=end, prompt=prompt)
            for (start, end), prompt in zip(pairwise(one.times_s), prompts, strict=True)
        ]
    result = studio.video_to_audio(one.path, seed=seed, preset=PRESET, shots=shots)
    assert result.waveform is not None
    assert result.sample_rate is not None
    waveform = resample(result.waveform, result.sample_rate, RATE)[0]
    length = round(DURATION_S * RATE)
    return torch.stack([waveform[k * length :][:length] for k in range(SHOTS)])


def tables(raw: dict) -> str:
    """Markdown from the raw results."""
    found = raw["cuts"]
    rows = [
        [
            name, cell["count"], *outside.columns(cell),
            f"{cell['judge']:.2f} {interval(cell['judge_95'])}", f"{cell['seconds']:.1f}",
        ]
        for name, cell in raw["cells"].items()
    ]  # fmt: skip
    header = ["audio", "shots", *outside.HEADER, "pocket judge", "s per film"]
    return (
        f"{raw['count']} films of {SHOTS} shots of {DURATION_S} s, drawings in styles that are not "
        f"in the training data. Preset `{PRESET}`. `whole film`: one caption, one run over "
        "windows. `found shots`: `--shots auto`, with the caption of each shot. `list with "
        "prompts`: `--shots` with a list that names the thing of each shot. The judges classify "
        "the audio of each shot.\n\n"
        f"Cuts: {found['found']} of {found['cuts']} are found within {TOLERANCE_S:g} s, and "
        f"{found['false']} other times are taken for cuts, in {found['minutes']:.1f} minutes of "
        "film.\n\n" + TIMES_NOTE + "Brackets: 95 % intervals.\n\n" + table(header, rows)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=24, help="films")
    parser.add_argument("--outside", type=Path, help="folder of the outside judge")
    options = parser.parse_args()
    studio = Studio(load_family())
    judge, judges = pocket_judge.load(), outside.load(options.outside)
    with tempfile.TemporaryDirectory() as folder:
        films = write_films(Path(folder), options.count)
        raw: dict = {"count": options.count, "cuts": cuts(films), "cells": {}}
        print(raw["cuts"], flush=True)
        labels = torch.tensor([IDS.index(s.thing) for one in films for s in one.sounds])
        for row in ROWS:
            began = time.perf_counter()
            audio = torch.cat([audio_of(studio, one, row, k) for k, one in enumerate(films)])
            seconds = (time.perf_counter() - began) / options.count
            hits = judge.sound_logits(audio).argmax(1) == labels
            raw["cells"][row] = {
                "count": len(labels), "seconds": seconds,
                "judge": float(hits.float().mean()),
                "judge_95": wilson_interval(int(hits.sum()), len(hits)),
                **judges.audio_scores(audio, labels),
            }  # fmt: skip
            print(row, raw["cells"][row], flush=True)
    write("pocket_shots", "Films of several shots on the pocket family", raw, tables(raw))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
