"""Settings of a checkpoint that fail only when the components are combined or run."""

import json

import pytest
import torch
from tests.small_family import write_small, write_small_video

from seehear.errors import WeightsError
from seehear.models import backbones
from seehear.models.weights import matching_parts


class PanicException(BaseException):
    """As Rust libraries raise it."""


@pytest.fixture
def folders(tmp_path):
    return {"audio": write_small(tmp_path), "video": write_small_video(tmp_path)}


def change(path, **values):
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | values))


@pytest.mark.parametrize("stream", ["audio", "video"])
@pytest.mark.parametrize("value", [{"kind": "epsilon"}, "velocity"])
def test_an_unknown_prediction_type_is_refused(folders, stream, value):
    folder = folders[stream]
    change(folder / "scheduler" / "scheduler_config.json", prediction_type=value)
    with pytest.raises(WeightsError, match="components that work together"):
        backbones.load(folder, stream)


@pytest.mark.parametrize(
    ("stream", "part"), [("video", "unet"), ("audio", "unet"), ("audio", "text_encoder")]
)
def test_a_number_that_would_fill_the_memory_is_refused(folders, stream, part):
    change(folders[stream] / part / "config.json", layers_per_block=10**9, num_hidden_layers=10**9)
    with pytest.raises(
        WeightsError, match=r"numbers up to 10,000,000 in config\.json, got \w+=1000"
    ):
        backbones.load(folders[stream], stream)


@pytest.mark.parametrize("stream", ["audio", "video"])
def test_long_names_are_cut_in_messages(folders, stream):
    path = folders[stream] / "model_index.json"
    for name in ("_class_name", "text_encoder", "a" * 100_000):
        before = path.read_text()
        value = ["transformers", "a" * 100_000] if name == "text_encoder" else "a" * 100_000
        change(path, **{name: value})
        if name.startswith("aaa"):
            record = json.loads(path.read_text())
            path.write_text(json.dumps({k: v for k, v in record.items() if k != "vae"}))
        with pytest.raises(WeightsError) as caught:
            backbones.load(folders[stream], stream)
        assert len(str(caught.value)) < 1500
        path.write_text(before)


@pytest.mark.parametrize("rates", [[], [0, 5], ["4"]])
def test_upsampling_rates_that_give_no_samples_are_refused(folders, rates):
    change(folders["audio"] / "vocoder" / "config.json", upsample_rates=rates)
    with pytest.raises(WeightsError):
        backbones.load(folders["audio"], "audio")


def test_a_clip_length_that_is_no_number_is_refused(folders):
    change(folders["audio"] / "model_index.json", _native_duration_s=["10"])
    with pytest.raises(WeightsError, match=r"_native_duration_s in model_index\.json"):
        backbones.load(folders["audio"], "audio")


@pytest.mark.parametrize("stream", ["audio", "video"])
@pytest.mark.parametrize("scale", [0, float("nan"), -0.18, float("inf"), True, "0.18", None])
def test_a_scale_of_latents_that_is_no_positive_number_is_refused(folders, stream, scale):
    change(folders[stream] / "vae" / "config.json", scaling_factor=scale)
    with pytest.raises(WeightsError, match=r"vae: expected scaling_factor in config\.json from"):
        backbones.load(folders[stream], stream)


def test_a_tokenizer_without_padding_is_refused_at_its_first_use(folders):
    folder = folders["audio"] / "tokenizer"
    change(folder / "tokenizer_config.json", pad_token=None)
    model = backbones.load(folders["audio"], "audio")
    with pytest.raises(WeightsError, match="pad"):
        model.embed_prompt(["rain"])


def test_a_tokenizer_that_panics_is_refused(folders, capfd):
    path = folders["audio"] / "tokenizer" / "tokenizer.json"
    processor = json.loads(path.read_text())["post_processor"]
    change(path, post_processor=processor | {"special_tokens": {}})
    with pytest.raises(WeightsError, match="tokenizer: expected"):
        backbones.load(folders["audio"], "audio")
    assert "panicked" not in capfd.readouterr().err


@pytest.mark.parametrize("error", [ValueError("damaged"), PanicException("no entry for key")])
def test_any_failure_of_a_library_is_reported_as_one(error):
    with pytest.raises(WeightsError, match=type(error).__name__), matching_parts("models/audio"):
        raise error
    with pytest.raises(KeyboardInterrupt), matching_parts("models/audio"):
        raise KeyboardInterrupt


def test_a_denoiser_for_other_latents_is_refused_at_its_first_use(folders):
    model = backbones.load(folders["audio"], "audio")
    y = model.embed_prompt(["rain"])
    wrong = torch.zeros(1, 3, 4, 4)
    with pytest.raises(WeightsError, match=folders["audio"].name):
        model.predict(wrong, model.levels(2)[0], y, 2.0)


@pytest.mark.parametrize("steps", [10**9, 10**5, 1, 0, -1, "1000", True])
def test_a_schedule_with_an_unusable_number_of_steps_is_refused(folders, steps):
    path = folders["audio"] / "scheduler" / "scheduler_config.json"
    change(path, num_train_timesteps=steps)
    with pytest.raises(WeightsError, match="num_train_timesteps from 2 to 10000"):
        backbones.load(folders["audio"], "audio")


@pytest.mark.parametrize("betas", [{"beta_end": 1e9}, {"beta_start": float("nan")}])
def test_a_schedule_with_unusable_betas_is_refused(folders, betas):
    change(folders["audio"] / "scheduler" / "scheduler_config.json", **betas)
    with pytest.raises(WeightsError, match="betas of a noise schedule"):
        backbones.load(folders["audio"], "audio")


@pytest.mark.parametrize("rounds", [10**9, -1, "8"])
def test_rounds_of_phase_retrieval_are_bounded(folders, rounds):
    change(folders["audio"] / "model_index.json", _polish_rounds=rounds)
    with pytest.raises(WeightsError, match=r"_polish_rounds in model_index\.json from 0 to 1000"):
        backbones.load(folders["audio"], "audio")


@pytest.mark.parametrize("rate", [10**7, 0])
def test_the_rate_of_a_vocoder_is_bounded(folders, rate):
    change(folders["audio"] / "vocoder" / "config.json", sampling_rate=rate)
    with pytest.raises(WeightsError, match="sampling_rate from 1000 to 192000"):
        backbones.load(folders["audio"], "audio")
