"""What a run left behind: its manifest, the media beside it, and what is missing of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from seehear.errors import MediaError, SettingsError
from seehear.guidance.aligner import StepTrace
from seehear.pipeline.manifest import locate_input, read_manifest
from seehear.pipeline.result import file_sha256
from seehear.pipeline.task import TASKS


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run, as far as its files are still there."""

    path: Path  # of the manifest
    record: Mapping[str, Any]  # the manifest as it is
    steps: tuple[StepTrace, ...]  # its trace; empty where the manifest has none
    made: Path | None  # what was made, beside the manifest
    given: Path | None  # what it was made for
    notes: tuple[str, ...]  # what is missing or has changed, a sentence each

    @property
    def name(self) -> str:
        """What the run is called: the file that it made."""
        return self.made.name if self.made else self.path.name

    @property
    def duration_s(self) -> float | None:
        """How long what was made lasts, in seconds; None for a picture."""
        task = TASKS.get(self.record["task"])
        value = None if task is not None and task.makes_still else self.record.get("duration_s")
        return float(value) if isinstance(value, int | float) else None

    @property
    def losses(self) -> tuple[float, ...]:
        """The sum of all terms at every guided step, before its update."""
        return tuple(sum(step.losses.values()) for step in self.steps if step.losses)

    @property
    def final_loss(self) -> float | None:
        """The last of `losses`; None for a run without guidance."""
        return self.losses[-1] if self.losses else None

    @property
    def seconds(self) -> float | None:
        """How long all steps took; None where the manifest, as those of a batch, leaves it out."""
        return sum(step.seconds for step in self.steps) or None


def read_run(path: str | Path) -> Run:
    """Read a manifest and look for its media.

    Media that are gone or have changed are no error: the run's notes say so.

    Raises:
        SettingsError: Not a manifest, or its trace is not such as this version writes.
    """
    path = Path(path)
    record = read_manifest(path)
    notes: list[str] = []
    steps = _steps(path, record.get("trace") or ())
    if not steps:
        notes.append(
            "The manifest has no trace: the steps are not known, so no losses, norms and times."
        )
    return Run(
        path=path,
        record=record,
        steps=steps,
        made=_made(path, record, notes),
        given=_given(path, record, notes),
        notes=tuple(notes),
    )


def read_runs(paths: Sequence[str | Path]) -> tuple[list[Run], list[str]]:
    """Read manifests and the manifests in folders.

    Args:
        paths: Files, each of which must be a manifest; or folders, whose other JSON files are
            passed over.

    Returns:
        The runs, each once; and a sentence for every file that was passed over.

    Raises:
        SettingsError: A file is no manifest, a folder holds none, or nothing is at a path.
    """
    runs: dict[Path, Run] = {}
    passed_over: list[str] = []
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
                passed_over.append(str(error))
        if not found:
            raise SettingsError(
                f"{path}: the folder holds no manifest; expected the .json files that seehear "
                "writes beside what it makes"
            )
    return list(runs.values()), passed_over


def _steps(path: Path, trace: Any) -> tuple[StepTrace, ...]:
    """The trace as it was; the strings "nan" and "inf" of JSON become numbers again."""
    names = {field.name for field in fields(StepTrace)}
    try:
        return tuple(
            StepTrace(**{key: _numbers(value) for key, value in entry.items() if key in names})
            for entry in trace
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise SettingsError(
            f"{path}: its trace is not such as seehear writes ({error}); it was cut or edited"
        ) from error


def _numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): float(number) for name, number in value.items()}
    return value if isinstance(value, bool | int) else float(value)


def _made(path: Path, record: Mapping[str, Any], notes: list[str]) -> Path | None:
    """The file that the run wrote: a plain name, beside the manifest."""
    for entry in record["outputs"]:
        name = Path(str(entry.get("file", ""))).name if isinstance(entry, Mapping) else ""
        found = path.parent / name
        if not name or not found.is_file():
            notes.append(f"{name or 'Its output'} is not beside the manifest, so it is not shown.")
            continue
        if entry.get("sha256") != file_sha256(found):
            notes.append(f"{name} has changed since the manifest was written.")
        return found
    if not record["outputs"]:
        notes.append("The manifest names no output: the run was not saved to a file.")
    return None


def _given(path: Path, record: Mapping[str, Any], notes: list[str]) -> Path | None:
    for entry in record["inputs"]:
        try:
            return locate_input(entry, path)
        except (MediaError, OSError) as error:
            notes.append(f"What it was made for is not shown. {error}.")
    return None
