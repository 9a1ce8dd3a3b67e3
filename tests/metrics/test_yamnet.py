"""YAMNet's front end against its formula, and files that are not YAMNet."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from seehear.errors import WeightsError
from seehear.evaluation.feature_networks import load_measure
from seehear.media import read_audio
from seehear.metrics.features import yamnet
from seehear.metrics.features.protocol import EmbedsAudio

WEIGHTS = os.environ.get("SEEHEAR_YAMNET")


def reference_patches(samples):
    """The published front end in NumPy: Hann windows, HTK mels from 125 to 7500 Hz, log offset."""

    def mel(hz):
        return 1127 * np.log(1 + np.asarray(hz) / 700)

    bins = mel(np.linspace(0, 8000, 257))[:, None]
    edges = np.linspace(mel(125), mel(7500), 66)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    bank = np.maximum(0, np.minimum(rising[:, :64], falling))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    starts = range(0, len(samples) - 400 + 1, 160)
    frames = np.stack([samples[i : i + 400] * window for i in starts])
    log_mel = np.log(np.abs(np.fft.rfft(frames, 512)) @ bank + 0.001)
    return np.stack([log_mel[i : i + 96] for i in range(0, len(log_mel) - 95, 48)])


def test_patches_are_those_of_the_published_front_end():
    samples = np.random.default_rng(0).standard_normal(40_000) * 0.1
    found = yamnet.patches_of(torch.from_numpy(samples)[None])[0]
    np.testing.assert_allclose(found.numpy(), reference_patches(samples), atol=2e-5)


def test_one_patch_needs_as_many_samples_as_short_audio_is_padded_to():
    assert yamnet.patches_of(torch.zeros(1, yamnet.LEAST_SAMPLES)).shape == (1, 1, 96, 64)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("none.tflite", None, "expected a .tflite file, found none"),
        ("model.tflite", b"not a model at all", "another format"),
    ],
)
def test_a_file_that_is_no_model_is_refused_in_a_sentence(tmp_path, name, content, sentence):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=sentence):
        yamnet.load(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        (None, "", "expected the labels in labels.json or yamnet_class_map.csv"),
        ("labels.json", "{", "cannot be read as labels"),
        ("labels.json", json.dumps(["Speech"]), "a list of 521 names"),
        ("labels.json", json.dumps([1] * 521), "a list of 521 names"),
        ("yamnet_class_map.csv", "index,mid\n0,/m/09x0r\n", "cannot be read as labels"),
    ],
)
def test_labels_are_checked(tmp_path, name, text, sentence):
    if name:
        (tmp_path / name).write_text(text)
    with pytest.raises(WeightsError, match=sentence):
        yamnet.labels_of(tmp_path)


def test_both_forms_of_labels_are_read(tmp_path):
    names = [f"class {k}" for k in range(521)]
    rows = "".join(f"{k},/m/{k},{name}\n" for k, name in enumerate(names))
    (tmp_path / "yamnet_class_map.csv").write_text("index,mid,display_name\n" + rows)
    assert yamnet.labels_of(tmp_path) == tuple(names)
    (tmp_path / "labels.json").write_text(json.dumps(names[::-1]))
    assert yamnet.labels_of(tmp_path) == tuple(names[::-1])


def test_without_a_path_the_error_says_how_to_name_one():
    with pytest.raises(WeightsError, match="--features yamnet=PATH"):
        load_measure("yamnet")


@pytest.mark.skipif(WEIGHTS is None, reason="SEEHEAR_YAMNET names no folder with YAMNet")
def test_the_published_network_recognises_an_animal_at_any_level():
    network = load_measure(f"yamnet={WEIGHTS}").network
    assert isinstance(network, EmbedsAudio)
    audio = read_audio(Path(__file__).parents[2] / "examples" / "dog.wav", 16_000)
    found = network.from_audio(audio.waveform, audio.sample_rate)
    best = [network.labels[k] for k in found.embedding[0].topk(5).indices.tolist()]
    assert "Animal" in best  # the example is synthetic: it is not taken for a dog
    again = network.from_audio(audio.waveform * 0.1, audio.sample_rate)
    torch.testing.assert_close(again.embedding, found.embedding, atol=0.02, rtol=0)
