"""Manifests come from strangers: a damaged one gives a SeehearError and nothing else."""

import json
from pathlib import Path

import pytest
from tests.fuzz.manifests import GOOD, use

from seehear.errors import SeehearError, SettingsError
from seehear.pipeline.manifest import read_manifest

DATA = Path(__file__).parents[1] / "data"


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
