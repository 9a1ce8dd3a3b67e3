"""The options of the commands, each declared once."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from seehear.guidance.settings import MAX_STEPS
from seehear.media.track import MAX_DUCK_DB, MAX_GAIN_DB, RATES
from seehear.models.load_options import MAX_THREADS
from seehear.pipeline.presets import presets_of
from seehear.pipeline.task import TASKS, Task

MAX_COUNT = 100_000
MAX_TAKES = 100
ModelsName = Literal["pocket", "paper"]
DtypeName = Literal["float32", "bfloat16"]  # of the command line; `LoadOptions` accepts more


def finite(number: float | None) -> float | None:
    """Refuse "nan" and "inf", which a minimum alone accepts."""
    if number is not None and not math.isfinite(number):
        raise typer.BadParameter(f"expected a finite number, got {number}")
    return number


def _with_dot(suffix: str | None) -> str | None:
    """Add the leading dot: mp4 becomes .mp4."""
    return f".{suffix}" if suffix and not suffix.startswith(".") else suffix


_MODELS, _OUTPUT, _AUDIO = "Models and machine", "Output", "Audio"
_GENERATION = "Generation"
_VIDEO, _IMAGE = "Video", "Image"

Output = Annotated[
    str,  # not Path, which drops the final slash that marks a folder
    typer.Option(
        "--output", "-o", metavar="PATH", show_default=False, rich_help_panel=_OUTPUT,
        help="File to write, or a folder if there are several inputs. A JSON manifest with the "
        "same name is written beside each output; `seehear replay` reads it.",
    ),
]  # fmt: skip
JointOutput = Annotated[
    str,
    typer.Option(
        "--output", "-o", metavar="PATH", show_default=False, rich_help_panel=_OUTPUT,
        help="File to write. A JSON manifest with the same name is written beside it; `seehear "
        "replay` reads it.",
    ),
]  # fmt: skip
BatchSuffix = Annotated[
    str | None,
    typer.Option(
        "--suffix", show_default="the task's", rich_help_panel=_OUTPUT, callback=_with_dot,
        help="Format of outputs without a name in the job file, such as .mp4, .wav or .png.",
    ),
]  # fmt: skip


def suffix_option(task: Task) -> Any:
    """The option --suffix with formats of a task as examples."""
    if task.makes_still:
        formats = ".png"
    elif task.makes_video:
        formats = ".mp4"
    else:
        formats = ".mp4 or .wav" if task.input_kind == "video" else ".wav"
    return Annotated[
        str | None,
        typer.Option(
            "--suffix", show_default=False, rich_help_panel=_OUTPUT, callback=_with_dot,
            help=f"If --output is a folder: format of the outputs, such as {formats}.",
        ),
    ]  # fmt: skip


Mix = Annotated[
    bool,
    typer.Option(
        "--mix", rich_help_panel=_OUTPUT,
        help="Mix the new audio with the clip's own audio instead of replacing it.",
    ),
]  # fmt: skip
Gain = Annotated[
    float,
    typer.Option(
        "--gain", min=-MAX_GAIN_DB, max=MAX_GAIN_DB, metavar="DB", callback=finite,
        rich_help_panel=_OUTPUT,
        help="With --mix: gain of the new audio in the mix. Without --mix, use --lufs.",
    ),
]  # fmt: skip
Duck = Annotated[
    float,
    typer.Option(
        "--duck", min=0.0, max=MAX_DUCK_DB, metavar="DB", callback=finite, rich_help_panel=_OUTPUT,
        help="With --mix: lower the new audio by up to this much while the clip's own audio, such "
        "as speech, is above -40 dBFS.",
    ),
]  # fmt: skip
Stereo = Annotated[
    bool,
    typer.Option(
        "--stereo", rich_help_panel=_OUTPUT,
        help="Write mono audio as two equal channels, each 3 dB lower, so that the loudness stays.",
    ),
]  # fmt: skip
Pcm = Annotated[
    bool,
    typer.Option(
        "--pcm", rich_help_panel=_OUTPUT,
        help="Write 24-bit PCM audio instead of a lossy codec, in .mov, .mkv, .wav, .aif or .flac "
        "files (.flac compresses without loss).",
    ),
]  # fmt: skip
Stems = Annotated[
    bool,
    typer.Option(
        "--stems", rich_help_panel=_OUTPUT,
        help="Also write the parts of the audio track as .wav files of 32-bit floats, whose sum is "
        "the track: out_effects.wav with the new audio and, with --mix, out_original.wav with the "
        "video's own.",
    ),
]  # fmt: skip
Markers = Annotated[
    bool,
    typer.Option(
        "--markers", rich_help_panel=_OUTPUT,
        help="Also write the times of audio onsets, motion onsets and shots as a label track that "
        "Audacity and other editors import: out_markers.txt.",
    ),
]  # fmt: skip
AudioRate = Annotated[
    int | None,
    typer.Option(
        "--audio-rate", min=RATES[0], max=RATES[-1], metavar="HZ", show_default="the model's",
        rich_help_panel=_OUTPUT,
        help="Sample rate of .wav, .flac, .aif and .ogg files, such as 48000. Other files have "
        "48 kHz.",
    ),
]  # fmt: skip
Reencode = Annotated[
    bool,
    typer.Option(
        "--reencode", rich_help_panel=_OUTPUT,
        help="Encode the video's frames again as H.264 (VP9 in .webm) instead of copying them, for "
        "codecs that the output format does not support. Frames above 4K are scaled down.",
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
        help="Write no output. Measure the time of a few steps, and print the number of windows "
        "and steps and the expected time and memory of the run. For presets paper-* whose weights "
        "are not on this machine: print an estimate from the sizes of the models.",
    ),
]  # fmt: skip
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", rich_help_panel=_OUTPUT, help="Print only errors.")
]
Report = Annotated[
    bool,
    typer.Option(
        "--report", rich_help_panel=_OUTPUT,
        help="Write an HTML report beside each output, and a gallery, reports.html, for several "
        "outputs. `seehear report` can write them later.",
    ),
]  # fmt: skip
JointReport = Annotated[
    bool,
    typer.Option(
        "--report", rich_help_panel=_OUTPUT,
        help="Write an HTML report beside the output. `seehear report` can write it later.",
    ),
]  # fmt: skip
BatchPrompt = Annotated[
    str | None,
    typer.Option(
        "--prompt", "-p", show_default=False, rich_help_panel=_GENERATION,
        help="Prompt of jobs that do not set one, such as 'a dog barks'. Default: a caption of the "
        "input.",
    ),
]  # fmt: skip
BatchNoPrompt = Annotated[
    bool,
    typer.Option(
        "--no-prompt", rich_help_panel=_GENERATION,
        help="Use an empty prompt for jobs that do not set one: only the input guides the output. "
        "Works best with the stronger guidance of --preset latents.",
    ),
]  # fmt: skip


def _generated_by(task: Task) -> tuple[str, str]:
    """What a task generates, as a help panel and in a sentence."""
    if task.makes_still:
        return _IMAGE, "image"
    return (_VIDEO, "video") if task.makes_video else (_AUDIO, "audio")


def prompt_option(task: Task) -> Any:
    """The option --prompt of a task with an input file."""
    panel, output = _generated_by(task)
    example = "a dog barking" if task.makes_video else "a dog barks"
    return Annotated[
        str | None,
        typer.Option(
            "--prompt", "-p", show_default=False, rich_help_panel=panel,
            help=f"Prompt for the {output}, such as '{example}'. Default: a caption of the input, "
            "which is printed.",
        ),
    ]  # fmt: skip


def no_prompt_option(task: Task) -> Any:
    """The option --no-prompt of a task with an input file."""
    panel, output = _generated_by(task)
    return Annotated[
        bool,
        typer.Option(
            "--no-prompt", rich_help_panel=panel,
            help=f"Use an empty prompt: only the input guides the {output}. Works best with the "
            "stronger guidance of --preset latents.",
        ),
    ]  # fmt: skip


Seed = Annotated[
    int,
    typer.Option(
        "--seed", "-s", min=0, max=2**32 - 1, metavar="NUMBER", rich_help_panel=_GENERATION,
        help="Random seed. The same seed gives the same output.",
    ),
]  # fmt: skip
BatchSeed = Annotated[
    int,
    typer.Option(
        "--seed", "-s", min=0, max=2**32 - 1, metavar="NUMBER", rich_help_panel=_GENERATION,
        help="Base seed. A job without a seed gets one that is derived from this number and from "
        "its id.",
    ),
]  # fmt: skip
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps", min=1, max=MAX_STEPS, metavar="NUMBER", show_default="the preset's",
        rich_help_panel=_GENERATION,
        help="Number of denoising steps. Fewer steps are faster but lower the quality.",
    ),
]  # fmt: skip


def preset_option(task: Task) -> Any:
    """The option --preset with the presets of a task."""
    names = tuple(
        dict.fromkeys(
            name
            for row in TASKS.values()
            if (row.command or row.name) == (task.command or task.name)
            for name in presets_of(row.name)
        )
    )
    paper = next((name for name in names if name.startswith("paper-")), "")
    panel, _ = _generated_by(task)
    if not task.makes_video:
        text = (
            "Guidance settings: default (weak), fast (weak, hardly slower than unguided), wordless "
            "(strong), latents (strong, no prompt tuning), authors (as in the authors' code), "
            "equations (as in the paper). `seehear presets` lists them."
        )
    else:
        ours = "default (weak), wordless (strong)"
        if task.needs_joint_model:
            ours = "default (weak), wordless (strong)"
        elif task.makes_audio:
            ours = "default (the video starts first), wordless (both streams start together)"
        text = (
            f"Guidance settings: {ours}, prompt (updates only the prompt), latents (updates only "
            "the latents), equations (as in the paper). `seehear presets` lists them."
        )
    if paper:
        text += f" {paper} also selects the paper's models"
        text += " and frame sizes." if task.makes_video else "."
    return Annotated[Literal[names], typer.Option("--preset", rich_help_panel=panel, help=text)]


Lr = Annotated[
    float | None,
    typer.Option(
        "--lr", min=0.0, metavar="RATE", callback=finite, show_default="the preset's",
        rich_help_panel=_GENERATION,
        help="Guidance learning rate for the latents. The preset sets the learning rate for the "
        "prompt. --lr 0 turns off both, so the run is unguided.",
    ),
]  # fmt: skip
Sync = Annotated[
    float | None,
    typer.Option(
        "--sync", min=0.0, metavar="WEIGHT", callback=finite, show_default="the preset's, 0",
        rich_help_panel=_AUDIO,
        help="Weight of the loss that aligns audio onsets with motion onsets; 0.5 works well. Any "
        "weight above 0 also shifts the latents in time early in the run, so that onsets and "
        "motion match.",
    ),
]  # fmt: skip
From = Annotated[
    float | None,
    typer.Option(
        "--from", min=0.0, metavar="SECONDS", callback=finite, show_default="start of the clip",
        rich_help_panel=_AUDIO,
        help="Generate only the audio from this time to --to, so that it continues the clip's own "
        "audio before and after it. The rest of the clip's audio is kept sample by sample.",
    ),
]  # fmt: skip
To = Annotated[
    float | None,
    typer.Option(
        "--to", min=0.0, metavar="SECONDS", callback=finite, show_default="end of the clip",
        rich_help_panel=_AUDIO, help="End of the region that starts at --from.",
    ),
]  # fmt: skip
Shots = Annotated[
    str | None,
    typer.Option(
        "--shots", metavar="auto|LIST.CSV", show_default=False, rich_help_panel=_AUDIO,
        help="Generate audio for every shot by itself, with its own caption, and crossfade them at "
        "the cuts: auto finds the cuts, a list has the columns from, to, prompt and veto. "
        "`seehear shots` writes such a list.",
    ),
]  # fmt: skip
Lufs = Annotated[
    str | None,
    typer.Option(
        "--lufs", metavar="LUFS|off", show_default="the preset's, -23", rich_help_panel=_AUDIO,
        help="Integrated loudness of the audio by EBU R128. The true peak is at most -1 dBTP, so "
        "audio with high peaks can be quieter. off: no loudness normalisation.",
    ),
]  # fmt: skip
Models = Annotated[
    ModelsName,
    typer.Option(
        "--models", rich_help_panel=_MODELS,
        help="Model family. pocket is part of the package and runs on any laptop; paper "
        "(AudioLDM, AnimateDiff and ImageBind) must be downloaded first and is slow without a GPU.",
    ),
]  # fmt: skip
AudioOption = Annotated[
    str | None,
    typer.Option(
        "--audio", metavar="NAME|FOLDER|MODEL_ID", show_default=False, rich_help_panel=_MODELS,
        help="Another audio model in AudioLDM's format: a name of `seehear models list`, a folder, "
        "or a model ID on the Hugging Face Hub.",
    ),
]  # fmt: skip
BinderOption = Annotated[
    Path | None,
    typer.Option(
        "--binder", metavar="NAME|NAME=PATH|PATH", show_default=False, rich_help_panel=_MODELS,
        help="Binder, the model that embeds audio, images and text: a name, NAME=PATH, or a file "
        "or folder with its weights. --models paper needs this option unless `seehear models pull "
        "imagebind` has downloaded the weights.",
    ),
]  # fmt: skip
BackboneOption = Annotated[
    str | None,
    typer.Option(
        "--backbone", metavar="NAME[=PATH]", show_default=False, rich_help_panel=_MODELS,
        help="Generate with a joint model of audio and video, such as mm-diffusion or "
        "mm-diffusion=Landscape.pt, instead of the separate audio or video model.",
    ),
]  # fmt: skip
Like = Annotated[
    str | None,
    typer.Option(
        "--like", metavar="FILE", show_default=False, rich_help_panel=_GENERATION,
        help="An audio file, an image or a video that the output should resemble.",
    ),
]  # fmt: skip
Count = Annotated[
    int,
    typer.Option(
        "--count", "-n", min=1, max=MAX_COUNT, metavar="NUMBER", rich_help_panel=_OUTPUT,
        help="Number of outputs, with the seeds SEED, SEED + 1 ...; --output is then a folder.",
    ),
]  # fmt: skip
Takes = Annotated[
    int,
    typer.Option(
        "--takes", min=1, max=MAX_TAKES, metavar="NUMBER", rich_help_panel=_OUTPUT,
        help="Number of outputs for each input, with the seeds SEED, SEED + 1 ... The seed is "
        "added to the name of each output, as in out_seed_3.mp4. They are listed by the agreement "
        "of audio and video, as the binder measures it, the best first.",
    ),
]  # fmt: skip
Device = Annotated[
    str,
    typer.Option(
        "--device", rich_help_panel=_MODELS, help="PyTorch device: cpu, cuda, cuda:1, mps ..."
    ),
]
Dtype = Annotated[
    DtypeName,
    typer.Option(
        "--dtype", rich_help_panel=_MODELS,
        help="Data type of the networks; bfloat16 halves the memory of weights and activations. On "
        "a CPU without bfloat16 instructions it saves no time.",
    ),
]  # fmt: skip
LatentEncodersOption = Annotated[
    str | None,
    typer.Option(
        "--latent-encoders", metavar="FOLDER", rich_help_panel=_MODELS,
        show_default=False,
        help="Folder with the encoders of noisy latents that `seehear distill` wrote for these "
        "models. Only the preset fast uses them.",
    ),
]  # fmt: skip
CaptionerOption = Annotated[
    str | None,
    typer.Option(
        "--captioner", metavar="NAME|FOLDER|MODEL_ID", rich_help_panel=_MODELS,
        show_default="the binder selects the best concept of a fixed list",
        help="Model that writes the prompt if --prompt is not set: blip or qwen3-vl for images and "
        "video, qwen2-audio for audio, a folder, or a model ID on the Hugging Face Hub. See "
        "`seehear models list`.",
    ),
]  # fmt: skip
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory", metavar="auto|GB", show_default="no limit", rich_help_panel=_MODELS,
        help="For --models paper and the presets paper-*: limit in GB for the estimated memory; "
        "auto: three quarters of the free memory. Enables bfloat16, activation checkpointing and "
        "CPU offloading as needed. "
        "`seehear doctor --models paper` prints the memory needed.",
    ),
]  # fmt: skip
Commercial = Annotated[
    bool,
    typer.Option(
        "--commercial", rich_help_panel=_MODELS,
        help="Refuse models whose licence forbids commercial use or is unknown.",
    ),
]  # fmt: skip
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", min=1, max=MAX_THREADS, metavar="NUMBER", show_default="PyTorch's choice",
        rich_help_panel=_MODELS,
        help="Number of CPU threads. Use the same number to reproduce outputs bit for bit.",
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
        "--duration", "-d", metavar="SECONDS", callback=finite, rich_help_panel=_AUDIO,
        help="Duration of the audio, 0.1 to 600.",
    ),
]  # fmt: skip
FramesSync = Annotated[
    float | None,
    typer.Option(
        "--sync", min=0.0, metavar="WEIGHT", callback=finite, show_default="the preset's, 0",
        rich_help_panel=_VIDEO,
        help="Weight of the loss that aligns motion onsets with audio onsets; 0.5 works well. With "
        "a weight above 0, every guided step decodes all frames instead of a few, which is slower, "
        "and the latents are also shifted in time early in the run.",
    ),
]  # fmt: skip
Upscale = Annotated[
    int | None,
    typer.Option(
        "--upscale", min=1, max=16, metavar="TIMES", rich_help_panel=_OUTPUT,
        show_default="4 if frames are smaller than 128 pixels, else 1",
        help="Upscale saved frames by this factor (the pocket model generates 128 x 128 pixels). "
        "Lanczos resampling adds no detail. The manifest and the metadata of the output record the "
        "factor.",
    ),
]  # fmt: skip
Previews = Annotated[
    Path | None,
    typer.Option(
        "--previews", metavar="FOLDER", show_default=False, rich_help_panel=_OUTPUT,
        help="Write preview images to this folder every five steps.",
    ),
]  # fmt: skip
VideoOption = Annotated[
    str | None,
    typer.Option(
        "--video", metavar="NAME|FOLDER|MODEL_ID", show_default=False, rich_help_panel=_MODELS,
        help="Another image or video model in Stable Diffusion 1.5's or AnimateDiff's format: a "
        "name of `seehear models list`, a folder, or a model ID on the Hugging Face Hub.",
    ),
]  # fmt: skip
MotionOption = Annotated[
    str | None,
    typer.Option(
        "--motion", metavar="NAME|FOLDER|MODEL_ID", show_default=False, rich_help_panel=_MODELS,
        help="A motion adapter for --video: a name of `seehear models list`, a folder, or a model "
        "ID on the Hugging Face Hub.",
    ),
]  # fmt: skip
MaxAudioDuration = Annotated[
    float,
    typer.Option(
        "--max-duration", min=0.1, metavar="SECONDS", rich_help_panel=_MODELS,
        help="Refuse audio that is longer than this.",
    ),
]  # fmt: skip
Negative = Annotated[
    str | None,
    typer.Option(
        "--negative", metavar="TEXT", show_default=False, rich_help_panel=_GENERATION,
        help="Negative prompt: what the output should not contain, such as 'music, speech'.",
    ),
]  # fmt: skip
LikeStrength = Annotated[
    float,
    typer.Option(
        "--like-strength", min=0.0, max=0.99, metavar="FRACTION", callback=finite,
        rich_help_panel=_AUDIO,
        help="Start from the recording of --like instead of from noise, and skip this fraction of "
        "the steps. 0: start from noise. The higher, the more of the recording is kept.",
    ),
]  # fmt: skip
Veto = Annotated[
    str | None,
    typer.Option(
        "--veto", metavar="TEXT|FILE", show_default=False, rich_help_panel=_GENERATION,
        help="What guidance should avoid: text, or an audio file, an image or a video. Models "
        "without prompts support it too.",
    ),
]  # fmt: skip
AudioPrompt = Annotated[
    str | None,
    typer.Option(
        "--audio-prompt", show_default="the prompt", rich_help_panel=_AUDIO,
        help="Prompt for the audio, if it differs from PROMPT.",
    ),
]  # fmt: skip
VideoPrompt = Annotated[
    str | None,
    typer.Option(
        "--video-prompt", show_default="the prompt", rich_help_panel=_VIDEO,
        help="Prompt for the video, if it differs from PROMPT.",
    ),
]  # fmt: skip
JointDuration = Annotated[
    float | None,
    typer.Option(
        "--duration", "-d", metavar="SECONDS", callback=finite, rich_help_panel=_OUTPUT,
        show_default="the video model's length",
        help="Duration of audio and video, 0.1 to 600.",
    ),
]  # fmt: skip
JointSync = Annotated[
    float | None,
    typer.Option(
        "--sync", min=0.0, metavar="WEIGHT", callback=finite, show_default="the preset's, 0",
        rich_help_panel=_VIDEO,
        help="Weight of the loss that aligns audio onsets with motion onsets; 0.5 works well. With "
        "a weight above 0, every guided step decodes all frames instead of a few, which is slower. "
        "At three steps of the run, the audio latents are also shifted in time.",
    ),
]  # fmt: skip
