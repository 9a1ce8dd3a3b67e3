"""Input and output paths of a command, checked before anything is computed."""

import glob
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seehear.errors import MediaError, SeehearError
from seehear.media.folders import check_folder_of, check_name


@dataclass(frozen=True)
class OutputPaths:
    """The paths of one output."""

    target: Path

    @property
    def manifest(self) -> Path:
        """The JSON file beside the target."""
        return self.target.with_suffix(".json")

    @property
    def page(self) -> Path:
        """The report beside the target, for --report."""
        return self.target.with_suffix(".html")

    @property
    def markers(self) -> Path:
        """The label track beside the target, for --markers."""
        return self.target.with_name(f"{self.target.stem}_markers.txt")

    @property
    def written(self) -> tuple[Path, ...]:
        """All of them, for messages."""
        return self.target, self.manifest, self.page, self.markers


@dataclass(frozen=True)
class InputOutput(OutputPaths):
    """One input and the paths of its output."""

    source: Path
    seed: int | None = None  # of a take; None: the request's

    def take(self, seed: int) -> "InputOutput":
        """The paths of one of several outputs, which is named after its seed."""
        name = f"{self.target.stem}_seed_{seed}{self.target.suffix}"
        return replace(self, target=self.target.with_name(name), seed=seed)


def expand_inputs(
    inputs: Sequence[str], suffixes: frozenset[str], on_error: Callable[[SeehearError], None]
) -> list[Path]:
    """Expand files, folders and patterns to a list of files in order, without duplicates.

    Args:
        inputs: Files, folders (their direct children with one of `suffixes`) and patterns.
        suffixes: In lower case, with the dot.
        on_error: Called with the error of every input that matches no file.
    """
    found: dict[Path, None] = {}
    for text in inputs:
        path = Path(text)
        if not text:  # to the system, no path is the current folder
            on_error(MediaError("expected the path of an input, got an empty one"))
        elif path.is_dir():
            children = sorted(
                child
                for child in path.iterdir()
                if child.suffix.lower() in suffixes and child.is_file() and child.name[0] != "."
            )
            if not children:
                kinds = ", ".join(sorted(suffixes))
                on_error(MediaError(f"{path}: the folder holds no file of these kinds: {kinds}"))
            found |= dict.fromkeys(children)
        elif not path.exists() and glob.has_magic(text):
            matches = sorted(Path(match) for match in glob.glob(text, recursive=True))
            matches = [match for match in matches if match.is_file()]
            if not matches:
                on_error(MediaError(f"{text}: no file matches this pattern; check it"))
            found |= dict.fromkeys(matches)
        else:
            found[path] = None  # if it is missing, the reader reports it
    return list(found)


def pair_outputs(
    sources: Sequence[Path], output: str, suffix_for: Callable[[Path], str]
) -> list[InputOutput]:
    """Pair every source with its output.

    Args:
        sources: Files to read.
        output: For one source a file. A folder for any number: one that exists, or a name that
            ends with a slash or has no suffix.
        suffix_for: The suffix of the output for a source, if `output` is a folder.

    Raises:
        MediaError: An empty output, one file for several sources, two sources with the same
            output, or the folder of the file is missing.
    """
    if not output:
        raise MediaError("expected the path of an output after -o, got an empty one")
    path = Path(output)
    check_name(path)
    if not (path.is_dir() or output.endswith(("/", os.sep)) or not path.suffix):
        if len(sources) > 1:
            raise MediaError(
                f"{output}: expected a folder for {len(sources)} inputs, got the name of a file; "
                "end the name with / to create a folder"
            )
        check_folder_of(path)
        return [InputOutput(path, source) for source in sources]
    owners: dict[str, Path] = {}
    for source in sources:
        other = owners.setdefault(source.stem.casefold(), source)
        if other is not source:
            raise MediaError(
                f"{source} and {other} would both be written as {path / source.stem}; "
                "write them to different folders"
            )
    return [InputOutput(path / (s.stem + suffix_for(s)), s) for s in sources]


def check_target(
    paths: OutputPaths,
    allowed: Iterable[str],
    *,
    overwrite: bool,
    beside: Iterable[Path] = (),
) -> None:
    """Refuse an output that could not be written, before anything is computed.

    Args:
        paths: The output.
        allowed: Suffixes of the target.
        overwrite: Whether files may be replaced.
        beside: What else is written, besides the target and the manifest.

    Raises:
        MediaError: Another suffix, a folder that is missing or not writable, the input itself, or
            a file that exists and may not be replaced.
    """
    target = paths.target
    source = paths.source if isinstance(paths, InputOutput) else None
    if target.suffix.lower() not in allowed:
        folders = "" if source is None else ", or end the name with / for a folder"
        raise MediaError(
            f"{target}: cannot write {target.suffix or 'a file without suffix'!r} here; choose "
            f"one of {', '.join(allowed)}{folders}"
        )
    for path in (target, paths.manifest, *beside):
        if not path.exists():
            continue
        if path.is_dir():
            raise MediaError(f"{path}: expected the name of a file to write, got a folder")
        if source is not None and source.exists() and path.samefile(source):
            raise MediaError(f"{path}: is the input itself; choose another name for the output")
        if not overwrite:
            raise MediaError(f"{path}: exists already; choose another name or give --overwrite")
    folder = target.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise MediaError(f"{target}: cannot be written in {folder}; choose another folder")


def check_page(path: Path, *, overwrite: bool) -> None:
    """Refuse an HTML page that could not be written.

    Raises:
        MediaError: Another suffix, or a file that exists and may not be replaced.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise MediaError(f"{path}: expected the name of a page to write, such as report.html")
    check_new_file(path, overwrite=overwrite)


def check_new_file(path: Path, *, overwrite: bool) -> None:
    """Raise MediaError if a file exists and may not be replaced."""
    if path.exists() and not overwrite:
        raise MediaError(f"{path}: exists already; choose another name or give --overwrite")
