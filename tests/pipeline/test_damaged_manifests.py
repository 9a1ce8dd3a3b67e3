"""Manifests come from strangers: a damaged one gives a SeehearError and nothing else."""

import copy
import json
import random
from pathlib import Path

import pytest

from seehear.errors import SeehearError, SettingsError
from seehear.pipeline.manifest import read_manifest
from seehear.pipeline.replay import hashes_of, recorded_preset
from seehear.report.page import write_page
from seehear.report.runs import read_run
from seehear.web.requests import ReplayRequest

DATA = Path(__file__).parents[1] / "data"
GOOD = DATA / "version_0.1.0" / "bell.json"
VALUES = (
    None, True, -1, 0, 3, 10**30, 1e-308, 1e308, float("nan"), float("inf"), "", "x" * 300,
    "a" * 200_000, "\udcff", [], [[]], {}, {"x": 1}, "../../etc/passwd",
)  # fmt: skip


def use(path, page):
    """Everything that reads a manifest without a model."""
    record = read_manifest(path)
    write_page(read_run(path), page)
    hashes_of(record, path)
    recorded_preset(record, path)
    ReplayRequest(record=record, input_file=None)


def places(value, path=()):
    """Every place of a nested record."""
    yield path
    children = value.items() if isinstance(value, dict) else ()
    children = enumerate(value) if isinstance(value, list) else children
    for key, child in children:
        yield from places(child, (*path, key))


def mutated(record, rng):
    """A record with one to three values replaced, removed or doubled."""
    record = copy.deepcopy(record)
    for _ in range(rng.choice((1, 1, 2, 3))):
        *parents, key = rng.choice([place for place in places(record) if place])
        parent = record
        for name in parents:
            parent = parent[name]
        kind = rng.randrange(4)
        if kind == 0:
            del parent[key]
        elif kind == 1 and isinstance(parent, dict):
            parent[f"zz_{key}"] = parent.pop(key)
        else:
            parent[key] = rng.choice(VALUES)
    return record


def test_the_good_manifest_is_accepted(tmp_path):
    use(GOOD, tmp_path / "page.html")


@pytest.mark.parametrize(
    "path", sorted((DATA / "damaged_manifests").iterdir()), ids=lambda path: path.name
)
def test_a_damaged_manifest_gives_one_sentence(path, tmp_path):
    with pytest.raises(SeehearError) as caught:
        use(path, tmp_path / "page.html")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("seed", range(4))
def test_mutations_give_a_sentence_or_a_result(tmp_path, seed):
    good, rng = json.loads(GOOD.read_text()), random.Random(seed)
    path, messages = tmp_path / "a.json", []
    for _ in range(60):
        text = json.dumps(mutated(good, rng))
        if rng.random() < 0.1:
            text = text[: rng.randrange(len(text))]
        path.write_text(text)
        try:
            use(path, tmp_path / "page.html")
        except SeehearError as error:
            messages.append(str(error))
    assert len(messages) > 20
    assert max(map(len, messages)) < 1000


def test_deep_nesting_and_large_files_are_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(SettingsError, match="expected a manifest in JSON"):
        read_manifest(path)
    with path.open("wb") as file:
        file.truncate(65_000_000)
    with pytest.raises(SettingsError, match="at most 64 MB"):
        read_manifest(path)


@pytest.mark.parametrize("threads", [0, -1, 100_000, 1.5, "4"])
def test_the_number_of_threads_is_bounded(tmp_path, threads):
    record = json.loads(GOOD.read_text())
    record["versions"]["threads"] = threads
    (tmp_path / "a.json").write_text(json.dumps(record))
    with pytest.raises(SettingsError, match="threads"):
        read_manifest(tmp_path / "a.json")
