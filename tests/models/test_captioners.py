"""Captioners of transformers: read from disk, asked about pictures and sounds, used as prompts."""

from dataclasses import replace

import pytest
import torch
from small_family import moving_frames, small_picture_family
from tiny_captioners import write_blip, write_qwen_audio, write_qwen_vl

from seehear.errors import SettingsError, WeightsError
from seehear.guidance.protocols import CaptionsAudio, CaptionsImages
from seehear.media import Audio
from seehear.models import captioners
from seehear.models.offload import OffloadedModel
from seehear.pipeline import studio as studio_module
from seehear.pipeline.inputs import as_image, as_video
from seehear.pipeline.messages import ineffective_options
from seehear.pipeline.studio import Studio


@pytest.fixture(scope="module", params=[write_blip, write_qwen_vl], ids=["blip", "qwen_vl"])
def seeing(request, tmp_path_factory):
    torch.manual_seed(0)
    return captioners.load(request.param(tmp_path_factory.mktemp("seeing")))


@pytest.fixture(scope="module")
def hearing(tmp_path_factory):
    torch.manual_seed(0)
    return captioners.load(write_qwen_audio(tmp_path_factory.mktemp("hearing")))


@pytest.mark.parametrize("shape", [(3, 40, 40), (3, 30, 90), (3, 1, 1)])
def test_pictures_of_any_shape_are_described_the_same_way_twice(seeing, shape):
    assert isinstance(seeing, CaptionsImages)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8)
    said = seeing.caption_image(pixels)
    assert isinstance(said, str)
    assert seeing.caption_image(pixels) == said


def test_the_picture_reaches_the_network(seeing, monkeypatch):
    seen = []
    generate = seeing.network.model.generate

    def recording(**given):
        seen.append(given["pixel_values"].float())
        return generate(**given)

    monkeypatch.setattr(seeing.network.model, "generate", recording)
    for brightness in (0, 255):
        seeing.caption_image(torch.full((3, 64, 64), brightness, dtype=torch.uint8))
    dark, bright = (values.mean().item() for values in seen)
    assert bright - dark > 1  # normalised by about a quarter of the range


@pytest.mark.parametrize(("rate", "seconds"), [(16_000, 1.0), (44_100, 0.1), (16_000, 31.0)])
def test_sounds_of_any_rate_and_length_are_described(hearing, rate, seconds):
    assert isinstance(hearing, CaptionsAudio)
    waveform = torch.randn(round(rate * seconds)) * 0.1
    said = hearing.caption_audio(waveform, rate)
    assert isinstance(said, str)
    assert hearing.caption_audio(waveform, rate) == said


def test_a_model_that_does_not_describe_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(WeightsError, match=r"blip.*got 'bert'"):
        captioners.load(tmp_path)


def test_a_folder_with_a_part_missing_is_refused(tmp_path):
    (write_blip(tmp_path) / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="BlipForConditionalGeneration"):
        captioners.load(tmp_path)


class Writer:
    """Says which picture and which sound it was given."""

    def __init__(self):
        self.seen = []

    def caption_image(self, pixels):
        self.seen.append(pixels)
        return f"a picture of brightness {int(pixels.float().mean())}"

    def caption_audio(self, waveform, sample_rate):
        return f"a sound of {len(waveform) / sample_rate:.1f} s"


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    family = small_picture_family(tmp_path_factory.mktemp("models"))
    return Studio(family, captioner=Writer())


def test_a_clip_is_described_by_its_key_frame(studio):
    frames = moving_frames(12)
    frames[:6] = 0  # black: nothing to see
    job = studio.job("v2a", as_video(frames, fps=4.0))
    assert job.prompt.startswith("a picture of brightness")
    assert job.captioned_by == "Writer"
    assert job.naming is None
    assert int(studio.captioner.seen[-1].float().mean()) > 0


def test_a_picture_and_a_sound_are_described(studio):
    image = as_image(moving_frames(1)[0])
    assert studio.job("i2a", image, duration_s=1.0).prompt.startswith("a picture")
    audio = Audio(waveform=torch.randn(1, 16_000), sample_rate=16_000)
    assert studio.job("a2i", audio).prompt == "a sound of 1.0 s"


def test_a_given_prompt_is_kept_and_an_empty_one_stays_empty(studio):
    image = as_image(moving_frames(1)[0])
    assert studio.job("i2a", image, prompt="rain", duration_s=1.0).prompt == "rain"
    job = studio.job("i2a", image, prompt="", duration_s=1.0)
    assert (job.prompt, job.captioned_by) == ("", None)


class Moves(torch.nn.Module):
    """Remembers where it was sent."""

    def __init__(self):
        super().__init__()
        self.weight_paths = []

    def to(self, place):
        self.weight_paths.append(str(place))
        return self


@pytest.mark.parametrize(("lean", "waits_on"), [(True, "cpu"), (False, "cuda")])
def test_a_captioner_leaves_the_device_after_every_sentence_if_memory_is_short(lean, waits_on):
    network = OffloadedModel(Moves(), "cuda", lean=lean)
    assert network.model.weight_paths == [waits_on]
    with network.on_device() as model:
        assert model.weight_paths[1:] == ["cuda"]
    assert network.model.weight_paths[2:] == [waits_on]


def test_a_lean_family_has_a_lean_captioner(tmp_path, monkeypatch):
    monkeypatch.setattr(
        studio_module, "load_family", lambda options: small_picture_family(tmp_path)
    )
    studio = studio_module.load(
        "pocket", captioner=write_blip(tmp_path / "blip"), lean=True, device="meta"
    )
    network = studio.captioner.network
    assert (network.device.type, network.waits_on.type) == ("meta", "cpu")


def test_a_captioner_that_cannot_hear_leaves_sounds_to_the_binder(studio):
    class Blind:
        def caption_image(self, pixels):
            return "a picture"

    audio = Audio(waveform=torch.randn(1, 16_000), sample_rate=16_000)
    job = Studio(studio.family, captioner=Blind()).job("a2i", audio)
    assert job.naming.caption == job.prompt
    assert job.captioned_by is None
    assert ineffective_options(job, Blind())[-1:] == [
        "Blind has no caption for this audio, so the nearest phrase is used"
    ]
    asked = studio.job("a2i", audio, prompt="rain")
    assert ineffective_options(asked, Blind()) == []


@pytest.mark.long
def test_load_takes_a_captioner_and_the_manifest_tells(tmp_path, monkeypatch):
    folder = write_blip(tmp_path / "blip")
    family = small_picture_family(tmp_path / "models")
    monkeypatch.setattr(studio_module, "load_family", lambda *_, **__: family)
    studio = studio_module.load("pocket", captioner=folder)
    assert studio.options.to_json()["captioner"] == str(folder)
    result = studio.image_to_audio(moving_frames(1)[0], 0.5)
    assert result.settings["captioned_by"] == "Blip"
    assert "captioner/model.safetensors" in {entry["name"] for entry in result.weights}


def test_a_captioner_of_unknown_licence_is_refused_for_commercial_use(tmp_path, monkeypatch):
    family = replace(small_picture_family(tmp_path / "models"), commercial=True)
    monkeypatch.setattr(studio_module, "load_family", lambda *_, **__: family)
    with pytest.raises(SettingsError, match=r"captioner/.*licence.*--captioner out"):
        studio_module.load("pocket", captioner=write_blip(tmp_path / "blip"), commercial=True)
