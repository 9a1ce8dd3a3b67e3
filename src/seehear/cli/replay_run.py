"""Generate an output again from its manifest, and list what differs if the samples differ."""

import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import typer

from seehear.cli.console import out
from seehear.cli.load_models import check_device
from seehear.cli.paths import check_target, pair_outputs
from seehear.cli.progress import step_progress
from seehear.errors import SettingsError
from seehear.media.track import Track
from seehear.models.foreign import foreign_models
from seehear.models.load_options import LoadOptions
from seehear.pipeline.manifest import locate_input, read_manifest
from seehear.pipeline.replay import differences, hashes_of, recorded_job, unreadable
from seehear.pipeline.run_request import recorded_track, save_output
from seehear.pipeline.studio import load_studio
from seehear.pipeline.task import TASKS


def replayed(
    manifest_path: Path,
    output: str | None,
    *,
    threads: int | None = None,
    device: str | None = None,
    is_trusted: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> int:
    """Run `seehear replay`.

    Returns:
        0 if the samples are the same, bit for bit; 1 if they differ.

    Raises:
        SettingsError: Not a manifest of a run, or one that this version cannot read.
        MediaError: The input is missing or has changed, or the output cannot be written.
        WeightsError: The models cannot be loaded.
    """
    record = read_manifest(manifest_path)
    if record["task"] not in TASKS:
        raise SettingsError(
            f"{manifest_path}: expected a run of {', '.join(TASKS)}, got {record['task']!r:.60}"
        )
    task = TASKS[record["task"]]
    if not record["inputs"] and task.reads_file:
        raise SettingsError(
            f"{manifest_path}: expected a run with an input file, got one with arrays in Python; "
            "repeat it in Python"
        )
    compared = hashes_of(record, manifest_path)
    track = _recorded_track(record, manifest_path)
    load_options = _load_options(record, manifest_path, device)
    if not is_trusted:
        _ask_about_models(load_options, manifest_path)
    source = manifest_path
    has_input = task.reads_file or (task.input_kind == "reference" and bool(record["inputs"]))
    if has_input:
        source = locate_input(record["inputs"][0], manifest_path)
    target = None
    if output is not None:
        (pair,) = pair_outputs([source], output, task.suffix_for)
        check_target(pair, task.writes, overwrite=overwrite)
        track.check(pair.target.suffix)
        target = pair.target

    input_path = source if has_input else None
    # The number of threads changes the order of summation, and so the bits.
    torch.set_num_threads(threads or record["versions"].get("threads") or torch.get_num_threads())
    studio = load_studio(load_options)
    began = time.perf_counter()
    with step_progress(source.name, quiet) as on_step:
        result = studio.make(recorded_job(studio, record, input_path, manifest_path), on_step)
    took_s = time.perf_counter() - began
    if target is not None:
        save_output(
            result,
            target,
            track=track,
            is_reencoded=bool(record["settings"].get("reencode")),
            upscale=int(record.get("upscale", {}).get("factor", 1)),
        )
    new_record = result.manifest()
    differing = list(differences(record, new_record))
    is_same = all(new_record[name] == record[name] for name in compared)
    if not quiet or not is_same:
        what = "samples" if compared == ["samples_sha256"] else "media"
        verdict = f"same {what}, bit for bit" if is_same else f"the {what} differ"
        out.print(
            f"{manifest_path}: {verdict} ({result.duration_s:.2f} s, generated in {took_s:.1f} s)"
        )
        for line in differing:
            out.print(f"  {line}")
        if not is_same and not differing:
            out.print("  versions, weights and threads are the same; the machine may differ")
    return 0 if is_same else 1


def _recorded_track(record: Mapping[str, Any], manifest_path: Path) -> Track:
    try:
        return recorded_track(record["settings"])
    except TypeError as error:
        raise unreadable(manifest_path, error) from error


def _ask_about_models(options: LoadOptions, manifest_path: Path) -> None:
    """Ask before models are downloaded or opened that only the manifest names."""
    foreign = foreign_models(options)
    if not foreign:
        return
    named = ", ".join(foreign)
    if not sys.stdin.isatty():
        raise SettingsError(
            f"{manifest_path}: names models that are not part of this package and not in your "
            f"cache ({named:.300}); pass --yes if you trust the manifest"
        )
    if not typer.confirm(f"{manifest_path} loads {named}. Load it?", default=False, err=True):
        raise SettingsError(f"{manifest_path}: not replayed, because its models are not trusted")


def _load_options(
    record: Mapping[str, Any], manifest_path: Path, device: str | None
) -> LoadOptions:
    """The models that a manifest records, but not the captioner: its caption is recorded."""
    try:
        loaded = {**record["settings"].get("loaded", {}), "captioner": None}
        options = LoadOptions.from_json(record["settings"]["models"], loaded)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise unreadable(manifest_path, error) from error
    options = replace(options, device=device or options.device)
    check_device(options.device)
    return options
