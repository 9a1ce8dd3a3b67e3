import math
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from seehear.dsp.resample import resample
from seehear.errors import WeightsError
from seehear.guidance.protocols import Binder, NamingCalibration
from seehear.models.binders import pocket
from seehear.models.binders.pocket.aisfx import (
    BLOCK_FRAMES,
    blocks_of,
    mel_filters,
    peak_normalised,
    sfx_mel_from_waveform,
)
from seehear.models.binders.pocket.efficientnet import VIEWS, SameConv2d, resized, views
from seehear.models.captioners.concepts import CONCEPTS, GROUPS
from seehear.models.captioners.phrase_bank import PhraseBank, naming_of

ROOSTER = Path(__file__).parents[3] / "examples" / "rooster.jpg"


@pytest.fixture(scope="module")
def binder():
    return pocket.load()


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def a_sound(duration_s: float, rate: int, seed: int = 0):
    """Decaying harmonics below 8 kHz, new ones four times a second, at any sample rate."""
    t = torch.arange(int(duration_s * rate), dtype=torch.float64) / rate
    pitches = 200 + 600 * torch.rand(64, generator=torch.Generator().manual_seed(seed)).double()
    wave = torch.zeros_like(t)
    for i, pitch in enumerate(pitches[: max(1, int(4 * duration_s))]):
        since = t - i / 4
        for harmonic in range(1, 10):
            tone = torch.sin(2 * math.pi * harmonic * pitch * since) / harmonic
            wave += torch.where(since >= 0, tone * torch.exp(-6 * since), 0.0)
    return wave.float()[None] / wave.abs().max().float()


def documented_mel(waveform):
    """The tower's front end as its paper gives it, at 44.1 kHz."""
    spectrum = torch.stft(
        waveform, 2048, 1024, window=torch.hann_window(2048), center=False, return_complex=True
    )
    mel = mel_filters(1025, 44_100 / 2048) @ spectrum.abs().square()
    return (torch.log10(10_000 * mel + 1) / 9.457798957824707).transpose(1, 2)


def test_it_is_a_binder(binder):
    assert isinstance(binder, Binder)


def test_embeddings_of_all_three_kinds_are_unit_vectors_of_one_size(binder):
    embeddings = (
        binder.embed_text(["a dog barking", ""]),
        binder.embed_audio(noise(2, 8000), 16_000),
        binder.embed_video(torch.rand(2, 3, 3, 40, 50)),
    )
    for e in embeddings:
        assert e.shape == (2, 384)
        torch.testing.assert_close(e.norm(dim=1), torch.ones(2), rtol=0, atol=1e-5)


def test_sound_shorter_than_a_tenth_of_a_second_is_refused(binder):
    assert binder.embed_audio(noise(1, 4410), 44_100).shape == (1, 384)
    with pytest.raises(ValueError, match=r"at least 0\.1 s, got 0\.090 s at 16000 Hz"):
        binder.embed_audio(noise(1, 1440), 16_000)


def test_a_clip_without_frames_is_refused(binder):
    with pytest.raises(ValueError, match="at least one frame"):
        binder.embed_video(torch.zeros(1, 0, 3, 8, 8))


def test_a_batch_of_two_equals_two_batches_of_one(binder):
    waves, frames = noise(2, 30_000), torch.rand(2, 2, 3, 64, 64)
    both = binder.embed_audio(waves, 16_000), binder.embed_video(frames)
    for i in range(2):
        one = binder.embed_audio(waves[i : i + 1], 16_000), binder.embed_video(frames[i : i + 1])
        for of_both, of_one in zip(both, one, strict=True):
            torch.testing.assert_close(of_both[i : i + 1], of_one, rtol=0, atol=2e-5)


def test_padding_of_a_batch_of_sentences_changes_nothing(binder):
    alone = binder.embed_text(["rain"])
    beside = binder.embed_text(["rain", "a long sentence about a train that passes by a field"])
    torch.testing.assert_close(beside[:1], alone, rtol=0, atol=1e-5)


def test_loudness_does_not_matter_and_silence_is_finite(binder):
    wave = a_sound(1.0, 16_000)
    loud, quiet = binder.embed_audio(wave, 16_000), binder.embed_audio(0.01 * wave, 16_000)
    torch.testing.assert_close(loud, quiet, rtol=0, atol=1e-4)
    silence = torch.zeros(1, 16_000, requires_grad=True)
    binder.embed_audio(silence, 16_000)[0, 0].backward()
    assert torch.isfinite(silence.grad).all()


def slopes(score, x, step):
    """Slope of `score` along its own gradient: by backpropagation and measured."""
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(score(leaf), leaf)
    direction = gradient / gradient.norm()
    with torch.no_grad():
        measured = (score(x + step * direction) - score(x - step * direction)) / (2 * step)
    return (gradient * direction).sum().item(), measured.item()


def test_gradient_of_the_waveform_agrees_with_a_finite_difference(binder):
    # With some noise: in bands of pure silence the logarithm is too bent for any finite step.
    wave = 0.8 * a_sound(0.5, 16_000) + 0.02 * noise(1, 8000)
    towards = binder.embed_text(["a siren wailing"])
    slope, measured = slopes(
        lambda w: (binder.embed_audio(w, 16_000) * towards).sum(), wave, step=1e-3
    )
    assert slope == pytest.approx(measured, rel=0.05)


def test_gradient_of_the_pixels_agrees_with_a_finite_difference(binder):
    frames = 0.25 + 0.5 * torch.rand(1, 2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    towards = binder.embed_text(["a dog barking"])
    slope, measured = slopes(lambda f: (binder.embed_video(f) * towards).sum(), frames, step=3e-3)
    assert slope == pytest.approx(measured, rel=0.05)


def test_weights_never_collect_gradients(binder):
    assert not any(p.requires_grad for p in binder.parameters())


def test_mel_at_16_khz_feeds_the_tower_as_the_documented_front_end_does(binder):
    for seed in range(3):
        coarse = resample(a_sound(2.4, 44_100, seed), 44_100, 16_000)
        fine = resample(coarse, 16_000, 44_100)
        ours = blocks_of(sfx_mel_from_waveform(coarse))[:, 0]
        theirs = blocks_of(documented_mel(fine))[:, 0]
        e_ours, e_theirs = binder.audio_tower(ours), binder.audio_tower(theirs)
        assert functional.cosine_similarity(e_ours, e_theirs).item() > 0.99


def test_sample_rate_does_not_matter(binder):
    embeddings = [binder.embed_audio(a_sound(2.4, r), r) for r in (16_000, 22_050, 44_100, 48_000)]
    for e in embeddings[1:]:
        assert (e * embeddings[0]).sum().item() > 0.98


def test_blocks_cover_a_clip_evenly():
    frames = torch.arange(1000.0)[None, :, None].expand(1, 1000, 96)
    starts = [blocks_of(frames[:, :n])[0, :, 0, 0].tolist() for n in (40, 100, 109, 126, 300, 430)]
    assert starts == [[0], [0], [4], [0, 26], [0, 100, 200], [0, 82, 165, 248, 330]]
    padded = blocks_of(frames[:, :40])
    assert padded.shape[2] == BLOCK_FRAMES
    assert not padded[:, :, 40:].any()


def test_peak_normalised_leaves_what_is_nearly_silent_nearly_silent():
    wave = torch.tensor([[0.5, -0.25], [1e-4, 0.0]])
    expected = torch.tensor([[1.0, -0.5], [0.1, 0.0]])
    torch.testing.assert_close(peak_normalised(wave), expected)


def test_filters_of_the_full_spectrum_sum_to_one():
    torch.testing.assert_close(mel_filters(1025, 44_100 / 2048).sum(1), torch.ones(96))


def test_same_padding_adds_more_at_the_end_as_tensorflow_does():
    conv = SameConv2d(1, 1, 3, stride=2)
    torch.nn.init.ones_(conv.weight)
    torch.nn.init.zeros_(conv.bias)
    # TensorFlow pads an even size by (0, 1): the first window starts at the first pixel.
    assert conv(torch.ones(1, 1, 4, 4))[0, 0].tolist() == [[9.0, 6.0], [6.0, 4.0]]


def test_resized_pictures_keep_shape_and_area():
    assert resized(torch.rand(1, 3, 64, 64)).shape[2:] == (224, 224)
    assert resized(torch.rand(1, 3, 360, 640)).shape[2:] == (160, 288)
    assert resized(torch.rand(1, 3, 10, 1000)).shape[2:] == (160, 320)


def test_looks_are_spread_over_the_clip_and_go_near_in_turn():
    frames = torch.arange(16.0)[None, :, None, None, None].expand(1, 16, 3, 32, 32) / 16
    looks = views(frames, 4)
    assert looks.shape == (1, 4, 3, 224, 224)
    assert (16 * looks[0, :, 0, 0, 0]).round().tolist() == [2, 6, 10, 14]
    # A bright dot in the middle of the picture grows as one goes nearer.
    dot = torch.zeros(1, 1, 3, 40, 40)
    dot[..., 16:24, 16:24] = 1
    shares = views(dot, 8)[0].mean((1, 2, 3))
    assert len(shares) == len(VIEWS)
    torch.testing.assert_close(shares[0], torch.tensor(0.04), rtol=0.02, atol=0)
    torch.testing.assert_close(shares[0], shares[1])
    assert shares[1] < shares[2] < shares[3]


@pytest.mark.parametrize(("available", "looks"), [(1, 4), (3, 4), (6, 6), (8, 8), (500, 8)])
def test_a_single_frame_gets_every_view_and_a_long_clip_no_more_than_eight(available, looks):
    assert views(torch.rand(1, available, 3, 1, 1), 8).shape == (1, looks, 3, 224, 224)


def test_every_printable_sentence_has_known_word_pieces(binder):
    tokenizer = binder.text_tower.tokenizer
    printable = "".join(chr(c) for c in range(32, 127)) + " naïve Größe 1234567890 qxzqxz"
    assert tokenizer.unk_token_id not in tokenizer(printable)["input_ids"]


def test_words_that_mean_the_same_are_near(binder):
    e = binder.embed_text(["a dog barking", "a barking puppy", "a violin playing"])
    assert (e[0] @ e[1]).item() > 0.6 > (e[0] @ e[2]).item()


def test_a_phrase_bank_finds_the_phrase_itself(binder):
    bank = PhraseBank(binder)
    assert 300 <= len(set(bank.phrases)) == len(bank.phrases)
    (best, second), _ = bank.nearest(binder.embed_text(["a dog barking", "rain falling"]), 2)
    assert best.phrase == "a dog barking"
    assert best.score == pytest.approx(1.0, abs=1e-4)
    assert second.score < best.score


def test_every_class_belongs_to_at_most_one_concept_and_every_noun_is_unique():
    classes = [index for concept in CONCEPTS for index in concept.classes]
    assert len(set(classes)) == len(classes)
    assert set(classes) <= set(range(1000))
    nouns = [concept.noun for concept in CONCEPTS]
    assert len(set(nouns)) == len(nouns)
    assert all(concept.phrases for concept in CONCEPTS)


def as_frames(path):
    pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB")))
    return pixels.permute(2, 0, 1)[None] / 255


@pytest.mark.long
def test_a_recognised_image_is_captioned_with_its_phrase(binder):
    found = PhraseBank(binder).name_video(as_frames(ROOSTER))
    assert found.is_sure
    assert found.caption == found.matches[0].phrase == "a rooster crowing"
    scores = [match.score for match in found.matches]
    assert scores == sorted(scores, reverse=True)
    assert 0.45 <= scores[0] <= 1.0 >= sum(scores)


@pytest.mark.long
def test_noise_is_not_named(binder):
    noise = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    hiss = torch.randn(32_000, generator=torch.Generator().manual_seed(0)) * 0.1
    bank = PhraseBank(binder)
    for found in (bank.name_video(noise), bank.name_audio(hiss, 16_000)):
        assert not found.is_sure
        assert found.caption in ("", *GROUPS)
        assert len(found.matches) == 5


def test_an_uncertain_name_becomes_the_group_that_is_certain():
    scores = torch.zeros(len(CONCEPTS))
    animals = len(GROUPS["an animal"])
    scores[:animals] = 3.0
    phrases = [concept.phrases[0] for concept in CONCEPTS]
    found = naming_of(scores, phrases, NamingCalibration(1.0, sure=0.5, group=0.5), 5)
    assert (found.caption, found.is_sure) == ("an animal", False)
    scores[:animals] = 0.0
    found = naming_of(scores, phrases, NamingCalibration(1.0, sure=0.5, group=0.5), 5)
    assert (found.caption, found.is_sure) == ("", False)
    scores[7] = 9.0
    found = naming_of(scores, phrases, NamingCalibration(1.0, sure=0.5, group=0.5), 5)
    assert (found.caption, found.is_sure) == (phrases[7], True)


def test_resampling_from_44100_keeps_the_tone():
    tone = a_sound(0.5, 44_100)
    assert (
        functional.cosine_similarity(resample(tone, 44_100, 16_000), a_sound(0.5, 16_000)).item()
        > 0.99
    )


def test_loading_needs_no_network(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("the pocket binder reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    pocket.load()


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"efficientnet_lite0\.safetensors: expected weights"):
        pocket.load(tmp_path)


def test_bfloat16_towers_agree_with_float32(binder):
    fast = pocket.load(dtype=torch.bfloat16)
    wave = a_sound(1.0, 16_000)
    assert (fast.embed_audio(wave, 16_000) * binder.embed_audio(wave, 16_000)).sum() > 0.98
