"""The paper's family end to end on small random weights of the same classes, from the shell."""

import shutil

import pytest
from golden_numbers import FOLDER, imagebind_state, write_letters
from safetensors.torch import save_file
from small_family import write_small
from tests.media_files import make_video

from seehear import media
from seehear.cli import main
from seehear.errors import WeightsError
from seehear.models.families import load_family
from seehear.models.load_options import LoadOptions
from seehear.pipeline.manifest import read_manifest


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """AudioLDM and ImageBind as they would lie on a disk, with CLIP's vocabulary."""
    root = tmp_path_factory.mktemp("weights")
    binder = root / "imagebind"
    binder.mkdir()
    state = {key: tensor.float().contiguous() for key, tensor in imagebind_state().items()}
    save_file(state, binder / "model.safetensors", {"licence": "cc-by-nc-sa-4.0"})
    shutil.copy(FOLDER / "imagebind" / "config.json", binder)
    write_letters(binder)
    return {"audio": write_small(root), "binder": binder}


def options(weights, *names):
    return [word for name in names for word in (f"--{name}", str(weights[name]))]


@pytest.mark.long
def test_paper_v2a_makes_a_sound_and_its_manifest_tells_what_with(weights, tmp_path, capsys):
    make_video(tmp_path / "clip.mp4")
    given = [str(tmp_path / "clip.mp4"), "-o", str(tmp_path / "out.wav"), "--preset", "paper-v2a"]
    given += ["--prompt", "rain", "--steps", "4", *options(weights, "audio", "binder")]
    assert main(["v2a", *given]) == 0, capsys.readouterr().err
    assert media.read_audio(tmp_path / "out.wav").duration_s == pytest.approx(1.0, abs=1e-3)
    record = read_manifest(tmp_path / "out.json")
    assert record["settings"]["preset"]["name"] == "paper-v2a"
    licences = {w["name"].split("/")[0]: w["licence"] for w in record["weights"]}
    assert licences["binder"] == "cc-by-nc-sa-4.0"
    guided = [step for step in record["trace"] if step["is_guided"]]
    assert guided
    assert not any(step["dead_gradient"] for step in guided)
    assert main(["replay", str(tmp_path / "out.json"), "--yes", "--quiet"]) == 0


def test_words_are_read_by_the_vocabulary_that_was_fetched(weights, tmp_path, monkeypatch):
    elsewhere = tmp_path / "binder"
    shutil.copytree(weights["binder"], elsewhere)
    (elsewhere / "merges.txt").unlink()
    monkeypatch.setenv("SEEHEAR_HOME", str(tmp_path))
    options = LoadOptions(models="paper", audio=weights["audio"], binder=elsewhere)
    with pytest.raises(WeightsError, match="beside the weights"):
        load_family(options).binder.embed_text(["a"])
    (tmp_path / "imagebind").mkdir()
    write_letters(tmp_path / "imagebind")
    found = load_family(options).binder.embed_text(["a"])
    assert found.isfinite().all()


def test_a_folder_called_as_the_table_calls_imagebind_is_that_folder(weights, monkeypatch):
    monkeypatch.chdir(weights["binder"].parent)
    family = load_family(LoadOptions(models="paper", audio=weights["audio"], binder="imagebind"))
    assert family.binder.embed_text(["a"]).isfinite().all()


def test_commercial_use_of_it_is_refused(weights, tmp_path, capsys):
    make_video(tmp_path / "clip.mp4")
    given = [str(tmp_path / "clip.mp4"), "-o", str(tmp_path / "out.wav"), "--commercial"]
    given += ["--models", "paper", *options(weights, "audio", "binder")]
    assert main(["v2a", *given]) == 2
    assert "no commercial use" in capsys.readouterr().err
    assert not (tmp_path / "out.wav").exists()
