"""Make an output again from its manifest, and say what differs if the samples do."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from seehear.cli.batch import TASKS, check_device, save
from seehear.cli.files import check_target, errands
from seehear.cli.show import out, step_progress
from seehear.errors import SettingsError
from seehear.given import FRAMES_PER_S
from seehear.media import read_image, read_video
from seehear.outputs import locate_input, read_manifest
from seehear.tasks import Job, Studio, load, preset_from_plain


def replayed(
    manifest_path: Path,
    output: str | None,
    *,
    threads: int | None = None,
    device: str | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> int:
    """Do `seehear replay`.

    Returns:
        0 if the samples are the same, bit for bit; 1 if they differ.

    Raises:
        SettingsError: Not a manifest of v2a or i2a, or one that this version cannot read.
        MediaError: The input is gone or has changed, or the output cannot be written.
        WeightsError: The models cannot be loaded.
    """
    record = read_manifest(manifest_path)
    if record["task"] not in TASKS:
        raise SettingsError(
            f"{manifest_path}: expected a run of {' or '.join(TASKS)}, got {record['task']!r}"
        )
    if not record["inputs"]:
        raise SettingsError(
            f"{manifest_path}: was made from arrays in Python, so there is no file to start from"
        )
    if not record.get("samples_sha256"):
        raise SettingsError(f"{manifest_path}: has no samples_sha256, so nothing to compare with")
    source = locate_input(record["inputs"][0], manifest_path)
    target = None
    if output is not None:
        task = TASKS[record["task"]]
        (errand,) = errands([source], output, task.suffix_for)
        check_target(errand, task.allowed, overwrite=overwrite)
        target = errand.target

    # How many threads share a sum changes the order of its terms, so the bits.
    torch.set_num_threads(threads or record["versions"].get("threads") or torch.get_num_threads())
    studio = _studio(record, manifest_path, device)
    began = time.perf_counter()
    with step_progress(source.name, quiet) as on_step:
        result = studio.make(_job(studio, record, source, manifest_path), on_step)
    took_s = time.perf_counter() - began
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        save(result, target, is_mix=bool(record["settings"].get("mix")))
    again = result.manifest()
    differing = list(differences(record, again))
    is_same = again["samples_sha256"] == record["samples_sha256"]
    if not quiet or not is_same:
        verdict = "same samples, bit for bit" if is_same else "the samples differ"
        out.print(f"{manifest_path}: {verdict} ({result.duration_s:.2f} s, made in {took_s:.1f} s)")
        for line in differing:
            out.print(f"  {line}")
        if not is_same and not differing:
            out.print("  versions, weights and threads are the same; is it another machine?")
    return 0 if is_same else 1


def _studio(record: Mapping[str, Any], manifest_path: Path, device: str | None) -> Studio:
    """Load the models that a manifest tells of."""
    try:
        options = dict(record["settings"].get("loaded", {}))
        options["dtype"] = getattr(torch, options.get("dtype", "float32"))
        options["device"] = device or options.get("device", "cpu")
        models = record["settings"]["models"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(manifest_path, error) from error
    check_device(options["device"])
    return load(models, **options)


def _job(studio: Studio, record: Mapping[str, Any], source: Path, manifest_path: Path) -> Job:
    """The job of a manifest. Its caption is used as it was found, not looked up again."""
    try:
        preset = preset_from_plain(record["settings"]["preset"])
        duration_s = float(record["settings"]["duration_s"])
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(manifest_path, error) from error
    prompt, seed = record.get("caption") or "", record["seed"]
    if record["task"] == "i2a":
        return studio.image_job(read_image(source), duration_s, prompt, seed, preset)
    video = read_video(source, frames_per_s=FRAMES_PER_S, max_duration_s=float("inf"))
    return studio.video_job(video, prompt, seed, preset)


def _unreadable(manifest_path: Path, error: Exception) -> SettingsError:
    return SettingsError(
        f"{manifest_path}: its settings are not such as this version of seehear writes "
        f"({type(error).__name__}: {error}); replay it with the version that wrote it"
    )


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Which versions, threads and weights two manifests do not share, a line each."""
    for name in sorted(old["versions"].keys() | new["versions"].keys()):
        before, now = old["versions"].get(name), new["versions"].get(name)
        if before != now:
            yield f"{name}: was {before}, is {now}"
    before_of, now_of = (
        {entry["name"]: entry.get("sha256") for entry in record["weights"]} for record in (old, new)
    )
    for name in sorted(before_of.keys() | now_of.keys()):
        before, now = before_of.get(name), now_of.get(name)
        if before != now:
            yield f"weights {name}: sha256 was {_short(before)}, is {_short(now)}"


def _short(sha256: str | None) -> str:
    return "none" if sha256 is None else sha256[:12]
