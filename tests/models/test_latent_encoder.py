"""Encoders of noisy latents: shapes, files, and guidance that decodes nothing."""

import json
from dataclasses import replace

import pytest
import torch
from tests.small_family import small_family, write_small

from seehear.errors import SettingsError, WeightsError
from seehear.guidance.conditions import Targets
from seehear.guidance.diffusion import NoiseLevel
from seehear.guidance.objective import Agreement
from seehear.guidance.sampling import sample
from seehear.guidance.settings import AlignerConfig, SamplingSettings
from seehear.guidance.sync import SyncTerm
from seehear.models import latent_encoder
from seehear.models.families import load_family
from seehear.models.latent_encoder import LatentEncoder, LatentEncoderConfig, log_snr_of
from seehear.models.load_options import LoadOptions
from seehear.models.shipped import POCKET
from seehear.pipeline.distill import SAMPLES_FILE, DistillSettings, distill, generate_samples
from seehear.pipeline.presets import PRESETS, with_overrides

HALF = NoiseLevel(t=500.0, alpha=0.6, sigma=0.8)


def new_encoder(channels=4, outputs=384) -> LatentEncoder:
    torch.manual_seed(0)
    return LatentEncoder(LatentEncoderConfig(channels=channels, outputs=outputs, width=16)).eval()


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return small_family(write_small(tmp_path_factory.mktemp("small")))


def test_embeddings_are_unit_vectors_with_a_gradient():
    z = torch.randn(2, 4, 12, 8, requires_grad=True)
    e = new_encoder().embed_latents(z, HALF)
    assert e.shape == (2, 384)
    torch.testing.assert_close(e.norm(dim=1), torch.ones(2))
    (gradient,) = torch.autograd.grad(e[:, 0].sum(), z)
    assert gradient.abs().amax(dim=(1, 2, 3)).min() > 0


def test_the_embedding_depends_on_the_noise_level():
    z = torch.randn(1, 4, 12, 8)
    clean = NoiseLevel(t=1.0, alpha=1.0, sigma=0.0)
    encoder = new_encoder()
    assert (encoder.embed_latents(z, HALF) - encoder.embed_latents(z, clean)).abs().max() > 1e-4
    assert encoder.embed_latents(z, clean).isfinite().all()


def test_log_snr_is_limited():
    assert log_snr_of(HALF).item() == pytest.approx(2 * torch.tensor(0.75).log().item())
    assert log_snr_of(NoiseLevel(t=0.0, alpha=1.0, sigma=0.0)) == 20
    assert log_snr_of(NoiseLevel(t=0.0, alpha=0.0, sigma=1.0)) == -20


def test_a_video_of_equal_frames_has_the_embedding_of_the_frame():
    encoder, frame = new_encoder(), torch.randn(2, 4, 1, 8, 8)
    of_video = encoder.embed_latents(frame.expand(-1, -1, 5, -1, -1), HALF)
    torch.testing.assert_close(of_video, encoder.embed_latents(frame[:, :, 0], HALF))


def test_files_keep_the_network(tmp_path):
    encoder, z = new_encoder(), torch.randn(1, 4, 12, 8)
    latent_encoder.save(encoder, tmp_path)
    loaded = latent_encoder.load(tmp_path)
    torch.testing.assert_close(
        loaded.embed_latents(z, HALF), encoder.embed_latents(z, HALF), atol=2e-3, rtol=0
    )


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"channels": 4},
        {"channels": 4, "outputs": 384, "width": 12},
        {"channels": 0, "outputs": 384, "width": 16},
        {"channels": 4, "outputs": 10**9, "width": 16},
        {"channels": 5, "outputs": 384, "width": 16},
        {"channels": "4", "outputs": 384, "width": 16},
    ],
)
def test_a_damaged_folder_gets_one_sentence(tmp_path, record):
    latent_encoder.save(new_encoder(), tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(record))
    with pytest.raises(WeightsError, match="expected"):
        latent_encoder.load(tmp_path)


def settings(lr: float) -> SamplingSettings:
    aligner = AlignerConfig(rule="relative", lr_latents=lr, start=0.0, end=1.0)
    return SamplingSettings(num_steps=8, guidance_scale=1.0, aligner=aligner)


def agreement(family, channels, **changes) -> Agreement:
    audio, target = family.audio, torch.nn.functional.normalize(torch.ones(1, 384), dim=1)
    return Agreement(
        backbones={"audio": audio}, binder=family.binder, pairs=(("audio", "video"),),
        weights=(1.0,), targets=Targets((), {"video": target}),
        latent_encoders={"audio": new_encoder(channels)}, **changes,
    )  # fmt: skip


def test_guidance_decodes_nothing_and_approaches_the_target(family, monkeypatch):
    audio = family.audio
    z = audio.prior(1.28, 1, torch.Generator().manual_seed(0))
    objective, y = agreement(family, z.shape[1]), audio.embed_prompt([""])
    calls = []
    predict = type(audio).predict
    monkeypatch.setattr(type(audio), "predict", lambda *a: calls.append(1) or predict(*a))
    for name in ("decode", "mel_from_latents"):
        monkeypatch.setattr(type(audio), name, lambda *a: pytest.fail("decoded"))
    ends = {}
    for lr in (0.0, 0.05):
        calls.clear()
        result = sample({"audio": audio}, {"audio": z}, {"audio": y}, objective, settings(lr))
        assert len(calls) == 8  # guidance does not call the denoiser again
        level = audio.levels(8)[-1]
        encoder = objective.latent_encoders["audio"]
        with torch.no_grad():
            e = encoder.embed_latents(result.latents["audio"], level)
        ends[lr] = float((e * objective.targets.whole["video"]).sum())
    assert ends[0.05] > ends[0.0] + 0.02
    assert result.trace[4].is_guided
    assert result.trace[4].losses["audio-video"] > 0


def test_a_term_of_decoded_media_is_refused(family):
    with pytest.raises(SettingsError, match="latent_encoder"):
        agreement(family, 4, terms=(SyncTerm(weight=0.5),))


@pytest.mark.parametrize(
    "changes", [{"through_denoiser": True}, {"rule": "mpgd", "through_denoiser": False}]
)
def test_a_preset_with_a_gradient_through_the_denoiser_is_refused(changes):
    latents = with_overrides(PRESETS["latents"], None, through_denoiser=False)
    replace(latents, latent_encoder=True)
    with pytest.raises(SettingsError, match="through_denoiser=False"):
        replace(with_overrides(latents, None, **changes), latent_encoder=True)


def test_a_family_without_an_encoder_says_how_to_get_one(family):
    with pytest.raises(SettingsError, match="seehear distill"):
        family.latent_encoder("audio", torch.zeros(1, 4, 8, 8))


def test_the_encoder_of_a_family_belongs_to_its_own_models(tmp_path):
    assert load_family().latent_encoders == POCKET / "latent_encoders"
    other = load_family(LoadOptions(audio=write_small(tmp_path)))
    assert other.latent_encoders is None
    with pytest.raises(SettingsError, match="use another preset"):
        other.latent_encoder("audio", torch.zeros(1, 4, 8, 8))


@pytest.mark.long
def test_distill_resumes_and_its_encoder_knows_the_samples(family, tmp_path):
    settings = DistillSettings(
        clips=6, clips_per_batch=4, num_steps=2, training_steps=150, batch=24, dropout=0.0
    )
    notes: list[str] = []
    distill(family, "audio", tmp_path, replace(settings, clips=4, training_steps=1), notes.append)
    assert notes == ["generated 4 of 4 clips"]
    notes.clear()
    encoder = distill(family, "audio", tmp_path, settings, notes.append)
    assert notes[0] == "generated 6 of 6 clips"
    samples = generate_samples(family, family.audio, tmp_path / "audio" / SAMPLES_FILE, settings)
    cleanest = family.audio.levels(30)[-1]
    with torch.no_grad():
        e = encoder.embed_latents(samples.latents, cleanest)
    nearest = (e @ samples.embeddings.T).argmax(1)
    assert (nearest == torch.arange(6)).sum() >= 5  # small random models: two may be alike
    assert latent_encoder.load(tmp_path / "audio").config == encoder.config


def test_damaged_samples_get_one_sentence(family, tmp_path):
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / SAMPLES_FILE).write_bytes(b"no tensors")
    with pytest.raises(WeightsError, match=SAMPLES_FILE):
        distill(family, "audio", tmp_path, DistillSettings(clips=1, num_steps=1))
