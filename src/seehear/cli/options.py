"""The options of the commands, each declared once."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from seehear.pipeline.presets import presets_of
from seehear.pipeline.task import Task

ModelsName = Literal["pocket", "paper"]
DtypeName = Literal["float32", "bfloat16"]  # of the command line; `LoadOptions` takes more


def finite(number: float | None) -> float | None:
    """The number itself; "nan" and "inf" are refused, which ranges alone would let through."""
    if number is not None and not math.isfinite(number):
        raise typer.BadParameter(f"expected a finite number, got {number}")
    return number


def _with_dot(suffix: str | None) -> str | None:
    """mp4 means .mp4."""
    return f".{suffix}" if suffix and not suffix.startswith(".") else suffix


_MODELS, _OUTPUT, _SOUND = "Models and machine", "Output", "Sound"
_MAKING = "Making"
_PICTURE = "Picture"

Output = Annotated[
    str,  # a path would lose the slash at its end, which says "folder"
    typer.Option(
        "--output", "-o", metavar="PATH", show_default=False, rich_help_panel=_OUTPUT,
        help="File to write, or a folder if there are several inputs. A JSON file of the same "
        "name, written beside each output, tells how to make it again.",
    ),
]  # fmt: skip
Suffix = Annotated[
    str | None,
    typer.Option(
        "--suffix", show_default=False, rich_help_panel=_OUTPUT, callback=_with_dot,
        help="For a folder of outputs: their format, such as .mp4 or .wav.",
    ),
]  # fmt: skip
Mix = Annotated[
    bool,
    typer.Option(
        "--mix", rich_help_panel=_OUTPUT,
        help="Lay the new sound over the clip's own instead of replacing it.",
    ),
]  # fmt: skip
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", rich_help_panel=_OUTPUT, help="Replace outputs that exist."),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", rich_help_panel=_OUTPUT,
        help="Write nothing: time a few steps here, then say what would be done and how much "
        "time and memory it would take.",
    ),
]  # fmt: skip
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", rich_help_panel=_OUTPUT, help="Say nothing but errors.")
]
Report = Annotated[
    bool,
    typer.Option(
        "--report", rich_help_panel=_OUTPUT,
        help="Explain every output in an HTML page of the same name beside it, and several in a "
        "gallery, reports.html. `seehear report` writes them later, too.",
    ),
]  # fmt: skip
Prompt = Annotated[
    str | None,
    typer.Option(
        "--prompt", "-p", show_default=False, rich_help_panel=_SOUND,
        help="What is to be heard, such as 'a dog barks'. Without it the models look at the "
        "picture, name the thing themselves and say so.",
    ),
]  # fmt: skip
NoPrompt = Annotated[
    bool,
    typer.Option(
        "--no-prompt", rich_help_panel=_SOUND,
        help="Use no words at all: the picture alone leads the sound. --preset latents pulls "
        "harder, and does best then.",
    ),
]  # fmt: skip
Seed = Annotated[
    int,
    typer.Option(
        "--seed", "-s", min=0, max=2**32 - 1, metavar="NUMBER", rich_help_panel=_MAKING,
        help="Another number, another take. The same number makes the same again.",
    ),
]  # fmt: skip
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps", min=1, metavar="NUMBER", show_default="the preset's", rich_help_panel=_MAKING,
        help="How many denoising steps; fewer are faster and rougher.",
    ),
]  # fmt: skip


def preset_option(task: Task) -> Any:
    """The option --preset with the presets of a task."""
    names = tuple(presets_of(task.name))
    paper = next((name for name in names if name.startswith("paper-")), "")
    if not task.makes_video:
        panel = _SOUND
        text = (
            "How the picture pulls the sound: our gentle settings, our strong ones (wordless; "
            "latents: without prompt tuning), those of the authors' code, or the paper's "
            "equations. `seehear presets` lists them."
        )
    else:
        panel = _PICTURE
        what = "sound and picture pull each other" if task.makes_audio else _PULLED
        text = (
            f"How {what}: gently, strongly (wordless), through the prompt alone, through the "
            "latents alone, or by the paper's equations. `seehear presets` lists them."
        )
    if paper:
        text += f" {paper} takes the paper's models and sizes, too."
    return Annotated[Literal[names], typer.Option("--preset", rich_help_panel=panel, help=text)]


Lr = Annotated[
    float | None,
    typer.Option(
        "--lr", min=0.0, metavar="RATE", callback=finite, show_default="the preset's",
        rich_help_panel=_MAKING,
        help="How hard what is given pulls what is made (its latents; how hard it pulls the "
        "prompt is the preset's); 0 turns both off.",
    ),
]  # fmt: skip
Sync = Annotated[
    float | None,
    typer.Option(
        "--sync", min=0.0, metavar="WEIGHT", callback=finite, show_default="the preset's, 0",
        rich_help_panel=_SOUND,
        help="How much it counts that sounds begin when something begins to move, beside what they "
        "are: 0.5 does well. Any weight, 0.001 too, also moves sounds in time to where they fit.",
    ),
]  # fmt: skip
Models = Annotated[
    ModelsName,
    typer.Option(
        "--models", rich_help_panel=_MODELS,
        help="pocket comes with the package and runs on any laptop; paper (AudioLDM, "
        "AnimateDiff and ImageBind) needs downloads and a GPU.",
    ),
]  # fmt: skip
AudioOption = Annotated[
    str | None,
    typer.Option(
        "--audio", metavar="FOLDER|HUB", show_default=False, rich_help_panel=_MODELS,
        help="Another sound model in AudioLDM's format: a folder, or a name on the hub.",
    ),
]  # fmt: skip
BinderOption = Annotated[
    Path | None,
    typer.Option(
        "--binder", metavar="PATH", show_default=False, rich_help_panel=_MODELS,
        help="Weights of the network that compares picture and sound: a file or folder. Paper "
        "needs them unless `seehear models pull imagebind` fetched them.",
    ),
]  # fmt: skip
Device = Annotated[
    str, typer.Option("--device", rich_help_panel=_MODELS, help="cpu, cuda, cuda:1, mps ...")
]
Dtype = Annotated[
    DtypeName,
    typer.Option(
        "--dtype", rich_help_panel=_MODELS,
        help="What the networks compute in; bfloat16 halves the memory on a GPU.",
    ),
]  # fmt: skip
CaptionerOption = Annotated[
    str | None,
    typer.Option(
        "--captioner", metavar="NAME|FOLDER", show_default="the nearest of some hundred phrases",
        rich_help_panel=_MODELS,
        help="Who writes the prompt where you give none: blip or qwen3-vl for pictures and clips, "
        "qwen2-audio for sounds, or a folder. See `seehear models list`.",
    ),
]  # fmt: skip
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory", metavar="auto|GB", show_default="no limit", rich_help_panel=_MODELS,
        help="For --models paper: stay below so many gigabytes, or below what is free, by "
        "computing in bfloat16, recomputing activations and letting networks leave after use. "
        "`seehear doctor --models paper` says what each way takes.",
    ),
]  # fmt: skip
Commercial = Annotated[
    bool,
    typer.Option(
        "--commercial", rich_help_panel=_MODELS,
        help="Refuse models whose licence forbids commercial use, or does not say.",
    ),
]  # fmt: skip
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", min=1, metavar="NUMBER", show_default="PyTorch's choice",
        rich_help_panel=_MODELS,
        help="CPU threads. The same sound, bit for bit, needs the same number.",
    ),
]  # fmt: skip
MaxDuration = Annotated[
    float,
    typer.Option(
        "--max-duration", min=0.1, metavar="SECONDS", rich_help_panel=_MODELS,
        help="Refuse clips that are longer than this.",
    ),
]  # fmt: skip
Duration = Annotated[
    float,
    typer.Option(
        "--duration", "-d", metavar="SECONDS", callback=finite, rich_help_panel=_SOUND,
        help="How long the sound lasts, 0.1 to 600.",
    ),
]  # fmt: skip
PicturePrompt = Annotated[
    str | None,
    typer.Option(
        "--prompt", "-p", show_default=False, rich_help_panel=_PICTURE,
        help="What is to be seen, such as 'a dog barking'. Without it the models listen to the "
        "sound, name the thing themselves and say so.",
    ),
]  # fmt: skip
PictureNoPrompt = Annotated[
    bool,
    typer.Option(
        "--no-prompt", rich_help_panel=_PICTURE,
        help="Use no words at all: the sound alone leads the picture. --preset latents pulls "
        "harder, and does best then.",
    ),
]  # fmt: skip


_PULLED = "the sound pulls the picture"
PictureSync = Annotated[
    float | None,
    typer.Option(
        "--sync", min=0.0, metavar="WEIGHT", callback=finite, show_default="the preset's, 0",
        rich_help_panel=_PICTURE,
        help="How much it counts that things begin to move when a sound begins, beside what they "
        "are: try 0.5. Every step then decodes all frames, not a few.",
    ),
]  # fmt: skip
Upscale = Annotated[
    int | None,
    typer.Option(
        "--upscale", min=1, max=16, metavar="TIMES", rich_help_panel=_OUTPUT,
        show_default="4 below 128 pixels, else 1",
        help="How many times larger pictures are saved than the model makes them (pocket: 64 "
        "pixels). Lanczos resampling: no detail is added, and the file says so.",
    ),
]  # fmt: skip
Previews = Annotated[
    Path | None,
    typer.Option(
        "--previews", metavar="FOLDER", show_default=False, rich_help_panel=_OUTPUT,
        help="Write a look at what is being made every five steps, as pictures in this folder.",
    ),
]  # fmt: skip
VideoOption = Annotated[
    str | None,
    typer.Option(
        "--video", metavar="FOLDER|HUB", show_default=False, rich_help_panel=_MODELS,
        help="Another picture or video model in Stable Diffusion 1.5's or AnimateDiff's format.",
    ),
]  # fmt: skip
MotionOption = Annotated[
    str | None,
    typer.Option(
        "--motion", metavar="FOLDER|HUB", show_default=False, rich_help_panel=_MODELS,
        help="A motion adapter for --video.",
    ),
]  # fmt: skip
MaxSound = Annotated[
    float,
    typer.Option(
        "--max-duration", min=0.1, metavar="SECONDS", rich_help_panel=_MODELS,
        help="Refuse sounds that are longer than this.",
    ),
]  # fmt: skip
SoundPrompt = Annotated[
    str | None,
    typer.Option(
        "--audio-prompt", show_default="the sentence", rich_help_panel=_SOUND,
        help="What is to be heard, if it is not what is to be seen.",
    ),
]  # fmt: skip
SeenPrompt = Annotated[
    str | None,
    typer.Option(
        "--video-prompt", show_default="the sentence", rich_help_panel=_PICTURE,
        help="What is to be seen, if it is not what is to be heard.",
    ),
]  # fmt: skip
JointDuration = Annotated[
    float | None,
    typer.Option(
        "--duration", "-d", metavar="SECONDS", callback=finite, rich_help_panel=_OUTPUT,
        show_default="as the video model was trained",
        help="How long sound and picture last, 0.1 to 600.",
    ),
]  # fmt: skip
JointSync = Annotated[
    float | None,
    typer.Option(
        "--sync", min=0.0, metavar="WEIGHT", callback=finite, show_default="the preset's, 0",
        rich_help_panel=_PICTURE,
        help="How much it counts that sounds begin when something begins to move, beside what both "
        "are: try 0.5. Every step then decodes all frames, not a few.",
    ),
]  # fmt: skip
