"""ImageBind against numbers of the original modules at a tiny size, float64, random weights."""

import golden_numbers as golden
import pytest
import torch
from torch.nn.functional import cosine_similarity, normalize

from seehear.errors import WeightsError
from seehear.guidance.protocols import Binder
from seehear.models.binders import imagebind
from seehear.models.binders.imagebind import ImageBindConfig, clip_bounds
from seehear.models.binders.imagebind.audio_input import audio_input, mel_bank
from seehear.models.binders.imagebind.tokenizer import Tokenizer
from seehear.models.binders.imagebind.towers import towers_from_state
from seehear.models.binders.imagebind.vision_input import clip_pairs, vision_input

SAMPLINGS = {"3x2": (2.0, 3), "1s": (1.0, None)}  # clip seconds, clips; None: one a second


def waveform(seconds: int):
    return golden.arrays("imagebind/inputs.npz")[f"wave_{seconds}s"].double()[None] / 32768


def binder(seconds: int, sampling: str):
    clip_duration_s, num_clips = SAMPLINGS[sampling]
    return golden.imagebind(clip_duration_s, num_clips or seconds)


def spectrograms(seconds: int, sampling: str):
    model, sound = binder(seconds, sampling), waveform(seconds)
    bounds = clip_bounds(sound.shape[-1], model.config)
    clips = torch.cat([sound[:, first:end] for first, end in bounds])
    return audio_input(clips, model.mel_bank)[:, 0]


def assert_near(got, wanted, atol):
    torch.testing.assert_close(got, wanted, rtol=0, atol=atol)


def outputs():
    return golden.arrays("imagebind/outputs.npz")


def test_mel_bank_is_the_reference_float32_table():
    wanted = golden.arrays("imagebind/tables.npz")["mel_bank"]
    # An ulp of float32's logarithm near 2.5, in mel, over half a band's 22 mel, and its rounding:
    # what another processor can make of a weight.
    assert_near(mel_bank(), wanted, 2.4e-7 * 1127 / 20)


def test_clip_bounds_are_the_reference_rule_for_every_length_and_number():
    for row in golden.arrays("imagebind/tables.npz")["clip_table"].tolist():
        samples, seconds, clips = row[:3]
        wanted = list(zip(row[3 : 3 + clips], row[19 : 19 + clips], strict=True))
        config = ImageBindConfig(clip_duration_s=float(seconds), num_clips=clips)
        assert clip_bounds(samples, config) == wanted


@pytest.mark.parametrize("seconds", [1, 2, 10])
@pytest.mark.parametrize("sampling", ["3x2", "1s"])
def test_spectrograms_have_the_reference_sums(seconds, sampling):
    mel = spectrograms(seconds, sampling)
    sums = torch.stack([mel.sum((1, 2)), mel.square().sum((1, 2))])
    torch.testing.assert_close(sums, outputs()[f"fbanksum_{seconds}s_{sampling}"])


def test_spectrograms_equal_the_reference_entry_by_entry():
    for seconds in (1, 2):
        mel = spectrograms(seconds, "1s")
        assert_near(mel[..., :98], outputs()[f"fbank_{seconds}s_1s"][0, :, 0], 1e-11)
        assert_near(mel[..., 98:], outputs()["pad_value"].expand(seconds, 128, 106), 0)
    assert_near(spectrograms(2, "3x2")[0, :, :204:2], outputs()["fbank_2s_3x2_clip0"], 1e-11)
    assert_near(spectrograms(10, "3x2")[..., :204:6], outputs()["fbank_10s_3x2"], 1e-11)
    probe = golden.arrays("imagebind/inputs.npz")["fbank_probe"]
    ten = spectrograms(10, "1s")[..., :98].flatten(1)[:, probe]
    assert_near(ten, outputs()["fbank_10s_1s"], 1e-11)


@pytest.mark.parametrize("seconds", [1, 2, 10])
@pytest.mark.parametrize("sampling", ["3x2", "1s"])
def test_audio_embeddings_equal_the_reference(seconds, sampling):
    wanted = outputs()[f"emb_audio_{seconds}s_{sampling}"]
    model = binder(seconds, sampling)
    mel = spectrograms(seconds, sampling)
    assert_near(model.towers.embed_audio(mel[None, :, None]), wanted, 1e-11)
    got = model.embed_audio(waveform(seconds), 16_000)
    assert_near(got, normalize(wanted, dim=-1), 1e-11)


def test_vision_embeddings_equal_the_reference():
    entries = golden.settings("imagebind/inputs.json")["pixels"]
    model = binder(2, "1s")
    video, image = golden.pixels(entries["video"]), golden.pixels(entries["image"])
    assert_near(model.towers.embed_vision(video), outputs()["emb_video"], 1e-11)
    twice = image[:, None, :, None].expand(-1, -1, -1, 2, -1, -1)
    assert_near(model.towers.embed_vision(twice), outputs()["emb_image"], 1e-11)
    # The same through the protocol: (batch, clips, 3, 2, h, w) as four frames in time.
    frames = golden.bytes_of(entries["video"]).double() / 255
    frames = frames.transpose(2, 3).flatten(1, 2)
    wanted = normalize(outputs()["emb_video"], dim=-1)
    assert_near(model.embed_video(frames), wanted, 1e-11)
    picture = (golden.bytes_of(entries["image"]).double() / 255)[:, None]
    assert_near(model.embed_video(picture), normalize(outputs()["emb_image"], dim=-1), 1e-11)


@pytest.mark.parametrize("tokens", ["v2a", "upstream"])
def test_text_embeddings_equal_the_reference(tokens):
    ids = golden.arrays("imagebind/inputs.npz")[f"ids_{tokens}"]
    assert_near(golden.imagebind_towers().embed_text(ids), outputs()[f"emb_text_{tokens}"], 1e-11)


@torch.no_grad()
def test_stems_and_trunks_equal_the_reference():
    towers, want = golden.imagebind_towers(), outputs()
    video = golden.pixels(golden.settings("imagebind/inputs.json")["pixels"]["video"])[0, :1]
    inputs = {
        "vision": video,
        "audio": spectrograms(2, "1s")[:1, None],
        "text": golden.arrays("imagebind/inputs.npz")["ids_v2a"][:1],
    }
    for modality, given in inputs.items():
        stem = towers.modality_preprocessors[modality](given)
        assert_near(stem[0, :4], want[f"{modality}_stem"], 1e-11)
        trunk = towers.modality_trunks[modality](stem)[0]
        assert_near(trunk[: len(want[f"{modality}_trunk"])], want[f"{modality}_trunk"], 1e-11)


@pytest.mark.parametrize(("seconds", "sampling"), [(2, "1s"), (2, "3x2"), (10, "1s"), (10, "3x2")])
def test_gradients_reach_waveform_and_pixels_as_in_the_reference(seconds, sampling):
    name = f"{seconds}s_{sampling}"
    model, want, given = (
        binder(seconds, sampling),
        outputs(),
        golden.arrays("imagebind/inputs.npz"),
    )
    entry = golden.settings("imagebind/inputs.json")["pixels"]["video"]
    video = golden.pixels(entry)[:1].requires_grad_()
    sound = waveform(seconds).requires_grad_()
    cosine = cosine_similarity(model.embed_audio(sound, 16_000), model.towers.embed_vision(video))
    assert_near(cosine.detach(), want[f"cos_{name}"], 1e-12)
    to_sound, to_pixels = torch.autograd.grad(cosine.sum(), (sound, video))
    assert_near(to_sound.norm(), want[f"gwave_{name}_norm"], 1e-11)
    assert_near(to_pixels.norm(), want[f"gpix_{name}_norm"], 1e-11)
    if seconds == 10:
        probed = to_sound.flatten()[given["wave10_probe"]]
    else:
        probed = to_sound if sampling == "1s" else to_sound.flatten()[::64]
    assert_near(probed, want[f"gwave_{name}"], 1e-11)
    if f"gpix_{name}" in want:
        assert_near(to_pixels.flatten()[given["pixel_probe"]], want[f"gpix_{name}"], 1e-11)


def test_it_is_a_binder_and_a_batch_of_two_equals_two_of_one():
    model = binder(2, "1s")
    assert isinstance(model, Binder)
    sounds = torch.cat([waveform(2), waveform(2).roll(5000, dims=-1)])
    both = model.embed_audio(sounds, 16_000)
    assert_near(both[1:], model.embed_audio(sounds[1:], 16_000), 1e-12)


def test_overlapping_clips_leave_the_callers_waveform_alone():
    sound = waveform(1)
    before = sound.clone()
    binder(1, "3x2").embed_audio(sound, 16_000)
    assert torch.equal(sound, before)


def test_another_sample_rate_gives_nearly_the_same_embedding():
    t = torch.arange(44_100, dtype=torch.float64) / 44_100
    high = (0.3 * torch.sin(2 * torch.pi * 440 * t) * torch.sin(7 * t))[None]
    t = torch.arange(16_000, dtype=torch.float64) / 16_000
    low = (0.3 * torch.sin(2 * torch.pi * 440 * t) * torch.sin(7 * t))[None]
    model = binder(1, "1s")
    cosine = cosine_similarity(model.embed_audio(high, 44_100), model.embed_audio(low, 16_000))
    assert cosine.item() > 0.9999


def test_silence_has_a_finite_gradient():
    silence = torch.zeros(1, 16_000, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(binder(1, "1s").embed_audio(silence, 16_000).sum(), silence)
    assert grad.isfinite().all()


def test_pairs_are_the_first_and_last_frame_of_equal_spans():
    frames = torch.arange(10.0).view(1, 10, 1, 1, 1).expand(-1, -1, 3, 1, 1)
    assert clip_pairs(frames, 3)[0, :, :, 0, 0, 0].tolist() == [[0, 2], [3, 5], [6, 9]]
    assert clip_pairs(frames[:, :1], 3)[0, :, :, 0, 0, 0].tolist() == [[0, 0]]


@pytest.mark.parametrize("shape", [(90, 160), (160, 90), (224, 224)])
def test_three_crops_cover_both_ends_of_the_long_side(shape):
    frames = torch.rand(2, 4, 3, *shape, generator=torch.Generator().manual_seed(0))
    crops = vision_input(frames, 2, "three")
    copies = 1 if shape[0] == shape[1] else 3
    assert crops.shape == (2, 2 * copies, 3, 2, 224, 224)
    middle = vision_input(frames, 2, "centre")
    assert torch.equal(crops.unflatten(1, (2, copies))[:, :, copies // 2], middle)


def test_weights_read_from_disk_give_the_same_embedding(tmp_path):
    from safetensors.torch import save_file

    state = {k: v.contiguous() for k, v in golden.imagebind_state().items() if ".audio." in k}
    save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"audio": {"heads": 4}}')
    model = imagebind.load(
        tmp_path, trunks=("audio",), clip_duration_s=1.0, num_clips=2, dtype=torch.float64
    )
    wanted = normalize(outputs()["emb_audio_2s_1s"], dim=-1)
    assert_near(model.embed_audio(waveform(2), 16_000), wanted, 1e-3)  # our own mel bank
    with pytest.raises(WeightsError, match="vocabulary"):
        model.embed_text(["a dog"])


def test_bfloat16_towers_return_float32_embeddings_near_the_exact_ones():
    towers = towers_from_state(
        golden.imagebind_state(), ["audio"], heads=golden.imagebind_heads(), dtype=torch.bfloat16
    )
    model = imagebind.ImageBind(towers, ImageBindConfig(clip_duration_s=1.0, num_clips=2))
    got = model.embed_audio(waveform(2).float(), 16_000)
    assert got.dtype == torch.float32
    assert cosine_similarity(got, outputs()["emb_audio_2s_1s"].float()).item() > 0.999


def test_another_models_weights_are_refused_by_name(tmp_path):
    with pytest.raises(WeightsError, match=r"imagebind_huge\.pth"):
        towers_from_state({"unet.weight": torch.zeros(2)})
    with pytest.raises(WeightsError, match="found none"):
        imagebind.load(tmp_path / "absent.pth")


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    return golden.write_letters(tmp_path_factory.mktemp("vocabulary"))


def test_tokens_start_and_end_however_long_the_prompt(vocabulary):
    prompts = golden.settings("imagebind/inputs.json")["prompts"]
    ids = Tokenizer(vocabulary)(prompts)
    assert ids.shape == (len(prompts), 77)
    assert (ids[:, 0] == 49_406).all()
    assert ((ids == 49_407).sum(1) == 1).all()
    long, empty = ids[4], ids[2]
    assert long[76] == 49_407
    assert empty.tolist() == [49_406, 49_407, *[0] * 75]


def test_escapes_case_and_white_space_do_not_matter(vocabulary):
    one, two = Tokenizer(vocabulary)(["  waves &amp;amp; WIND\tcrash\n", "waves & wind crash"])
    assert torch.equal(one, two)


def test_another_vocabulary_is_refused(vocabulary, tmp_path):
    with pytest.raises(WeightsError, match=r"vocab\.json"):
        Tokenizer(tmp_path)
