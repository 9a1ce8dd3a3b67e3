"""Networks of the literature, filled by one rule, against numbers of their published code."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.known_weights import filled
from tiny_clap import write_clap

from seehear.errors import MediaError, WeightsError
from seehear.metrics.features import clap, i3d, judge, panns, vggish
from seehear.metrics.features.binder import BinderFeatures
from seehear.metrics.features.protocol import EmbedsAudio, EmbedsText, EmbedsVideo, Features
from seehear.models.binders import linear
from seehear.models.binders.imagebind.audio_input import log_mel_frames

FRONT_END_KEYS = (
    "logmel_extractor.melW",
    "spectrogram_extractor.stft.conv_imag.weight",
    "spectrogram_extractor.stft.conv_real.weight",
)


@pytest.fixture(scope="module")
def cnn14():
    return filled(panns.Cnn14(), FRONT_END_KEYS)


@pytest.fixture(scope="module")
def vggish_net():
    return filled(vggish.VggishNet())


@pytest.fixture(scope="module")
def i3d_net():
    return filled(i3d.InceptionI3d())


def assert_numbers(found, total, norm, first, last):
    found = found.double()
    assert found.sum().item() == pytest.approx(total, rel=1e-4)
    assert found.norm().item() == pytest.approx(norm, rel=1e-4)
    beginning = found.flatten()[: len(first)].tolist()
    assert beginning == pytest.approx(first, rel=1e-4, abs=2e-4)
    assert found.flatten()[-1].item() == pytest.approx(last, rel=1e-4, abs=2e-4)


CNN14_NUMBERS = {
    16_000: {
        "logits": (-17.578493, 374.961569, (-2.760392, -12.844499, -9.605917, -10.97356),
                   -13.442214),
        "embedding": (18973.156242, 519.965610, (10.687272, 0, 13.91566, 2.455529), 11.359892),
    },
    32_000: {
        "logits": (-4.401982, 282.829007, (-2.182506, -9.713187, -7.132609, -8.387774),
                   -10.193247),
        "embedding": (14312.853225, 392.463523, (7.93825, 0, 10.523959, 2.004285), 8.499816),
    },
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("rate", [16_000, 32_000])
def test_cnn14_gives_the_numbers_of_its_published_code(cnn14, rate):
    draw = np.random.RandomState(0).standard_normal((2, 2 * rate))
    waveform = torch.from_numpy((0.1 * draw).astype(np.float32))
    found = cnn14(panns.FRONT_ENDS[rate](waveform))
    for name, numbers in CNN14_NUMBERS[rate].items():
        assert_numbers(getattr(found, name), *numbers)


@pytest.mark.long
def test_vggish_gives_the_numbers_of_its_published_code(vggish_net):
    waveform = torch.from_numpy(np.random.RandomState(0).uniform(-0.5, 0.5, 32_000))[None]
    patches = vggish.patches_of(waveform)
    assert patches.shape == (1, 2, 96, 64)
    assert patches.sum().item() == pytest.approx(26438.2201, rel=1e-6)
    assert patches.flatten()[0].item() == pytest.approx(0.960808, abs=1e-6)
    assert patches.flatten()[-1].item() == pytest.approx(3.167400, abs=1e-6)
    embedding = vggish_net(patches[0].float())
    first = (-2.6517, -2.774349, 1.842614, 4.674901)
    assert_numbers(embedding, -56.239913, 40.636430, first, 0.219235)


@pytest.mark.parametrize(("samples", "rows"), [(160_000, 10), (128_000, 8), (15_600, 1)])
def test_vggish_hears_whole_steps_of_096_seconds(samples, rows):
    assert vggish.patches_of(torch.zeros(1, samples)).shape[1] == rows


def test_i3d_gives_the_numbers_of_its_published_code(i3d_net):
    draw = np.random.RandomState(0).uniform(-1, 1, (1, 3, 16, 224, 224))
    logits = i3d_net(torch.from_numpy(draw.astype(np.float32)))
    first = (2.964418, 3.007323, -1.863366, 0.575652)
    assert_numbers(logits, -14.144797, 42.612314, first, -2.724118)


@pytest.mark.parametrize(
    ("fit", "total", "first"), [("crop", -251.3777, 0.405711), ("squash", 728.1636, -0.168627)]
)
def test_frames_become_square_as_the_two_families_of_fvd_make_them(fit, total, first):
    pixels = np.random.RandomState(3).randint(0, 256, (1, 4, 3, 72, 128))[0]
    found = i3d.fitted(torch.from_numpy(pixels).float() / 255, fit)
    assert found.shape == (4, 3, 224, 224)
    assert found.double().sum().item() == pytest.approx(total, rel=1e-4)
    assert found.flatten()[0].item() == pytest.approx(first, abs=2e-6)


def test_the_kaldi_filter_bank_gives_the_numbers_of_its_reference():
    def log_mel(wave):
        heard = torch.from_numpy(np.asarray(wave, np.float32))[None]
        return log_mel_frames(heard - heard.mean())[0].T.double()

    noise = log_mel(0.1 * np.random.RandomState(0).randn(32_000))
    assert noise.shape == (198, 128)
    assert noise.sum().item() == pytest.approx(-23134.6326, rel=1e-5)
    assert noise.std().item() == pytest.approx(3.4942836, rel=1e-5)
    ends = (noise.flatten()[0].item(), noise.flatten()[-1].item())
    assert ends == pytest.approx((-6.511432, 3.987713), abs=2e-4)
    # Empty bands hear how a sine is rounded: this one is computed in float32.
    tone = log_mel(0.5 * torch.sin(2 * torch.pi * 440 * (torch.arange(32_000) / 16_000)))
    assert tone.sum().item() == pytest.approx(-320841.5273, rel=1e-5)
    assert tone.mean(0).argmax() == 23
    assert (tone.max().item(), tone.min().item()) == pytest.approx((3.908812, -15.942385), abs=2e-4)
    assert torch.allclose(log_mel(np.zeros(32_000)), torch.tensor(-15.9424).double(), atol=2e-4)


def small_waves(seconds=1.0, rate=16_000):
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(2, round(seconds * rate), generator=generator)


def test_cnn14_comes_back_from_its_published_format(cnn14, tmp_path):
    stored = dict(cnn14.state_dict())
    stored["logmel_extractor.melW"] = panns.FRONT_ENDS[16_000].filters().T
    stored["spectrogram_extractor.stft.conv_real.weight"] = torch.zeros(257, 1, 512)
    torch.save({"model": stored}, tmp_path / "Cnn14_16k_mAP=0.438.pth")
    network = panns.load(tmp_path / "Cnn14_16k_mAP=0.438.pth")
    assert isinstance(network, EmbedsAudio)
    found, wanted = network.from_audio(small_waves(), 16_000), panns.Panns(cnn14, 16_000)
    assert torch.equal(found.logits, wanted.from_audio(small_waves(), 16_000).logits)
    with pytest.raises(WeightsError, match="use the file for this sample rate"):
        panns.load(tmp_path / "Cnn14_16k_mAP=0.438.pth", 32_000)


def test_vggish_comes_back_from_safetensors_with_a_row_per_step(vggish_net, tmp_path):
    save_file(vggish_net.state_dict(), tmp_path / "vggish.safetensors")
    network = vggish.load(tmp_path / "vggish.safetensors")
    assert isinstance(network, EmbedsAudio)
    found = network.from_audio(small_waves(3.0), 16_000)
    assert found.embedding.shape == (2 * 3, 128)
    assert found.logits is None
    # The first clip's rows come first, and short clips are padded to 2 s.
    first = network.from_audio(small_waves(3.0)[:1], 16_000).embedding
    torch.testing.assert_close(found.embedding[:3], first, rtol=1e-5, atol=1e-5)
    assert len(network.from_audio(small_waves(0.5), 16_000).embedding) == 2 * 2


def test_i3d_comes_back_from_its_file_and_refuses_fewer_than_nine_frames(i3d_net, tmp_path):
    torch.save(i3d_net.state_dict(), tmp_path / "i3d_pretrained_400.pt")
    network = i3d.load(tmp_path / "i3d_pretrained_400.pt")
    assert isinstance(network, EmbedsVideo)
    frames = torch.rand(1, 9, 3, 36, 64, generator=torch.Generator().manual_seed(0))
    found = network.from_video(frames, 8.0)
    wanted = i3d_net(i3d.fitted(frames[0])[None].transpose(1, 2))
    assert torch.equal(found.embedding, wanted)
    with pytest.raises(MediaError, match="at least 9 frames, got 8"):
        network.from_video(frames[:, :8], 8.0)


def without(state, key):
    return {k: v for k, v in state.items() if k != key}


def test_what_keeps_weights_from_fitting_is_said_with_file_and_origin(i3d_net, tmp_path):
    state, path = i3d_net.state_dict(), tmp_path / "weights.pth"
    broken = {
        "1 of 344 tensors are missing, first logits.conv3d.bias": without(
            state, "logits.conv3d.bias"
        ),
        "1 tensors are unexpected, first stranger": {**state, "stranger": torch.ones(1)},
        r"logits.conv3d.bias has shape \(7,\) instead of \(400,\)": {
            **state, "logits.conv3d.bias": torch.ones(7),
        },
    }  # fmt: skip
    for sentence, wrong in broken.items():
        torch.save(wrong, path)
        with pytest.raises(
            WeightsError, match=rf"weights.pth: .*i3d_pretrained_400.pt.*{sentence}"
        ):
            i3d.load(path)
    with pytest.raises(WeightsError, match="found none"):
        vggish.load(tmp_path / "nowhere.pth")


def test_a_file_with_code_in_it_is_refused(tmp_path):
    torch.save({"model": {"a": np.random.RandomState(0)}}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match="expected a file of named tensors"):
        panns.load(tmp_path / "evil.pth")


def test_the_pocket_judge_is_a_network_like_the_others():
    network = judge.load()
    assert isinstance(network, EmbedsAudio)
    assert isinstance(network, EmbedsVideo)
    heard = network.from_audio(small_waves(), 16_000)
    assert isinstance(heard, Features)
    assert torch.equal(heard.logits, network.sound_logits(small_waves()))
    assert (
        network.from_audio(small_waves(1.0, 32_000), 32_000).embedding.shape
        == heard.embedding.shape
    )


def test_a_binder_hears_sees_and_reads_as_a_measure():
    network = BinderFeatures(linear.load(dtype=torch.float32), 16_000)
    assert isinstance(network, EmbedsAudio)
    assert isinstance(network, EmbedsVideo)
    assert isinstance(network, EmbedsText)
    heard = network.from_audio(small_waves(), 16_000).embedding
    torch.testing.assert_close(heard.norm(dim=1), torch.ones(2))
    assert network.read(["rain"]).shape[1] == heard.shape[1]


@pytest.fixture(scope="module")
def clap_folder(tmp_path_factory):
    return write_clap(tmp_path_factory.mktemp("clap"))


def test_clap_scores_as_the_logits_of_transformers_without_their_scale(clap_folder):
    network = clap.load(clap_folder)
    assert isinstance(network, EmbedsAudio)
    assert isinstance(network, EmbedsText)
    prompts, waves = ["rain", "a dog barks"], small_waves(1.0, 48_000)
    words = network.tokenizer(prompts, padding=True, return_tensors="pt")
    sounds = network.front_end(list(waves.numpy()), sampling_rate=48_000, return_tensors="pt")
    with torch.no_grad():
        found = network.model(**words, **sounds)
    wanted = found.logits_per_audio / network.model.logit_scale_a.exp()
    cosines = network.from_audio(waves, 48_000).embedding @ network.read(prompts).T
    torch.testing.assert_close(cosines, wanted, rtol=1e-5, atol=1e-5)


def test_clap_hears_the_beginning_of_long_clips_whatever_was_drawn(clap_folder):
    network, long = clap.load(clap_folder), small_waves(11.0)
    found = network.from_audio(long, 16_000).embedding
    torch.testing.assert_close(found, network.from_audio(long, 16_000).embedding, rtol=0, atol=0)
