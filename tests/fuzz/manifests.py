"""Mutations of a manifest for everything that reads one without a model."""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.fuzz.mutate import mutated_json

from seehear.pipeline.manifest import read_manifest
from seehear.pipeline.replay import hashes_of, recorded_preset
from seehear.report.page import write_page
from seehear.report.runs import read_run
from seehear.web.requests import ReplayRequest

PAGE_EVERY = 20  # the plots of a page take seconds
GOOD = Path(__file__).parents[1] / "data" / "version_0.1.0" / "bell.json"


def cases(seed: int) -> Iterator[bytes]:
    """Mutated manifests."""
    rng, good = Random(seed), json.loads(GOOD.read_text())
    while True:
        yield mutated_json(good, rng)


def check(data: bytes, folder: Path) -> None:
    """Read a manifest as `replay`, `report` and the page do."""
    path = folder / "a.json"
    path.write_bytes(data)
    use(path, folder / "page.html", with_page=zlib.crc32(data) % PAGE_EVERY == 0)


def use(path: Path, page: Path, *, with_page: bool = True) -> None:
    """Everything that reads a manifest without a model."""
    record = read_manifest(path)
    run = read_run(path)
    if with_page:
        write_page(run, page)
    hashes_of(record, path)
    recorded_preset(record, path)
    ReplayRequest(record=record, input_file=None)
