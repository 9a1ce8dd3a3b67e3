"""Read a run from its manifest and locate its media."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from seehear.errors import MediaError, SettingsError
from seehear.guidance.aligner import StepTrace
from seehear.pipeline.manifest import locate_input, read_manifest
from seehear.pipeline.result import file_sha256
from seehear.pipeline.task import TASKS

_TRACE = TypeAdapter(tuple[StepTrace, ...])


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run with the media that still exist."""

    path: Path  # of the manifest
    record: Mapping[str, Any]  # content of the manifest
    steps: tuple[StepTrace, ...]  # trace; empty if the manifest has none
    output: Path | None  # generated file, in the folder of the manifest
    input: Path | None  # input file
    notes: tuple[str, ...]  # sentences about missing or changed files

    @property
    def name(self) -> str:
        """The name of the generated file, or else of the manifest."""
        return self.output.name if self.output else self.path.name

    @property
    def duration_s(self) -> float | None:
        """Duration of the output in seconds; None for an image."""
        task = TASKS.get(self.record["task"])
        value = None if task is not None and task.makes_still else self.record.get("duration_s")
        return float(value) if isinstance(value, int | float) else None

    @property
    def losses(self) -> tuple[float, ...]:
        """Total loss at every guided step, before the update."""
        return tuple(sum(step.losses.values()) for step in self.steps if step.losses)

    @property
    def final_loss(self) -> float | None:
        """Last value of `losses`; None for a run without guidance."""
        return self.losses[-1] if self.losses else None

    @property
    def seconds(self) -> float | None:
        """Time of all steps; None if the manifest has no times, as in a batch."""
        return sum(step.seconds for step in self.steps) or None


def read_run(path: str | Path) -> Run:
    """Read a manifest and locate its media.

    Missing or changed media are not an error. They are listed in `notes`.

    Raises:
        SettingsError: Not a manifest, or a trace in another format.
    """
    path = Path(path)
    record = read_manifest(path)
    notes: list[str] = []
    steps = _steps(path, record.get("trace") or ())
    if not steps:
        notes.append("The manifest has no trace, so the page has no losses, norms and times.")
    return Run(
        path=path,
        record=record,
        steps=steps,
        output=_output(path, record, notes),
        input=_input(path, record, notes),
        notes=tuple(notes),
    )


def read_runs(paths: Sequence[str | Path]) -> tuple[list[Run], list[str]]:
    """Read manifests from files and folders.

    Args:
        paths: Manifests, or folders. Other JSON files in folders are skipped.

    Returns:
        The runs without duplicates, and a message for every skipped file.

    Raises:
        SettingsError: A file is not a manifest, a folder has none, or a path does not exist.
    """
    runs: dict[Path, Run] = {}
    skipped: list[str] = []
    for path in map(Path, paths):
        if not path.is_dir():
            runs[path.absolute()] = read_run(path)
            continue
        found = 0
        for child in sorted(path.glob("*.json")):
            try:
                runs[child.absolute()] = read_run(child)
                found += 1
            except SettingsError as error:
                skipped.append(str(error))
        if not found:
            raise SettingsError(
                f"{path}: expected a folder with manifests (the .json files next to seehear's "
                "outputs), got none"
            )
    return list(runs.values()), skipped


def _steps(path: Path, trace: Any) -> tuple[StepTrace, ...]:
    """Parse the trace. The JSON strings "nan" and "inf" become numbers."""
    try:
        return _TRACE.validate_python(trace)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place, problem = ".".join(map(str, first["loc"])), first["msg"].lower()
        raise SettingsError(
            f"{path}: expected a trace as written by seehear ({place}: {problem:.200}); the file "
            "was truncated or edited"
        ) from error


def _output(path: Path, record: Mapping[str, Any], notes: list[str]) -> Path | None:
    """The output file. Only its name is used, in the folder of the manifest."""
    for entry in record["outputs"]:
        name = Path(str(entry.get("file", ""))).name if isinstance(entry, Mapping) else ""
        found = path.parent / name
        if not name or not found.is_file():
            notes.append(
                f"{name or 'The output'} is not in the folder of the manifest and is not shown."
            )
            continue
        if entry.get("sha256") != file_sha256(found):
            notes.append(f"{name} has changed since the manifest was written.")
        return found
    if not record["outputs"]:
        notes.append("The manifest lists no output: the run was not saved to a file.")
    return None


def _input(path: Path, record: Mapping[str, Any], notes: list[str]) -> Path | None:
    for entry in record["inputs"]:
        try:
            return locate_input(entry, path)
        except (MediaError, OSError) as error:
            notes.append(f"The input is not shown: {error}.")
    return None
