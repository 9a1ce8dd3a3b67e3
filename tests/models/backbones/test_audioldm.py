"""AudioLDM's format, written to disk at a tiny random size and read back."""

import json
import shutil

import pytest
import torch
from diffusers import DDIMScheduler
from safetensors.torch import load_file, save_file
from tiny_audioldm import unet, vae, vocoder, write_model

from seehear.errors import WeightsError
from seehear.guidance.diffusion import prediction_from, step
from seehear.guidance.protocols import Backbone
from seehear.models.backbones import audioldm

PROMPTS = ["a dog barking", "rain"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "audio")


@pytest.fixture(scope="module")
def model(folder):
    return audioldm.load(folder)


def latents(model, batch=2, duration_s=0.64, seed=0):
    return model.prior(duration_s, batch, torch.Generator().manual_seed(seed))


def test_it_is_a_backbone_with_the_formats_rates(model):
    assert isinstance(model, Backbone)
    assert (model.sample_rate, model.downscale, model.latents_per_s) == (16_000, 4, 25.0)
    assert model.native_duration_s == 10.24
    assert latents(model).shape == (2, 8, 16, 16)


@pytest.mark.parametrize("text", ["clap", "bert"])
def test_what_is_read_computes_what_was_written(tmp_path, text):
    loaded = audioldm.load(write_model(tmp_path / "audio", text=text))
    torch.manual_seed(0)  # write_model's seed and order
    fresh = audioldm.AudioLDM(unet=unet(), vae=vae(), vocoder=vocoder(), scheduler=DDIMScheduler())
    z, y = latents(loaded), loaded.embed_prompt(PROMPTS)
    level = loaded.levels(4)[1]
    torch.testing.assert_close(
        fresh.predict(z, level, y, 2.5).eps, loaded.predict(z, level, y, 2.5).eps
    )
    torch.testing.assert_close(fresh.decode(z), loaded.decode(z))


def test_the_scale_of_the_latents_follows_the_autoencoder(tmp_path):
    half = audioldm.load(write_model(tmp_path / "audio", vae_blocks=2))
    assert (half.downscale, half.latents_per_s) == (2, 50.0)
    assert latents(half).shape == (2, 8, 32, 32)


def test_the_index_may_give_the_length_and_share_the_text_encoder(tmp_path, model):
    folder = write_model(
        tmp_path / "audio",
        text="bert",
        shared_text=True,
        extra_index={"_native_duration_s": 5.12},
    )
    shared = audioldm.load(folder)
    assert shared.native_duration_s == 5.12
    assert not (folder / "text_encoder").exists()
    assert shared.embed_prompt(PROMPTS).shape == (4, 16)


def test_ddim_levels_are_the_schedulers_own(model):
    scheduler = model.scheduler
    scheduler.set_timesteps(30)
    levels = model.levels(30)
    assert [level.t for level in levels[:3]] == [958, 925, 892]
    z, eps = torch.randn(2, 1, 8, 4, 4).unbind()
    for i in (0, 14, 29):
        ours = step(prediction_from("eps", eps, z, levels[i]), levels[i + 1])
        theirs = scheduler.step(eps, int(levels[i].t), z).prev_sample
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_every_prediction_type_ties_clean_estimate_and_noise_together(tmp_path, kind):
    model = audioldm.load(write_model(tmp_path / "audio", prediction_type=kind))
    z, y, level = latents(model), model.embed_prompt(PROMPTS), model.levels(4)[2]
    made = model.predict(z, level, y, 2.5)
    torch.testing.assert_close(level.alpha * made.x0 + level.sigma * made.eps, z)
    scheduler = model.scheduler
    output = {"epsilon": made.eps, "sample": made.x0}.get(
        kind, level.alpha * made.eps - level.sigma * made.x0
    )
    theirs = scheduler.step(output, int(level.t), z).pred_original_sample
    torch.testing.assert_close(made.x0, theirs, rtol=1e-4, atol=1e-4)


def test_prompt_rows_have_unit_length_and_the_empty_prompt_is_the_unconditional_one(model):
    y = model.embed_prompt(["a dog barking", ""])
    torch.testing.assert_close(y.norm(dim=-1), torch.ones(4))
    assert torch.equal(y[3], y[0])
    assert not torch.allclose(y[2], y[0])


def test_padding_beside_a_longer_prompt_changes_nothing(tmp_path, model):
    bert = audioldm.load(write_model(tmp_path / "audio", text="bert"))
    for any_model in (model, bert):
        alone = any_model.embed_prompt(["rain"])
        beside = any_model.embed_prompt(["rain", "a long train horn echoes across the river"])
        torch.testing.assert_close(alone[1], beside[2])
        any_model.embed_prompt(["far too long " * 50])  # truncated


def test_guidance_scales_between_two_single_predictions(model):
    z, y, level = latents(model), model.embed_prompt(PROMPTS), model.levels(4)[1]
    conditional = model.predict(z, level, y, 1.0).eps
    unconditional = model.predict(z, level, torch.cat([y[2:], y[:2]]), 1.0).eps
    wanted = unconditional + 2.5 * (conditional - unconditional)
    torch.testing.assert_close(model.predict(z, level, y, 2.5).eps, wanted)


def test_half_the_rows_do_where_the_other_half_would_change_nothing(model, monkeypatch):
    rows = []
    forward = type(model.unet).forward
    monkeypatch.setattr(
        type(model.unet),
        "forward",
        lambda self, z, *args, **kw: rows.append(len(z)) or forward(self, z, *args, **kw),
    )
    z, y, level = latents(model), model.embed_prompt(PROMPTS), model.levels(4)[1]
    model.predict(z, level, y, 1.0)
    model.predict(z, level, y, 2.5)
    assert rows == [2, 4]
    nothing = model.embed_prompt(["", ""])
    cut = model.predict(z, level, nothing, 2.5).eps
    tuned = nothing.requires_grad_()  # its gradient is scaled by guidance: all of it is needed
    torch.testing.assert_close(model.predict(z, level, tuned, 2.5).eps, cut)
    assert rows == [2, 4, 2, 4]


def test_gradients_reach_latents_and_prompt_and_no_weight(model):
    z, y = latents(model).requires_grad_(), model.embed_prompt(PROMPTS).requires_grad_()
    waveform = model.decode(model.predict(z, model.levels(4)[1], y, 2.5).x0)
    to_z, to_y = torch.autograd.grad(waveform.square().mean(), (z, y))
    assert to_z.abs().max() > 0
    assert to_y.abs().max() > 0
    networks = (model.unet, model.vae, model.vocoder, model.text_encoder)
    assert not any(p.requires_grad for network in networks for p in network.parameters())
    assert not any(network.training for network in networks)


def test_gradients_agree_with_finite_differences(folder):
    model = audioldm.load(folder, dtype=torch.float64)
    z, y = latents(model, batch=1, duration_s=0.32), model.embed_prompt(["rain"])
    level = model.levels(4)[2]
    assert z.dtype == torch.float64

    def loudness(z, y):
        return model.decode(model.predict(z, level, y, 2.5).x0).square().mean()

    inputs = (z.requires_grad_(), y.requires_grad_())
    assert torch.autograd.gradcheck(loudness, inputs, fast_mode=True, eps=1e-5, atol=1e-6)


def test_recomputed_activations_give_the_same_gradient(folder, model):
    frugal = audioldm.load(folder, checkpointing=True)
    grads = []
    for any_model in (model, frugal):
        z, y = latents(model).requires_grad_(), model.embed_prompt(PROMPTS).requires_grad_()
        waveform = any_model.decode(any_model.predict(z, model.levels(4)[1], y, 2.5).x0)
        grads.append(torch.autograd.grad(waveform.square().mean(), (z, y)))
    for plain, recomputed in zip(*grads, strict=True):
        torch.testing.assert_close(plain, recomputed)


def test_a_batch_of_two_equals_two_of_one(model):
    z, y, level = latents(model), model.embed_prompt(PROMPTS), model.levels(4)[1]
    both = model.decode(model.predict(z, level, y, 2.5).x0)
    for row in range(2):
        alone = model.predict(z[row : row + 1], level, y[row::2], 2.5)
        torch.testing.assert_close(both[row : row + 1], model.decode(alone.x0))


def test_bfloat16_keeps_latents_and_waveform_in_float32_near_the_exact_ones(folder, model):
    narrow = audioldm.load(folder, dtype=torch.bfloat16)
    z, level = latents(narrow).requires_grad_(), narrow.levels(4)[2]
    made = narrow.predict(z, level, narrow.embed_prompt(PROMPTS), 2.5)
    waveform = narrow.decode(made.x0)
    assert {z.dtype, made.x0.dtype, made.eps.dtype, waveform.dtype} == {torch.float32}
    exact = model.predict(z, level, model.embed_prompt(PROMPTS), 2.5)
    assert (made.eps - exact.eps).norm() < 0.05 * exact.eps.norm()
    (grad,) = torch.autograd.grad(waveform.square().mean(), z)
    assert grad.isfinite().all()
    assert grad.abs().max() > 0


def test_a_seed_gives_the_same_latents_at_every_precision(folder, model):
    narrow = audioldm.load(folder, dtype=torch.bfloat16)
    assert torch.equal(latents(narrow), latents(model))


def test_the_decoded_sound_lasts_as_long_as_the_latents(model):
    z = latents(model, duration_s=1.0)
    assert z.shape[2] == 25
    assert 0 <= model.decode(z).shape[-1] - 16_000 < 100


def test_a_waveform_is_coded_as_its_own_spectrogram_at_the_latents_rate(model):
    sound = 0.1 * torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))
    assert model.latents_from_waveform(sound).shape == (2, 8, 25, 16)
    assert model.latents_from_waveform(sound[:, :15_700]).shape == (2, 8, 25, 16)


def test_records_name_every_weight_file_and_the_licence(folder, model, tmp_path):
    hashes = model.checkpoint.hashes(("unet", "vae", "vocoder", "text_encoder"))
    assert set(hashes) == {
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "vocoder/model.safetensors",
        "text_encoder/model.safetensors",
    }
    assert model.checkpoint.licence() is None
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "README.md").write_text("---\ntags: [sound]\nlicense: cc-by-nc-sa-4.0\n---\n# Card\n")
    assert audioldm.load(copy).checkpoint.licence() == "cc-by-nc-sa-4.0"


def test_older_pickled_weights_load_too(folder, tmp_path, model):
    copy = shutil.copytree(folder, tmp_path / "copy")
    for part in ("unet", "vae"):
        safe = copy / part / "diffusion_pytorch_model.safetensors"
        torch.save(load_file(safe), safe.with_suffix(".bin"))
        safe.unlink()
    z = latents(model)
    torch.testing.assert_close(audioldm.load(copy).decode(z), model.decode(z))


@pytest.mark.parametrize("part", ["unet", "vae", "vocoder", "text_encoder", "tokenizer"])
def test_a_missing_component_is_named(folder, tmp_path, part):
    copy = shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(copy / part)
    with pytest.raises(WeightsError, match=rf"component '{part}'.*does not exist.*download"):
        audioldm.load(copy)


def test_weights_that_do_not_fit_are_refused_and_not_made_up(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    file = copy / "vocoder" / "model.safetensors"
    state = load_file(file)
    del state["conv_pre.weight"]
    save_file(state, file, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"weights of vocoder.*conv_pre\.weight"):
        audioldm.load(copy)


@pytest.mark.parametrize("part", ["unet", "vocoder", "text_encoder"])
def test_a_damaged_weight_file_is_named(folder, tmp_path, part):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (file,) = (copy / part).glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=part):
        audioldm.load(copy)


def test_a_broken_index_is_named(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "model_index.json").write_text("{")
    with pytest.raises(WeightsError, match=r"model_index\.json: expected JSON"):
        audioldm.load(copy)


def test_a_checkpoint_of_another_kind_is_named(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    index = json.loads((copy / "model_index.json").read_text())
    del index["vocoder"]
    (copy / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(WeightsError, match="another model"):
        audioldm.load(copy)


def test_an_unknown_name_says_what_a_source_can_be(tmp_path):
    with pytest.raises(WeightsError, match="local cache"):
        audioldm.load("nobody/such-model", local_files_only=True)
    with pytest.raises(WeightsError, match=r"model_index\.json"):
        audioldm.load(tmp_path)
