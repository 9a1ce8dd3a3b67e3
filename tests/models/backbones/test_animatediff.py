"""Stable Diffusion's and AnimateDiff's formats, written to disk at a tiny size and read back."""

import json
import shutil

import pytest
import torch
from diffusers import AnimateDiffPipeline, DDIMScheduler, UNetMotionModel
from safetensors.torch import load_file, save_file
from tiny_animatediff import (
    motion_adapter,
    unet,
    vae,
    write_animatediff,
    write_motion,
    write_stable_diffusion,
    write_tiny_decoder,
)

from seehear.errors import SettingsError, WeightsError
from seehear.guidance.conditions import Targets
from seehear.guidance.diffusion import step
from seehear.guidance.objective import Agreement
from seehear.guidance.protocols import Backbone
from seehear.guidance.sampling import preview_of, sample
from seehear.guidance.settings import AlignerConfig, SamplingSettings
from seehear.guidance.streams import A2V
from seehear.guidance.windows import WindowedBackbone, WindowLayout, layout_of
from seehear.models.backbones import animatediff
from seehear.models.binders import linear

PROMPTS = ["a rooster crows", "rain"]
FRAMES = 3


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {
        "sd": write_stable_diffusion(root / "sd"),
        "motion": write_motion(root / "motion"),
        "tiny": write_tiny_decoder(root / "tiny"),
        "whole": write_animatediff(root / "whole"),
    }


def loaded(folders, **options):
    return animatediff.load(folders["sd"], motion=folders["motion"], **options)


@pytest.fixture(scope="module")
def model(folders):
    return loaded(folders)


@pytest.fixture(scope="module")
def still(folders):
    return animatediff.load(folders["sd"], num_frames=1)


def latents(model, batch=2, frames=FRAMES, seed=0):
    duration_s = frames / model.latents_per_s
    return model.prior(duration_s, batch, torch.Generator().manual_seed(seed))


def test_clips_have_the_formats_size_and_animatediffs_length(model):
    assert isinstance(model, Backbone)
    assert (model.stream, model.num_frames, model.sample_rate) == ("video", 16, 8.0)
    assert (model.native_duration_s, model.max_frames) == (2.0, 24)
    z = model.prior(2.0, 1, torch.Generator().manual_seed(0))
    assert z.shape == (1, 4, 16, 8, 8)
    assert model.decode(z[:, :, :2]).shape == (1, 2, 3, 16, 16)


def test_what_is_read_computes_what_was_written(model):
    torch.manual_seed(0)  # write_stable_diffusion's seed and order
    fresh_unet, fresh_vae = unet(), vae()
    torch.manual_seed(1)  # write_motion's
    fresh = animatediff.AnimateDiff(
        unet=UNetMotionModel.from_unet2d(fresh_unet, motion_adapter()),
        vae=fresh_vae,
        scheduler=DDIMScheduler(),
    )
    z, y, level = latents(model), model.embed_prompt(PROMPTS), model.levels(4)[1]
    torch.testing.assert_close(
        fresh.predict(z, level, y, 7.5).eps, model.predict(z, level, y, 7.5).eps
    )
    torch.testing.assert_close(fresh.decode(z), model.decode(z))


def test_the_schedule_is_animatediffs_whatever_the_picture_models_was(model):
    levels = model.levels(25)
    assert [level.t for level in levels[:25]] == list(range(961, 0, -40))
    alpha_bar = (1 - torch.linspace(0.00085, 0.012, 1000)).cumprod(0)
    assert levels[0].alpha ** 2 == pytest.approx(alpha_bar[961].item(), rel=1e-5)
    assert (levels[-1].alpha, levels[-1].sigma) == (1, 0)  # set_alpha_to_one


def test_a_still_keeps_the_picture_models_schedule_and_has_one_frame(still):
    assert still.is_still
    assert (still.num_frames, still.max_frames) == (1, None)
    assert still.prior(4.0, 2, torch.Generator().manual_seed(0)).shape == (2, 4, 1, 8, 8)
    scaled_linear = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    wanted = (1 - scaled_linear).cumprod(0)[961]
    assert still.levels(25)[0].alpha ** 2 == pytest.approx(wanted.item(), rel=1e-5)


def test_a_whole_checkpoint_says_what_its_clips_are_like(folders):
    whole = animatediff.load(folders["whole"])
    assert (whole.num_frames, whole.sample_rate, whole.max_frames) == (4, 6.25, 16)
    assert whole.native_duration_s == pytest.approx(0.64)
    assert whole.tiny_decoder is not None
    assert whole.scheduler.config["beta_start"] == 0.001
    assert whole.embed_prompt(["rain"]).shape == (2, 10, 16)
    # One folder serves stills too, on the schedule that its picture model was trained with.
    single = animatediff.load(folders["whole"], num_frames=1)
    assert single.is_still
    assert single.scheduler.config["beta_start"] == 0.001
    # A foreign adapter brings its own.
    other = animatediff.load(folders["whole"], motion=folders["motion"])
    assert other.scheduler.config["beta_start"] == 0.00085


def test_a_unet_saved_with_its_motion_modules_is_read_as_it_is(folders, model, tmp_path):
    copy = shutil.copytree(folders["sd"], tmp_path / "copy")
    shutil.rmtree(copy / "unet")
    model.unet.save_pretrained(copy / "unet")
    index = json.loads((copy / "model_index.json").read_text())
    index["unet"] = ["diffusers", "UNetMotionModel"]
    (copy / "model_index.json").write_text(json.dumps(index))
    z, y, level = latents(model), model.embed_prompt(PROMPTS), model.levels(4)[1]
    again = animatediff.load(copy).predict(z, level, y, 7.5).eps
    torch.testing.assert_close(again, model.predict(z, level, y, 7.5).eps)
    with pytest.raises(WeightsError, match="motion modules already"):
        animatediff.load(copy, num_frames=1)


def test_sampling_equals_the_librarys_own_pipeline(model):
    pipeline = AnimateDiffPipeline(
        vae=model.vae, text_encoder=model.text_encoder, tokenizer=model.tokenizer,
        unet=model.unet, motion_adapter=None, scheduler=model.scheduler,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    z = latents(model, batch=1)
    theirs = pipeline(
        PROMPTS[0], negative_prompt="", num_frames=FRAMES, num_inference_steps=4,
        guidance_scale=7.5, latents=z.clone(), output_type="pt", height=16, width=16,
    ).frames  # fmt: skip
    settings = SamplingSettings(num_steps=4, guidance_scale=7.5)
    y = {"video": model.embed_prompt(PROMPTS[:1])}
    ours = sample({"video": model}, {"video": z}, y, None, settings).latents["video"]
    torch.testing.assert_close(model.decode(ours), theirs, rtol=0, atol=1e-4)


def test_the_negative_prompt_is_the_unconditional_half(folders, model):
    wary = loaded(folders, negative_prompt="blurry")
    y = wary.embed_prompt(["rain", ""])
    plain = model.embed_prompt(["blurry", ""])
    torch.testing.assert_close(y[:2], plain[2:3].expand(2, -1, -1))
    assert torch.equal(y[3], plain[0])  # no prompt stays no prompt
    assert torch.equal(plain[3], plain[0])


def test_no_prompts_embedding_depends_on_its_neighbours(folders, model):
    whole = animatediff.load(folders["whole"])  # an encoder that looks both ways
    for any_model in (model, whole):
        alone = any_model.embed_prompt(["rain"])
        beside = any_model.embed_prompt(["rain", "a long train horn echoes" * 9])  # truncated
        torch.testing.assert_close(alone[1], beside[2])


def test_guidance_scales_between_two_single_predictions(model):
    z, y, level = latents(model), model.embed_prompt(PROMPTS), model.levels(4)[1]
    conditional = model.predict(z, level, y, 1.0).eps
    unconditional = model.predict(z, level, torch.cat([y[2:], y[:2]]), 1.0).eps
    wanted = unconditional + 7.5 * (conditional - unconditional)
    torch.testing.assert_close(model.predict(z, level, y, 7.5).eps, wanted)


def test_frames_of_a_clip_know_of_each_other_and_stills_do_not(model, still):
    for any_model, is_moved in ((model, True), (still, False)):
        z, y = latents(model, batch=1), any_model.embed_prompt(["rain"])
        level = any_model.levels(4)[1]
        changed = z.clone()
        changed[:, :, 0] += 1
        before, after = (any_model.predict(v, level, y, 2.0).eps[:, :, 2] for v in (z, changed))
        assert torch.allclose(before, after, atol=1e-5) != is_moved


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_every_prediction_type_ties_clean_estimate_and_noise_together(folders, tmp_path, kind):
    source = write_stable_diffusion(tmp_path / "sd", prediction_type=kind)
    model = animatediff.load(source, motion=folders["motion"])
    z, y, level = latents(model), model.embed_prompt(PROMPTS), model.levels(4)[2]
    made = model.predict(z, level, y, 2.5)
    torch.testing.assert_close(step(made, level), z)
    output = {"epsilon": made.eps, "sample": made.x0}.get(
        kind, level.alpha * made.eps - level.sigma * made.x0
    )
    theirs = model.scheduler.step(output, int(level.t), z).pred_original_sample
    torch.testing.assert_close(made.x0, theirs, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_any_subset_of_frames_decodes_alike_in_chunks_of_any_size(folders, model):
    z = latents(model, frames=5)
    whole = model.decode(z)
    assert whole.min() >= 0
    assert whole.max() <= 1
    torch.testing.assert_close(model.decode(z[:, :, [0, 3]]), whole[:, [0, 3]])
    torch.testing.assert_close(loaded(folders, decode_chunk=1).decode(z), whole)


def test_the_tiny_decoder_serves_guidance_and_previews_and_not_the_result(folders, model):
    quick = loaded(folders, tiny_decoder=folders["tiny"])
    z = latents(model, batch=1)
    with torch.no_grad():
        torch.testing.assert_close(quick.decode(z), model.decode(z))
        preview = quick.preview(z)
        torch.testing.assert_close(model.preview(z), model.decode(z))
        level = quick.levels(4)[-1]
        eps = torch.zeros_like(z)
        for backbone in (quick, WindowedBackbone(quick, layout_of(quick, 0.5))):
            shown = preview_of({"video": backbone}, {"video": z}, {"video": eps}, {"video": level})
            torch.testing.assert_close(shown()["video"], quick.preview(z / level.alpha))
    assert preview.shape == (1, FRAMES, 3, 16, 16)
    leaf = z.clone().requires_grad_()
    guided = quick.decode(leaf)
    torch.testing.assert_close(guided.detach(), preview)
    (grad,) = torch.autograd.grad(guided.square().sum(), leaf)
    assert grad.abs().max() > 0


def test_gradients_reach_latents_and_prompt_and_no_weight(folders, model, still):
    for any_model in (model, still, loaded(folders, tiny_decoder=folders["tiny"])):
        z = latents(any_model).requires_grad_()
        y = any_model.embed_prompt(PROMPTS).requires_grad_()
        frames = any_model.decode(any_model.predict(z, any_model.levels(4)[1], y, 2.5).x0)
        to_z, to_y = torch.autograd.grad(frames.square().mean(), (z, y))
        assert to_z.abs().max() > 0
        assert to_y.abs().flatten(1).amax(1).min() > 0  # both halves of the stack
        networks = (any_model.unet, any_model.vae, any_model.text_encoder, any_model.tiny_decoder)
        for network in networks:
            if network is not None:
                assert not network.training
                assert not any(p.requires_grad for p in network.parameters())


def test_gradients_agree_with_finite_differences(folders):
    model = loaded(folders, dtype=torch.float64)
    z, y = latents(model, batch=1, frames=2), model.embed_prompt(["rain"])
    level = model.levels(4)[2]
    assert z.dtype == torch.float64

    def brightness(z, y):
        return model.decode(model.predict(z, level, y, 2.5).x0).square().mean()

    inputs = (z.requires_grad_(), y.requires_grad_())
    assert torch.autograd.gradcheck(brightness, inputs, fast_mode=True, eps=1e-5, atol=1e-6)


def test_recomputed_activations_give_the_same_gradient(folders, model):
    frugal = loaded(folders, checkpointing=True, decode_chunk=2)
    grads = []
    for any_model in (model, frugal):
        z, y = latents(model).requires_grad_(), model.embed_prompt(PROMPTS).requires_grad_()
        frames = any_model.decode(any_model.predict(z, model.levels(4)[1], y, 2.5).x0)
        grads.append(torch.autograd.grad(frames.square().mean(), (z, y)))
    for plain, recomputed in zip(*grads, strict=True):
        torch.testing.assert_close(plain, recomputed)


def test_a_batch_of_two_equals_two_of_one(model, still):
    for any_model in (model, still):
        z, y = latents(any_model), any_model.embed_prompt(PROMPTS)
        level = any_model.levels(4)[1]
        both = any_model.decode(any_model.predict(z, level, y, 2.5).x0)
        for row in range(2):
            alone = any_model.predict(z[row : row + 1], level, y[row::2], 2.5)
            torch.testing.assert_close(
                both[row : row + 1], any_model.decode(alone.x0), rtol=0, atol=1e-4
            )


def test_bfloat16_keeps_latents_and_frames_in_float32_near_the_exact_ones(folders, model):
    narrow = loaded(folders, dtype=torch.bfloat16)
    z, level = latents(narrow).requires_grad_(), narrow.levels(4)[2]
    assert torch.equal(z, latents(model))
    made = narrow.predict(z, level, narrow.embed_prompt(PROMPTS), 2.5)
    frames = narrow.decode(made.x0)
    assert {z.dtype, made.x0.dtype, made.eps.dtype, frames.dtype} == {torch.float32}
    exact = model.predict(z, level, model.embed_prompt(PROMPTS), 2.5)
    assert (made.eps - exact.eps).norm() < 0.05 * exact.eps.norm()
    (grad,) = torch.autograd.grad(frames.square().mean(), z)
    assert grad.isfinite().all()
    assert grad.abs().max() > 0


def test_frames_code_to_latents_that_decode_to_their_size(model):
    frames = torch.rand(2, FRAMES, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    z = model.latents_from_frames(frames)
    assert z.shape == (2, 4, FRAMES, 8, 8)
    mean = model.vae.encode(2 * frames[1, :1] - 1).latent_dist.mean * 0.18215
    torch.testing.assert_close(z[1:, :, 0], mean)


def test_a_clip_longer_than_the_motion_modules_know_needs_windows(folders):
    whole = animatediff.load(folders["whole"], fps=8.0)
    z, y = latents(whole, batch=1, frames=18), whole.embed_prompt(["rain"])
    with pytest.raises(SettingsError, match="at most 16 frames"):
        whole.predict(z, whole.levels(4)[1], y, 1.0)
    windowed = WindowedBackbone(whole, WindowLayout(window=4, overlap=2), crossfade=1)
    with torch.no_grad():
        assert windowed.predict(z, whole.levels(4)[1], y, 1.0).x0.shape == z.shape
        assert windowed.decode(z).shape == (1, 18, 3, 16, 16)


def test_prompt_tuning_brings_picture_and_sound_together_and_leaves_latents_to_the_model(model):
    binder = linear.load(dtype=torch.float32)
    objective = Agreement(
        backbones={"video": model}, binder=binder, pairs=A2V, weights=(1.0, 1.0),
        targets=Targets(
            (), {"audio": binder.embed_text(["crow"]), "text": binder.embed_text(["rooster"])}
        ),
    )  # fmt: skip
    aligner = AlignerConfig(
        lr_latents=0.0, lr_prompt=0.3, start=0.0, through_denoiser=True, rule="relative"
    )
    y = model.embed_prompt(["rain"])
    found = sample(
        {"video": model}, {"video": latents(model, batch=1)}, {"video": y}, objective,
        SamplingSettings(num_steps=6, guidance_scale=2.0, aligner=aligner),
    )  # fmt: skip
    guided = [entry for entry in found.trace if entry.is_guided]
    assert not any(entry.dead_gradient for entry in guided)
    assert all(entry.gradient_norm.keys() == {"video prompt"} for entry in guided)
    # The text term is about the picture: it has a gradient and moves.
    assert guided[0].losses.keys() == {"video-audio", "video-text"}
    assert sum(guided[-1].losses.values()) < sum(guided[0].losses.values())
    torch.testing.assert_close(found.prompts["video"].norm(), y.norm())


def test_sizes_that_cannot_be_decoded_are_refused(folders):
    wide = loaded(folders, height=12, width=20)
    assert latents(wide).shape == (2, 4, FRAMES, 6, 10)
    with pytest.raises(SettingsError, match="multiples of 2 pixels for this model, got 13"):
        loaded(folders, height=13)
    with pytest.raises(SettingsError, match="expected num_frames >= 1"):
        loaded(folders, decode_chunk=0)
    with pytest.raises(SettingsError, match="at most 16 frames at once, got num_frames=17"):
        animatediff.load(folders["whole"], num_frames=17)


def test_a_checkpoint_without_motion_says_how_to_go_on(folders):
    with pytest.raises(WeightsError, match=r"expected a motion adapter.*one frame"):
        animatediff.load(folders["sd"])
    with pytest.raises(WeightsError, match="local cache"):
        loaded({**folders, "motion": "nobody/such-adapter"}, local_files_only=True)
    with pytest.raises(WeightsError, match=r"config\.json"):
        loaded({**folders, "motion": folders["sd"].parent})


def test_weights_that_do_not_fit_are_refused_and_not_made_up(folders, tmp_path):
    copy = shutil.copytree(folders["motion"], tmp_path / "motion")
    (file,) = copy.glob("*.safetensors")
    state = load_file(file)
    key = sorted(state)[0]
    del state[key]
    save_file(state, file, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=rf"MotionAdapter.*{key[:20]}"):
        loaded({**folders, "motion": copy})
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="motion"):
        loaded({**folders, "motion": copy})
