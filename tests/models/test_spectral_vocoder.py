"""The vocoder at the frame rate: reconstruction, files, and its place in an audio model."""

import json

import pytest
import torch
from tests.small_family import write_small

from seehear.dsp.mel import log_mel_from_waveform
from seehear.errors import WeightsError
from seehear.models import backbones, spectral_vocoder
from seehear.models.backbones.audioldm import SPECTRAL_VOCODER
from seehear.models.spectral_vocoder import (
    SpectralVocoder,
    SpectralVocoderConfig,
    envelope_matrix,
)

SMALL = SpectralVocoderConfig(width=16, num_blocks=2)


@pytest.fixture
def vocoder():
    torch.manual_seed(0)
    return SpectralVocoder(SMALL).eval()


def noise(num_frames, rows=1):
    return 0.1 * torch.randn(rows, 160 * num_frames, generator=torch.Generator().manual_seed(1))


def test_spectra_are_inverted_exactly(vocoder):
    waveform = noise(40)
    restored = vocoder._waveform(vocoder._spectrum(waveform))
    torch.testing.assert_close(restored, waveform, atol=1e-6, rtol=0)


def test_a_new_vocoder_already_has_the_levels_of_the_mel(vocoder):
    mel = log_mel_from_waveform(noise(100))
    with torch.no_grad():
        again = log_mel_from_waveform(vocoder(mel))
    assert abs(float((again - mel).mean())) < 0.5


def test_a_row_of_a_batch_equals_its_single_run(vocoder):
    mel = log_mel_from_waveform(noise(30, rows=3))
    torch.testing.assert_close(vocoder(mel)[1:2], vocoder(mel[1:2]), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(vocoder(mel), vocoder(mel), atol=0, rtol=0)


def test_gradients_reach_every_frame_and_weight(vocoder):
    mel = log_mel_from_waveform(noise(20)).requires_grad_(True)
    vocoder(mel).square().sum().backward()
    assert (mel.grad.abs().amax(dim=2) > 0).all()
    assert all(p.grad.abs().sum() > 0 for p in vocoder.parameters())


def test_the_envelope_interpolates_log_mels():
    matrix = envelope_matrix(SMALL)
    assert matrix.shape == (64, 321)
    torch.testing.assert_close(matrix.sum(0), torch.ones(321))


def test_files_restore_the_vocoder_to_half_precision(vocoder, tmp_path):
    spectral_vocoder.save(vocoder, tmp_path)
    restored = spectral_vocoder.load(tmp_path, dtype=torch.bfloat16)
    assert restored.config == SMALL
    mel = log_mel_from_waveform(noise(30))
    torch.testing.assert_close(restored(mel), vocoder(mel), atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 60_000, "num_blocks": 60_000},
        {"width": 10**12},
        {"width": "16"},
        {"width": 16.5},
        {"width": True},
        {"hop_samples": 0},
        {"window_samples": 641},
        {"window_samples": 100},
        {"other": 1},
        {"num_blocks": 1},
    ],
)
def test_a_config_that_does_not_describe_the_weights_is_refused(vocoder, tmp_path, changes):
    spectral_vocoder.save(vocoder, tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(WeightsError, match="copy or download"):
        spectral_vocoder.load(tmp_path)


def test_an_audio_model_uses_the_spectral_vocoder_of_its_checkpoint(vocoder, tmp_path):
    folder = write_small(tmp_path)
    spectral_vocoder.save(vocoder, folder / SPECTRAL_VOCODER)
    index = json.loads((folder / "model_index.json").read_text())
    index["_shared"] = {SPECTRAL_VOCODER: SPECTRAL_VOCODER}
    (folder / "model_index.json").write_text(json.dumps(index))
    model = backbones.load(folder, "audio", checkpointing=True)
    assert isinstance(model.vocoder, SpectralVocoder)
    assert (model.sample_rate, model.hop_samples, model.num_mels) == (16_000, 160, 64)
    z = model.prior(0.5, 1, torch.Generator().manual_seed(0)).requires_grad_(True)
    model.decode(z).square().sum().backward()
    assert z.grad.abs().sum() > 0
