"""A joint model through the whole pipeline: prompt, reference, and each stream for the other."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.contracts.small import small_mm_diffusion

from seehear.errors import SettingsError
from seehear.guidance.streams import JOINT_MODEL
from seehear.media import Audio, Image, Video
from seehear.models.backbones.mm_diffusion import STREAMS, MMDiffusion
from seehear.models.binders import linear
from seehear.models.families import Family
from seehear.models.load_options import LoadOptions
from seehear.pipeline.conditioned_streams import frame_latents, waveform_latents
from seehear.pipeline.presets import PAPER_LANDSCAPE, preset_for
from seehear.pipeline.studio import Studio

STEPS = 3


@pytest.fixture(scope="module")
def studio():
    small = small_mm_diffusion()
    config = replace(small.model.config, sampler="ddim")
    model = MMDiffusion(small.model.network.float(), config)
    family = Family(
        name="pocket",
        loaders={s: lambda s=s: model.stream(s) for s in STREAMS},
        binder=linear.load(dtype=torch.float32),
    )
    return Studio(family, LoadOptions())


def preset(task="joint-model", lr=0.05, **changes):
    chosen = preset_for(task, "wordless")
    aligner = replace(
        chosen.settings.aligner, lr_latents={"audio": lr, "video": lr}, lr_prompt=0.0, **changes
    )
    settings = replace(
        chosen.settings, aligner=aligner, num_steps=STEPS, guidance_scale=1.0, spans={},
        retimed_at=(),
    )  # fmt: skip
    return replace(
        chosen, settings=settings, distance="cosine", lufs=None,
        image_augmentation=replace(chosen.image_augmentation, per_step=0),
        mel_augmentation=replace(chosen.mel_augmentation, per_step=0),
    )  # fmt: skip


def red():
    pixels = torch.zeros(3, 12, 12, dtype=torch.uint8)
    pixels[0] = 255
    return Image(pixels=pixels)


def noise(seconds=0.5, rate=8000):
    generator = torch.Generator().manual_seed(0)
    samples = torch.rand(1, round(seconds * rate), generator=generator) - 0.5
    return Audio(waveform=samples, sample_rate=rate)


def test_a_result_has_audio_and_frames_of_the_models_length(studio):
    result = studio.joint_model(preset=preset(lr=0.0), seed=3)
    assert result.frames.shape == (8, 3, 8, 8)
    assert result.waveform.shape == (1, 1024)
    assert result.settings["duration_s"] == pytest.approx(0.8)


def test_without_prompt_and_reference_the_streams_are_compared_with_each_other(studio):
    result = studio.joint_model(preset=preset())
    terms = {name for step in result.trace for name in step["losses"]}
    assert terms == {"audio-video local", "audio-video whole"}


@pytest.mark.parametrize("through", [True, False])
def test_prompt_and_reference_are_compared_with_both_streams(studio, through):
    chosen = preset(through_denoiser=through)
    result = studio.joint_model("rain", like=red(), preset=chosen)
    terms = {name.split()[0] for step in result.trace for name in step["losses"]}
    assert terms == {"-".join(pair) for pair in JOINT_MODEL}
    guided = [step for step in result.trace if step["is_guided"]]
    assert all(step["gradient_norm"][s] > 0 for step in guided for s in STREAMS)


@pytest.mark.parametrize("seed", [0, 1])
def test_guidance_brings_both_streams_nearer_to_a_reference(studio, seed):
    def distance(lr):
        result = studio.joint_model(like=noise(), preset=preset(lr=lr), seed=seed)
        binder = studio.family.binder
        target = binder.embed_audio(noise().waveform, 8000)
        audio = binder.embed_audio(result.waveform, 1280)
        video = binder.embed_video(result.frames[None].float() / 255)
        return [float(1 - (e * target).sum()) for e in (audio, video)]

    pairs = zip(distance(0.1), distance(0.0), strict=True)
    assert all(guided < unguided for guided, unguided in pairs)


def test_a_rate_for_one_stream_leaves_the_start_of_the_other_unguided(studio):
    chosen = preset()
    aligner = replace(chosen.settings.aligner, lr_latents={"audio": 0.1, "video": 0.0})
    chosen = replace(chosen, settings=replace(chosen.settings, aligner=aligner))
    result = studio.joint_model("rain", preset=chosen)
    norms = [step["gradient_norm"] for step in result.trace if step["is_guided"]]
    assert norms
    assert all(set(norm) == {"audio"} for norm in norms)


def test_the_audio_is_generated_for_a_given_video_and_the_video_for_given_audio(studio):
    frames = np.full((8, 12, 16, 3), 90, np.uint8)
    sound = studio.video_to_audio(frames, "rain", fps=10.0, preset=preset("v2a"))
    assert sound.waveform.shape == (1, 1024)
    other = studio.video_to_audio(255 - frames, "rain", fps=10.0, preset=preset("v2a", lr=0.0))
    same = studio.video_to_audio(frames, "rain", fps=10.0, preset=preset("v2a", lr=0.0))
    assert not torch.equal(other.waveform, same.waveform)
    video = studio.audio_to_video(noise(), "rain", preset=preset("a2v"))
    assert video.frames.shape == (5, 3, 8, 8)


def test_a_model_without_a_prompt_has_none_to_tune(studio):
    chosen = preset("v2a")
    aligner = replace(chosen.settings.aligner, lr_prompt=0.3)
    chosen = replace(chosen, settings=replace(chosen.settings, aligner=aligner))
    frames = np.full((8, 12, 16, 3), 90, np.uint8)
    trace = studio.video_to_audio(frames, "rain", fps=10.0, preset=chosen).trace
    assert not any(step["dead_gradient"] for step in trace)
    assert {name for step in trace for name in step["gradient_norm"]} == {"audio"}


def test_the_joint_task_with_a_prompt_runs_with_a_joint_model_too(studio):
    result = studio.text_to_both("rain", preset=preset("joint"))
    assert result.frames.shape[0] == 8


def test_a_clip_longer_than_the_models_is_refused(studio):
    with pytest.raises(SettingsError, match=r"at most 0.8 s"):
        studio.joint_model(duration_s=2.0, preset=preset())


def test_two_models_cannot_do_the_task_of_a_joint_model(tmp_path):
    from small_family import small_picture_family

    with pytest.raises(SettingsError, match="name one with --backbone"):
        Studio(small_picture_family(tmp_path)).joint_model(preset=preset())


def test_a_joint_model_excludes_models_for_single_streams():
    with pytest.raises(SettingsError, match="leave one of them out"):
        LoadOptions(backbone="mm-diffusion", audio="folder")


def test_frames_keep_their_shape_between_black_bars_and_the_last_one_stays():
    frames = torch.stack([torch.full((3, 10, 20), value, dtype=torch.uint8) for value in (0, 255)])
    video = Video(
        frames=frames, times_s=torch.tensor([0.0, 0.1]), duration_s=0.2, fps=10.0, frames_per_s=10.0
    )
    latents = frame_latents(video, 10.0, count=4, height=8, width=8)
    assert latents.shape == (1, 4, 3, 8, 8)
    shown = torch.tensor([-1.0, 1.0, 1.0, 1.0])
    torch.testing.assert_close(latents[0, :, 0, 4, 4], shown, rtol=0, atol=1e-5)
    assert bool((latents[:, :, :, :2] == -1).all())


def test_short_audio_is_filled_with_silence_and_long_audio_cut():
    assert waveform_latents(noise(0.5), 8000, 6000)[0, 0, 4000:].abs().max() == 0
    assert torch.equal(waveform_latents(noise(0.5), 8000, 100)[0], noise(0.5).waveform[:, :100])


def test_the_papers_preset_guides_both_streams_without_a_prompt():
    chosen = preset_for("joint-model", "paper-landscape")
    assert chosen.settings == PAPER_LANDSCAPE.settings
    assert chosen.pairs == JOINT_MODEL
    assert set(chosen.weights) == {1.0}
