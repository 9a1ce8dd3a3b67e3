"""Writes docs/tasks.md and its pictures: every task once, vanilla beside guided.

`python scripts/write_tasks_page.py` (about two minutes on two cores)
"""

import sys
from pathlib import Path

import numpy as np
import torch
from make_readme_picture import spectrogram
from PIL import Image, ImageDraw, ImageFont

import seehear
from seehear.dsp.mel import SAMPLE_RATE
from seehear.dsp.resample import resample
from seehear.media import read_audio, read_video
from seehear.media.drawing import fitted, middles
from seehear.pipeline.presets import with_overrides
from seehear.pipeline.result import Result
from seehear.pipeline.studio import Studio

DOCS = Path("docs")
CLIP, SOUND = Path("examples/rooster.mp4"), Path("examples/dog.wav")
SENTENCE = "a rooster crowing"
NUM_FRAMES, SIDE, MEL_HEIGHT, TITLE, GAP = 8, 72, 72, 20, 4
WIDTH = NUM_FRAMES * (SIDE + GAP) - GAP
INK, PAPER = (40, 40, 40), (255, 255, 255)


def strip(frames: np.ndarray) -> Image.Image:
    """Frames [n, h, w, 3] spread over a row; a still stands alone at its left."""
    row = Image.new("RGB", (WIDTH, SIDE), PAPER)
    count = min(NUM_FRAMES, len(frames))
    for k, index in enumerate(middles(count, len(frames))):
        picture = Image.fromarray(frames[index]).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        row.paste(picture, (k * (SIDE + GAP), 0))
    return row


def spectrum(waveform: torch.Tensor, duration_s: float) -> Image.Image:
    """The log mel of a mono sound as a row."""
    mel = Image.fromarray(spectrogram(fitted(waveform, duration_s)))
    return mel.resize((WIDTH, MEL_HEIGHT), Image.Resampling.BOX)


def panel(title: str, parts: list[Image.Image]) -> Image.Image:
    """Rows below a title."""
    height = TITLE + sum(part.height + GAP for part in parts)
    canvas = Image.new("RGB", (WIDTH, height), PAPER)
    ImageDraw.Draw(canvas).text((0, 2), title, INK, ImageFont.load_default(size=13))
    y = TITLE
    for part in parts:
        canvas.paste(part, (0, y))
        y += part.height + GAP
    return canvas


def panel_of(title: str, result: Result) -> Image.Image:
    """What a run made: its frames if any, its sound if any."""
    parts = []
    if result.video is not None:
        parts.append(strip(result.video))
    if result.waveform is not None and result.sample_rate and result.task != "a2v":
        mono = resample(result.waveform.mean(0, keepdim=True), result.sample_rate, SAMPLE_RATE)[0]
        parts.append(spectrum(mono, result.duration_s))
    return panel(title, parts)


def beside(panels: list[Image.Image]) -> Image.Image:
    """Panels side by side."""
    gap = 16
    width = sum(p.width + gap for p in panels) - gap
    canvas = Image.new("RGB", (width, max(p.height for p in panels)), PAPER)
    x = 0
    for each in panels:
        canvas.paste(each, (x, 0))
        x += each.width + gap
    return canvas


def run_task(studio: Studio, task: str) -> tuple[Image.Image | None, dict[str, Result]]:
    """What a task is given, and its results without and with guidance."""
    clip = read_video(CLIP, frames_per_s=4.0, short_side=96)
    sound = read_audio(SOUND, SAMPLE_RATE)
    seen = panel("given", [strip(clip.frames.permute(0, 2, 3, 1).numpy())])
    heard = panel("given", [spectrum(sound.waveform[0], sound.duration_s)])
    off = {"lr_latents": 0.0, "lr_prompt": 0.0}

    given, name, run = {
        "v2a": (seen, "latents", lambda p: studio.video_to_audio(CLIP, "", 0, preset=p)),
        "a2v": (heard, "latents", lambda p: studio.audio_to_video(SOUND, "", 0, preset=p)),
        "a2i": (heard, "latents", lambda p: studio.audio_to_image(SOUND, "", 0, preset=p)),
        "joint": (None, "default", lambda p: studio.text_to_both(SENTENCE, 0, preset=p)),
    }[task]
    vanilla = run(with_overrides(name, task=task, **off))
    return given, {"vanilla": vanilla, "guided": run(with_overrides(name, task=task))}


TEXTS = {
    "v2a": "A sound for a silent video (`seehear v2a`, `Studio.video_to_audio`); `i2a` does the "
    "same for a picture. No words are given, so vanilla does not know what is seen.",
    "a2v": "A video for a sound (`seehear a2v`, `Studio.audio_to_video`). No words are given, so "
    "vanilla does not know what is heard.",
    "a2i": "A picture for a sound (`seehear a2i`, `Studio.audio_to_image`), no words given.",
    "joint": f'A video and its sound from a sentence (`seehear joint "{SENTENCE}"`, '
    "`Studio.text_to_both`), preset `default`.",
}


def main() -> None:
    """Run the tasks named on the command line twice, or all; draw, and write the page."""
    asked, studio = sys.argv[1:] or list(TEXTS), seehear.load("pocket")
    (DOCS / "images").mkdir(exist_ok=True)
    lines = [
        "# The tasks, one by one",
        "",
        "One run each on the pocket family, seed 0, without and with guidance (preset `latents` "
        "where no words are given). "
        "Single runs show what comes out, not how well it works: that is in "
        "[results/](results/), judged on many held-out scenes. Frames are 64 pixels wide "
        "and shown larger. Spectrograms: log mel, 0 to 8 kHz from bottom to top.",
        "",
        "Written by `python scripts/write_tasks_page.py`.",
    ]
    for task in TEXTS:
        name = f"task_{task}.png"
        if task in asked:
            given, results = run_task(studio, task)
            panels = [panel_of(title, result) for title, result in results.items()]
            picture = beside(([] if given is None else [given]) + panels)
            picture.save(DOCS / "images" / name, optimize=True)
        lines += [
            "",
            f"## {task}",
            "",
            TEXTS[task],
            "",
            f"![{task}: vanilla and guided](images/{name})",
        ]
    (DOCS / "tasks.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
