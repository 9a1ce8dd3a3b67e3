"""The options of a command as one value, and the table that defines them.

A new option is a declaration in `seehear.cli.options`, a row here, and a field of the settings
that it belongs to.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import typer

from seehear.cli import options as declared
from seehear.models.load_options import LoadOptions
from seehear.pipeline.request import Request
from seehear.pipeline.task import TASKS, Task


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Where outputs go and what is written beside them."""

    suffix: str | None = None  # of outputs in a folder; None: the task's
    report: bool = False  # an HTML page beside every output, and a gallery of several
    previews: Path | None = None  # folder for preview images
    overwrite: bool = False
    markers: bool = False  # a label track beside every output
    dry_run: bool = False
    count: int = 1  # outputs of each input, with consecutive seeds
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """All options of a command."""

    request: Request  # without its source
    load: LoadOptions = field(default_factory=LoadOptions)
    output: OutputOptions = field(default_factory=OutputOptions)
    threads: int | None = None  # None: PyTorch decides
    memory: str | None = None  # "auto" or gigabytes; None: no limit


@dataclass(frozen=True)
class Row:
    """One option: the parameter of a command, and the field that holds its value."""

    name: str
    part: Literal["request", "load", "output", "run"]
    option: Any  # an annotation of `seehear.cli.options`
    default: Any = None
    field: str = ""  # empty: the parameter's name

    @property
    def target(self) -> str:
        """The field's name."""
        return self.field or self.name


def rows_for(task: Task) -> tuple[Row, ...]:
    """The options of a task's command, in the order of its help text."""
    is_joint = task.makes_audio and task.makes_video
    is_text, makes_video = not task.reads_file, task.makes_video
    max_duration = declared.MaxAudioDuration if task.input_kind == "audio" else declared.MaxDuration
    sync = declared.Sync if not makes_video else declared.FramesSync
    rows: list[tuple[bool, Row]] = [
        (is_text, Row("audio_prompt", "request", declared.AudioPrompt)),
        (is_text, Row("video_prompt", "request", declared.VideoPrompt)),
        (is_text, Row("duration", "request", declared.JointDuration, None, "duration_s")),
        (
            task.has_duration and not is_text,
            Row("duration", "request", declared.Duration, 4.0, "duration_s"),
        ),
        (not is_text, Row("prompt", "request", declared.prompt_option(task))),
        (not is_text, Row("no_prompt", "request", declared.no_prompt_option(task), False)),
        (True, Row("negative", "request", declared.Negative)),
        (True, Row("veto", "request", declared.Veto)),
        (True, Row("like", "request", declared.Like)),
        (
            task.makes_audio and not makes_video,
            Row("like_strength", "request", declared.LikeStrength, 0.0),
        ),
        (True, Row("seed", "request", declared.Seed, 0)),
        (True, Row("steps", "request", declared.Steps)),
        (True, Row("preset", "request", declared.preset_option(task), "default")),
        (True, Row("lr", "request", declared.Lr)),
        (
            not task.makes_still and task.input_kind != "image",
            Row("sync", "request", declared.JointSync if is_text else sync),
        ),
        (task.makes_audio, Row("lufs", "request", declared.Lufs)),
        (task.input_kind == "video", Row("start", "request", declared.From, None, "from_s")),
        (task.input_kind == "video", Row("end", "request", declared.To, None, "to_s")),
        (task.input_kind == "video", Row("shots", "request", declared.Shots)),
        (is_joint, Row("count", "output", declared.Count, 1)),
        (not is_text, Row("takes", "output", declared.Takes, 1, "count")),
        (not is_text, Row("suffix", "output", declared.suffix_option(task))),
        (task.input_kind == "video", Row("mix", "request", declared.Mix, False)),
        (task.input_kind == "video", Row("gain", "request", declared.Gain, 0.0)),
        (task.input_kind == "video", Row("duck", "request", declared.Duck, 0.0)),
        (not task.makes_still, Row("stereo", "request", declared.Stereo, False)),
        (not task.makes_still, Row("pcm", "request", declared.Pcm, False)),
        (task.input_kind == "video", Row("stems", "request", declared.Stems, False)),
        (task.makes_audio, Row("markers", "output", declared.Markers, False)),
        (
            task.makes_audio and not makes_video,
            Row("audio_rate", "request", declared.AudioRate),
        ),
        (task.input_kind == "video", Row("reencode", "request", declared.Reencode, False)),
        (makes_video, Row("upscale", "request", declared.Upscale)),
        (makes_video, Row("previews", "output", declared.Previews)),
        (
            True,
            Row("report", "output", declared.JointReport if is_text else declared.Report, False),
        ),
        (True, Row("overwrite", "output", declared.Overwrite, False)),
        (True, Row("dry_run", "output", declared.DryRun, False)),
        (True, Row("quiet", "output", declared.Quiet, False)),
        (True, Row("models", "load", declared.Models, "pocket")),
        (task.makes_audio, Row("audio", "load", declared.AudioOption)),
        (makes_video, Row("video", "load", declared.VideoOption)),
        (makes_video and not task.makes_still, Row("motion", "load", declared.MotionOption)),
        (True, Row("binder", "load", declared.BinderOption)),
        # A joint model generates videos and their audio: neither reads nor writes an image.
        (
            not (task.makes_still or task.input_kind == "image"),
            Row("backbone", "load", declared.BackboneOption),
        ),
        (True, Row("latent_encoders", "load", declared.LatentEncodersOption)),
        (True, Row("device", "load", declared.Device, "cpu")),
        (True, Row("dtype", "load", declared.Dtype, "float32")),
        (True, Row("threads", "run", declared.Threads)),
        (not is_text, Row("captioner", "load", declared.CaptionerOption)),
        (True, Row("commercial", "load", declared.Commercial, False)),
        (True, Row("memory", "run", declared.Memory)),
        (
            task.input_kind in ("video", "audio"),
            Row(
                "max_duration", "request", max_duration,
                60.0 if makes_video and not task.makes_still else 600.0, "max_duration_s",
            ),
        ),
    ]  # fmt: skip
    return tuple(row for applies, row in rows if applies)


def rows_named(names: Iterable[str], task: Task) -> tuple[Row, ...]:
    """The rows with these names, in this order, for a command without a task of its own."""
    every = {row.name: row for t in (*TASKS.values(), task) for row in rows_for(t)}
    return tuple(every[name] for name in names)


def run_options(task: str, rows: Iterable[Row], values: Mapping[str, Any]) -> RunOptions:
    """Put the values of a command's parameters into the settings that they belong to.

    Raises:
        typer.BadParameter: A prompt together with --no-prompt.
    """
    parts: dict[str, dict[str, Any]] = {"request": {}, "load": {}, "output": {}, "run": {}}
    for row in rows:
        parts[row.part][row.target] = values[row.name]
    request = parts["request"]
    if request.pop("no_prompt", False):
        if request["prompt"]:
            raise typer.BadParameter(
                "--prompt and --no-prompt exclude each other; give one of them"
            )
        request["prompt"] = ""
    return RunOptions(
        request=Request(task=TASKS[task].name, **request),
        load=LoadOptions(**parts["load"]),
        output=OutputOptions(**parts["output"]),
        **parts["run"],
    )


def with_options(rows: Iterable[Row], task: str | None = None) -> Callable[[Any], Any]:
    """Add the options of the rows to a command.

    The command has its own parameters and one called `options`, a `RunOptions`. Its parameter
    `task`, if it has one, decides the task; otherwise the argument of this function does.
    """
    rows = tuple(rows)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for n, p in inspect.signature(command).parameters.items() if n != "options"]

        def run(**values: Any) -> None:
            chosen = run_options(task or values["task"], rows, values)
            command(**{p.name: values[p.name] for p in own}, options=chosen)

        keyword = inspect.Parameter.KEYWORD_ONLY
        added = [
            inspect.Parameter(row.name, keyword, default=row.default, annotation=row.option)
            for row in rows
        ]
        every = [*(p.replace(kind=keyword) for p in own), *added]
        run.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in every}
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        return run

    return decorate
