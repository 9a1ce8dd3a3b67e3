"""Results and their manifests: what is written beside an output, and how it is checked."""

import json
import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.media_files import make_video, packet_hashes

from seehear import media
from seehear.errors import MediaError, SettingsError
from seehear.pipeline.manifest import (
    describe_input,
    locate_input,
    manifest,
    read_manifest,
    samples_sha256,
    to_json,
    write_json,
)
from seehear.pipeline.result import Result, file_sha256


@dataclass(frozen=True, kw_only=True)
class Settings:
    rate: float = 0.1
    warmup: float = 0.2


def sound(num_samples: int = 16_000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(1, num_samples, generator=generator)


def result(**changes) -> Result:
    values = {
        "task": "v2a",
        "waveform": sound(),
        "sample_rate": 16_000,
        "caption": "a dog barks",
        "seed": 7,
        "settings": {"aligner": Settings(), "steps": 30},
        "trace": [{"step": 0, "loss": torch.tensor(0.5)}],
        "weights": [{"name": "binder", "sha256": "00", "licence": "Apache-2.0"}],
    }
    return Result(**(values | changes))


def test_saved_video_keeps_its_picture_and_gets_a_manifest(tmp_path):
    clip = make_video(tmp_path / "clip.mp4")
    made = result(video_path=clip, inputs=[describe_input(clip, 1.0)])
    path, manifest_path = made.save(tmp_path / "out.mp4")
    assert packet_hashes(path) == packet_hashes(clip)
    record = read_manifest(manifest_path)
    assert manifest_path == tmp_path / "out.json"
    assert record["settings"] == {"aligner": {"rate": 0.1, "warmup": 0.2}, "steps": 30}
    assert record["seed"] == 7
    assert record["trace"] == [{"step": 0, "loss": 0.5}]
    assert record["duration_s"] == 1.0
    assert record["samples_sha256"] == samples_sha256(made.waveform)
    assert record["outputs"] == [{"file": "out.mp4", "sha256": file_sha256(path)}]
    assert record["versions"]["threads"] == torch.get_num_threads()
    assert record["levels"]["peak_dbfs"] == pytest.approx(media.peak_dbfs(made.waveform))


def test_sound_suffix_saves_the_sound_alone(tmp_path):
    path, _ = result(video_path=tmp_path / "gone.mp4").save(tmp_path / "out.wav")
    torch.testing.assert_close(media.read_audio(path).waveform, sound(), rtol=0, atol=1e-4)


def test_frames_made_are_saved_with_the_sound(tmp_path):
    frames = torch.full((16, 3, 32, 32), 128, dtype=torch.uint8)
    path, _ = result(task="joint", frames=frames, fps=8.0).save(tmp_path / "out.mp4")
    assert media.read_video(path).duration_s == 2.0
    assert media.read_audio(path).waveform.shape == (1, 32_000)


def test_arrays_come_out_for_numpy():
    made = result(frames=torch.zeros(4, 3, 6, 8, dtype=torch.uint8), fps=8.0)
    assert made.audio.dtype == np.float32
    assert made.video.shape == (4, 6, 8, 3)
    assert result().video is None


def test_what_the_result_lacks_cannot_be_saved(tmp_path):
    with pytest.raises(SettingsError, match=r"no frames; choose one of \.wav"):
        result().save(tmp_path / "out.mp4")
    frames = torch.zeros(4, 3, 6, 8, dtype=torch.uint8)
    with pytest.raises(SettingsError, match="no audio; choose a video suffix"):
        result(waveform=None, frames=frames, fps=8.0).save(tmp_path / "out.wav")
    with pytest.raises(MediaError, match=r"choose one of .*\.wav.*\.mp4"):
        result().save(tmp_path / "out.xyz")
    assert list(tmp_path.iterdir()) == []


def test_a_result_holds_something():
    with pytest.raises(ValueError, match="neither"):
        result(waveform=None)
    with pytest.raises(ValueError, match="sample_rate"):
        result(sample_rate=None)


def test_equal_samples_have_equal_hashes():
    assert samples_sha256(sound()) == samples_sha256(sound().clone())
    moved = sound()
    moved[0, 100] = moved[0, 100].nextafter(torch.tensor(1.0))
    assert samples_sha256(moved) != samples_sha256(sound())


def test_everything_becomes_plain_data():
    value = {
        "a": (1, Path("x")),
        "b": Settings(),
        "c": np.float32(0.5),
        "d": {3, 1},
        "e": -math.inf,
    }
    assert to_json(
        value | {"f": Fraction(1, 4), "g": None, "h": torch.ones(2, dtype=torch.int64)}
    ) == {
        "a": [1, "x"],
        "b": {"rate": 0.1, "warmup": 0.2},
        "c": 0.5,
        "d": [1, 3],
        "e": "-inf",
        "f": 0.25,
        "g": None,
        "h": [1, 1],
    }
    with pytest.raises(TypeError, match="expected a value with a JSON form, got object"):
        to_json(object())


def test_numbers_survive_the_manifest_exactly(tmp_path):
    numbers = [0.1, 1 / 3, 1e-300, 2**53 + 1]
    write_json(tmp_path / "m.json", manifest(task="v2a", settings={"n": numbers}, seed=2**63))
    record = read_manifest(tmp_path / "m.json")
    assert record["settings"]["n"] == numbers
    assert record["seed"] == 2**63


def test_manifest_that_cannot_be_plain_leaves_the_old_one(tmp_path):
    path = tmp_path / "m.json"
    path.write_text("old")
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["m.json"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 99}, "expected schema version 1, got 99"),
        ({"schema_version": None}, "expected schema version 1, got None"),
        ({"seed": "7"}, "expected 'seed' to be a int"),
        ({"settings": []}, "expected 'settings' to be a dict"),
        ({"inputs": [{"file": "a"}]}, "inputs.0.sha256: field required"),
    ],
)
def test_edited_manifest_is_refused(tmp_path, change, message):
    record = manifest(task="v2a", settings={}, seed=0) | change
    (tmp_path / "m.json").write_text(json.dumps(record))
    with pytest.raises(SettingsError, match=message):
        read_manifest(tmp_path / "m.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "expected a manifest in JSON"), ("{}", "not a manifest"), ("[1]", "not a manifest")],
)
def test_other_files_are_no_manifests(tmp_path, text, message):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_manifest(tmp_path / "m.json")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_manifest(tmp_path / "nowhere.json")


def test_manifest_with_a_part_cut_out_is_refused(tmp_path):
    record = manifest(task="v2a", settings={}, seed=0)
    del record["weights"]
    (tmp_path / "m.json").write_text(json.dumps(record))
    with pytest.raises(SettingsError, match="lacks 'weights'"):
        read_manifest(tmp_path / "m.json")


def test_inputs_are_found_again_where_they_were_or_beside_the_manifest(tmp_path):
    clip = tmp_path / "clip.bin"
    clip.write_bytes(b"content")
    entry = describe_input(clip)
    assert locate_input(entry, tmp_path / "out.json") == clip
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    clip.rename(elsewhere / "clip.bin")
    assert locate_input(entry, elsewhere / "out.json") == elsewhere / "clip.bin"
    with pytest.raises(MediaError, match="neither at"):
        locate_input(entry, tmp_path / "out.json")
    clip.write_bytes(b"changed")
    with pytest.raises(MediaError, match="its content differs"):
        locate_input(entry, tmp_path / "out.json")
