"""Writes docs/tasks.md and its figures: one unguided and one guided run per task.

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
CLIP, AUDIO = Path("examples/rooster.mp4"), Path("examples/dog.wav")
PROMPT = "a rooster crowing"
NUM_FRAMES, SIDE, MEL_HEIGHT, TITLE, GAP = 8, 72, 72, 20, 4
WIDTH = NUM_FRAMES * (SIDE + GAP) - GAP
INK, PAPER = (40, 40, 40), (255, 255, 255)


def strip(frames: np.ndarray) -> Image.Image:
    """A row of evenly spaced frames from [n, h, w, 3]; a single image is at the left."""
    row = Image.new("RGB", (WIDTH, SIDE), PAPER)
    count = min(NUM_FRAMES, len(frames))
    for k, index in enumerate(middles(count, len(frames))):
        frame = Image.fromarray(frames[index]).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        row.paste(frame, (k * (SIDE + GAP), 0))
    return row


def spectrum(waveform: torch.Tensor, duration_s: float) -> Image.Image:
    """The log mel of a mono waveform [samples] as a row."""
    mel = Image.fromarray(spectrogram(fitted(waveform, duration_s)))
    return mel.resize((WIDTH, MEL_HEIGHT), Image.Resampling.BOX)


def panel(title: str, parts: list[Image.Image]) -> Image.Image:
    """Stack rows below a title."""
    height = TITLE + sum(part.height + GAP for part in parts)
    canvas = Image.new("RGB", (WIDTH, height), PAPER)
    ImageDraw.Draw(canvas).text((0, 2), title, INK, ImageFont.load_default(size=13))
    y = TITLE
    for part in parts:
        canvas.paste(part, (0, y))
        y += part.height + GAP
    return canvas


def panel_of(title: str, result: Result) -> Image.Image:
    """The generated frames and audio of a run."""
    parts = []
    if result.video is not None:
        parts.append(strip(result.video))
    if result.waveform is not None and result.sample_rate and result.task != "a2v":
        mono = resample(result.waveform.mean(0, keepdim=True), result.sample_rate, SAMPLE_RATE)[0]
        parts.append(spectrum(mono, result.duration_s))
    return panel(title, parts)


def beside(panels: list[Image.Image]) -> Image.Image:
    """Place panels side by side."""
    gap = 16
    width = sum(p.width + gap for p in panels) - gap
    canvas = Image.new("RGB", (width, max(p.height for p in panels)), PAPER)
    x = 0
    for each in panels:
        canvas.paste(each, (x, 0))
        x += each.width + gap
    return canvas


def run_task(studio: Studio, task: str) -> tuple[Image.Image | None, dict[str, Result]]:
    """A panel of the input, and the results without and with guidance."""
    clip = read_video(CLIP, frames_per_s=4.0, short_side=96)
    audio = read_audio(AUDIO, SAMPLE_RATE)
    video_input = panel("input", [strip(clip.frames.permute(0, 2, 3, 1).numpy())])
    audio_input = panel("input", [spectrum(audio.waveform[0], audio.duration_s)])
    off = {"lr_latents": 0.0, "lr_prompt": 0.0}

    input_file, name, run = {
        "v2a": (video_input, "latents", lambda p: studio.video_to_audio(CLIP, "", 0, preset=p)),
        "a2v": (audio_input, "latents", lambda p: studio.audio_to_video(AUDIO, "", 0, preset=p)),
        "a2i": (audio_input, "latents", lambda p: studio.audio_to_image(AUDIO, "", 0, preset=p)),
        "joint": (None, "default", lambda p: studio.text_to_both(PROMPT, 0, preset=p)),
    }[task]
    unguided = run(with_overrides(name, task=task, **off))
    return input_file, {"unguided": unguided, "guided": run(with_overrides(name, task=task))}


TEXTS = {
    "v2a": "Audio for a silent video (`seehear v2a`, `Studio.video_to_audio`), without a prompt. "
    "The unguided run does not depend on the video. The task `i2a` does the same for an image and "
    "has no example here.",
    "a2v": "A video for audio (`seehear a2v`, `Studio.audio_to_video`), without a prompt. The "
    "unguided run does not depend on the audio.",
    "a2i": "An image for audio (`seehear a2i`, `Studio.audio_to_image`), without a prompt.",
    "joint": f'Video and audio from a prompt (`seehear joint "{PROMPT}"`, '
    "`Studio.text_to_both`), preset `default`.",
}
NO_EXAMPLE = (
    "\n## joint-model\n\n"
    "Video and audio from one joint model (`seehear joint --backbone mm-diffusion=PATH`, "
    "`Studio.joint_model`). The model itself takes no prompt. Guidance compares its two "
    "streams with each other, with a prompt (`--prompt`) and with a reference (`--like`, audio, "
    "an image or a video). `--preset paper-landscape` selects MM-Diffusion and ImageBind. The "
    "commands `v2a` and `a2v` also take `--backbone`. The joint model then generates only one "
    "stream: the audio for the input video, or the video for the input audio. At every noise "
    "level, noise of that level is added to the clean latents of the input stream, and the model "
    "reads the sum as the noisy latents of this stream (*replacement*). The noise is drawn once "
    "per run. There is no "
    "example here, because no joint model ships with the package."
)


def main() -> None:
    """Run the tasks named on the command line (default: all), draw the figures, write the page."""
    chosen, studio = sys.argv[1:] or list(TEXTS), seehear.load("pocket")
    (DOCS / "images").mkdir(exist_ok=True)
    lines = [
        "# One example per task",
        "",
        "One unguided and one guided run per task with the pocket family and seed 0. Runs without "
        "a prompt use the preset `latents`. Single runs are examples and do not measure quality: "
        "[results/](results/) has scores on many held-out scenes. Frames are 128 pixels wide and "
        "enlarged here. Spectrograms are log mels, 0 to 8 kHz from bottom to top.",
        "",
        "Written by `python scripts/write_tasks_page.py`.",
    ]
    for task in TEXTS:
        name = f"task_{task}.png"
        if task in chosen:
            input_file, results = run_task(studio, task)
            panels = [panel_of(title, result) for title, result in results.items()]
            figure = beside(([] if input_file is None else [input_file]) + panels)
            figure.save(DOCS / "images" / name, optimize=True)
        lines += [
            "",
            f"## {task}",
            "",
            TEXTS[task],
            "",
            f"![{task}: unguided and guided](images/{name})",
        ]
    (DOCS / "tasks.md").write_text("\n".join([*lines, NO_EXAMPLE]) + "\n")


if __name__ == "__main__":
    main()
