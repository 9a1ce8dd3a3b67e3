"""Weight files are read without running code in them, and what is wrong with one is said."""

import hashlib
import json

import pytest
import torch
from safetensors.torch import save_file

from seehear.errors import WeightsError
from seehear.hashes import file_sha256
from seehear.models.cache import weight_files
from seehear.models.weights import Checkpoint, find_checkpoint, licence_of, read_state_dict


def test_safetensors_and_pickled_tensors_read_alike(tmp_path):
    state = {"a": torch.arange(3.0)}
    save_file(state, tmp_path / "model.safetensors")
    torch.save(state, tmp_path / "model.bin")
    for name in ("model.safetensors", "model.bin"):
        assert torch.equal(read_state_dict(tmp_path / name)["a"], state["a"])


def test_safetensors_are_preferred_to_pickles(tmp_path):
    torch.save({}, tmp_path / "a.bin")
    assert [file.name for file in weight_files(tmp_path)] == ["a.bin"]
    save_file({"a": torch.zeros(1)}, tmp_path / "b.safetensors")
    assert [file.name for file in weight_files(tmp_path)] == ["b.safetensors"]


class Harmful:
    def __reduce__(self):
        return (print, ("code ran",))


def test_a_pickle_with_code_is_refused_and_its_code_does_not_run(tmp_path, capsys):
    torch.save({"a": Harmful()}, tmp_path / "model.bin")
    with pytest.raises(WeightsError, match="named tensors"):
        read_state_dict(tmp_path / "model.bin")
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"),
    [("absent.bin", "found none"), ("notes.txt", "got .txt"), ("cut.safetensors", "download")],
)
def test_an_unusable_file_is_named(tmp_path, name, said):
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "cut.safetensors").write_bytes(b"12345678")
    with pytest.raises(WeightsError, match=rf"{name}.*{said}"):
        read_state_dict(tmp_path / name)


def test_hash_is_the_files_sha256(tmp_path):
    (tmp_path / "f").write_bytes(b"seehear")
    assert file_sha256(tmp_path / "f") == hashlib.sha256(b"seehear").hexdigest()


def test_licence_is_read_from_the_cards_front_matter_alone(tmp_path):
    card = tmp_path / "README.md"
    assert licence_of(tmp_path) is None
    card.write_text("# Card\nlicense: mit\n")
    assert licence_of(tmp_path) is None
    card.write_text("---\nlicense: 'apache-2.0'\n---\n# Card\n")
    assert licence_of(tmp_path) == "apache-2.0"


@pytest.mark.parametrize("path", ["x" * 300, "a" * 200_000, "\0", "\udcff"])
def test_a_shared_path_that_no_file_system_has_is_refused(tmp_path, path):
    checkpoint = Checkpoint(source="it", folder=tmp_path, index={"_shared": {"vae": path}})
    with pytest.raises(WeightsError, match="expected") as caught:
        checkpoint.component("vae")
    assert len(str(caught.value)) < 500 + len(str(tmp_path))


def test_a_shared_component_lies_where_the_index_says(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "text").mkdir()
    index = {"_shared": {"text_encoder": "../text"}, "vae": ["diffusers", "AutoencoderKL"]}
    (tmp_path / "model" / "model_index.json").write_text(json.dumps(index))
    found = find_checkpoint(tmp_path / "model")
    assert found.component("text_encoder") == (tmp_path / "text").resolve()
    assert found.class_name("vae") == "AutoencoderKL"
    with pytest.raises(WeightsError, match=r"'unet' in model_index\.json, got vae"):
        found.component("unet")
