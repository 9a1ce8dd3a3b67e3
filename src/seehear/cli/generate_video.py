"""The commands that make pictures: options, explanations and examples."""

from typing import Annotated

import typer

from seehear.cli.generate_audio import app
from seehear.cli.options import (
    A2iPresetOption,
    A2vPresetOption,
    AudioOption,
    BinderOption,
    CaptionerOption,
    Commercial,
    Device,
    DryRun,
    Dtype,
    JointDuration,
    JointPresetOption,
    JointSync,
    Lr,
    MaxSound,
    Memory,
    Models,
    MotionOption,
    Output,
    Overwrite,
    PictureNoPrompt,
    PicturePrompt,
    PictureSync,
    Previews,
    Quiet,
    Report,
    RunOptions,
    Seed,
    SeenPrompt,
    SoundPrompt,
    Steps,
    Suffix,
    Threads,
    Upscale,
    VideoOption,
    asked_prompt,
)

Sounds = Annotated[
    list[str],
    typer.Argument(
        metavar="SOUND",
        show_default=False,
        help="Sounds (or videos with one), folders of sounds, or patterns such as 'takes/*.wav'.",
    ),
]


@app.command("a2v")
def a2v(
    sounds: Sounds,
    output: Output,
    prompt: PicturePrompt = None,
    no_prompt: PictureNoPrompt = False,
    seed: Seed = 0,
    steps: Steps = None,
    preset: A2vPresetOption = "default",
    lr: Lr = None,
    sync: PictureSync = None,
    suffix: Suffix = None,
    upscale: Upscale = None,
    previews: Previews = None,
    report: Report = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    models: Models = "pocket",
    video: VideoOption = None,
    motion: MotionOption = None,
    binder: BinderOption = None,
    device: Device = "cpu",
    dtype: Dtype = "float32",
    threads: Threads = None,
    captioner: CaptionerOption = None,
    commercial: Commercial = False,
    memory: Memory = None,
    max_duration: MaxSound = 60.0,
) -> None:
    """Audio to video: give sounds a moving picture, as long as they are.

    The sound goes into the video as it is, but for its peak: at most -1 dBFS.

    For example:

        seehear a2v rooster.wav -o out.mp4

        seehear a2v takes/ -o films/ --no-prompt --preset latents

        seehear a2v door.wav -o out.mp4 --prompt "a door being knocked on" --sync 0.5
    """
    from seehear.cli.run import run_inputs

    asked = RunOptions(
        prompt=asked_prompt(prompt, no_prompt),
        seed=seed,
        steps=steps,
        preset=preset,
        lr=lr,
        sync=sync,
        suffix=suffix,
        upscale=upscale,
        previews=previews,
        report=report,
        overwrite=overwrite,
        dry_run=dry_run,
        quiet=quiet,
        models=models,
        video=video,
        motion=motion,
        binder=binder,
        device=device,
        dtype=dtype,
        threads=threads,
        captioner=captioner,
        commercial=commercial,
        memory=memory,
        max_duration_s=max_duration,
    )
    raise typer.Exit(run_inputs("a2v", sounds, output, asked))


@app.command("a2i")
def a2i(
    sounds: Sounds,
    output: Output,
    prompt: PicturePrompt = None,
    no_prompt: PictureNoPrompt = False,
    seed: Seed = 0,
    steps: Steps = None,
    preset: A2iPresetOption = "default",
    lr: Lr = None,
    suffix: Suffix = None,
    upscale: Upscale = None,
    previews: Previews = None,
    report: Report = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    models: Models = "pocket",
    video: VideoOption = None,
    binder: BinderOption = None,
    device: Device = "cpu",
    dtype: Dtype = "float32",
    threads: Threads = None,
    captioner: CaptionerOption = None,
    commercial: Commercial = False,
    memory: Memory = None,
    max_duration: MaxSound = 600.0,
) -> None:
    """Audio to image: give sounds a picture.

    The output's name decides the format: .png, .jpg or .webp.

    For example:

        seehear a2i rooster.wav -o out.png

        seehear a2i takes/ -o pictures/ --seed 1
    """
    from seehear.cli.run import run_inputs

    asked = RunOptions(
        prompt=asked_prompt(prompt, no_prompt),
        seed=seed,
        steps=steps,
        preset=preset,
        lr=lr,
        suffix=suffix,
        upscale=upscale,
        previews=previews,
        report=report,
        overwrite=overwrite,
        dry_run=dry_run,
        quiet=quiet,
        models=models,
        video=video,
        binder=binder,
        device=device,
        dtype=dtype,
        threads=threads,
        captioner=captioner,
        commercial=commercial,
        memory=memory,
        max_duration_s=max_duration,
    )
    raise typer.Exit(run_inputs("a2i", sounds, output, asked))


@app.command("joint")
def joint(
    sentence: Annotated[
        str,
        typer.Argument(
            metavar="SENTENCE", show_default=False, help="What is to be seen and heard."
        ),
    ],
    output: Output,
    sound_prompt: SoundPrompt = None,
    picture_prompt: SeenPrompt = None,
    duration: JointDuration = None,
    seed: Seed = 0,
    steps: Steps = None,
    preset: JointPresetOption = "default",
    lr: Lr = None,
    sync: JointSync = None,
    upscale: Upscale = None,
    previews: Previews = None,
    report: Report = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    models: Models = "pocket",
    audio: AudioOption = None,
    video: VideoOption = None,
    motion: MotionOption = None,
    binder: BinderOption = None,
    device: Device = "cpu",
    dtype: Dtype = "float32",
    threads: Threads = None,
    commercial: Commercial = False,
    memory: Memory = None,
) -> None:
    """Text to video and audio: make both from a sentence, so that they belong together.

    For example:

        seehear joint "a rooster crowing on a farm" -o out.mp4

        seehear joint "an animal" -o out.mp4 --seed 5 --preset wordless
    """
    from seehear.cli.run import run_joint

    asked = RunOptions(
        duration_s=duration,
        sound_prompt=sound_prompt,
        picture_prompt=picture_prompt,
        seed=seed,
        steps=steps,
        preset=preset,
        lr=lr,
        sync=sync,
        upscale=upscale,
        previews=previews,
        report=report,
        overwrite=overwrite,
        dry_run=dry_run,
        quiet=quiet,
        models=models,
        audio=audio,
        video=video,
        motion=motion,
        binder=binder,
        device=device,
        dtype=dtype,
        threads=threads,
        commercial=commercial,
        memory=memory,
    )
    raise typer.Exit(run_joint(sentence, output, asked))
