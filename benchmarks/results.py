"""Raw results with their provenance, and the tables written from them."""

import json
import platform
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

import seehear
from seehear.hashes import file_sha256
from seehear.metrics.frechet import frechet_distance
from seehear.metrics.intervals import bootstrap_interval
from seehear.models.shipped import POCKET
from seehear.pipeline.presets import Preset, with_overrides

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "results"


def weights_version() -> str:
    """Eight digits that change whenever a weight file of the pocket family changes."""
    return file_sha256(POCKET / "SHA256SUMS")[:8]


def provenance() -> dict[str, object]:
    """Versions, weights and machine."""
    return {
        "weights": weights_version(),
        "seehear": seehear.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
    }


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(map(str, line)) + " |" for line in (header, *rows)]
    lines.insert(1, "|" + " --- |" * len(header))
    return "\n".join(lines) + "\n"


def interval(ends: Sequence[float], digits: int = 2) -> str:
    """An interval as text for tables."""
    return f"[{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]"


def around(value: float, ends: Sequence[float], digits: int = 2) -> str:
    """A value and its interval, which is omitted if it does not contain the value."""
    text = f"{value:.{digits}f}"
    return f"{text} {interval(ends, digits)}" if ends[0] <= value <= ends[1] else text


def distance(real: Tensor, made: Tensor) -> dict:
    """Fréchet distance of two sets of features [n, dim] with its interval, as parts of a cell."""
    found = float(frechet_distance(real, made))
    ends = bootstrap_interval(
        lambda i: float(frechet_distance(real, made[i])), len(made), around=found
    )
    return {"frechet": found, "frechet_95": ends}


# For tables with seconds per output.
TIMES_NOTE = "Times were taken on one thread beside other work and are orders of magnitude. "


def write(name: str, title: str, raw: dict, text: str, *, of_pocket: bool = True) -> None:
    """Save docs/results/<name>.json (raw, with provenance) and <name>.md (the tables).

    `of_pocket`: whether the results depend on the weights of the pocket family.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    raw = raw | {"provenance": provenance()}
    (FOLDER / f"{name}.json").write_text(json.dumps(raw, indent=1) + "\n")
    weights = f" with the weights `{weights_version()}`" if of_pocket else ""
    note = f"Written by `python -m benchmarks.{name}`{weights}; raw numbers in `{name}.json`.\n"
    (FOLDER / f"{name}.md").write_text(f"# {title}\n\n{text}\n{note}")
    print(text)


def saved(name: str, count: int | None) -> dict:
    """Saved raw results, or {} if they were taken with other weights or another count.

    Args:
        name: Of the benchmark.
        count: Number of scenes; None if every part of the results has its own.
    """
    path = FOLDER / f"{name}.json"
    raw = json.loads(path.read_text()) if path.exists() else {}
    found = raw.get("provenance", {}).get("weights"), raw.get("count")
    return raw if found == (weights_version(), count) else {}


def trial(preset: Preset, changes: list[str]) -> Preset:
    """A preset with FIELD=VALUE changes."""
    fields = {}
    for change in changes:
        key, value = change.split("=")
        if key == "weights":
            preset = replace(preset, weights=tuple(float(v) for v in value.split(",")))
        elif key == "guidance_scale":
            settings = replace(preset.settings, guidance_scale=float(value))
            preset = replace(preset, settings=settings)
        elif key == "views":
            preset = replace(
                preset, image_augmentation=replace(preset.image_augmentation, per_step=int(value))
            )
        elif key == "num_steps":
            preset = with_overrides(preset, int(value))
        else:
            fields[key] = json.loads(value) if value[0] in "-.0123456789tfn" else value
    return with_overrides(preset, None, **fields) if fields else preset
