"""A region of a clip's audio is generated again, and the rest is kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_family import moving_frames, small_family, write_small
from tests.media_files import make_video

from seehear import media
from seehear.errors import MediaError, SettingsError
from seehear.guidance.windows import positions_for
from seehear.media.track import Track
from seehear.pipeline.presets import DEFAULT, with_overrides
from seehear.pipeline.region import FADE_S, frames_between, region_of
from seehear.pipeline.studio import Studio

QUICK = with_overrides(DEFAULT, num_steps=4)
RATE = 44_100  # no rate of ours, and no whole ratio to the model's


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    return Studio(small_family(write_small(tmp_path_factory.mktemp("models"))))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Four seconds of frames with stereo noise as audio, without loss."""
    rng = np.random.default_rng(0)
    sound = (0.1 * rng.standard_normal((2, 4 * RATE))).astype(np.float32)
    return make_video(
        tmp_path_factory.mktemp("clips") / "clip.mov", num_frames=100, sound=sound,
        sound_rate=RATE, sound_codec="pcm_f32le",
    )  # fmt: skip


def test_samples_outside_a_region_are_kept_bit_for_bit(studio, clip, tmp_path):
    result = studio.video_to_audio(clip, "rain", preset=QUICK, region=(1.0, 1.5))
    old = media.read_audio(clip, None, mono=False)
    assert (result.sample_rate, result.waveform.shape) == (RATE, (2, 4 * RATE))
    start, end = RATE, round(1.5 * RATE)
    is_same = (result.waveform == old.waveform).all(dim=0)
    assert is_same[:start].all()
    assert is_same[end:].all()
    assert is_same[start:end].float().mean() < 0.01
    result.save(tmp_path / "out.mov", track=Track(is_pcm=True))
    assert result.settings["region_s"] == [1.0, 1.5]
    written = media.read_audio(tmp_path / "out.mov", None, mono=False)
    assert written.duration_s == pytest.approx(4.0)


def test_a_region_ends_with_the_clip_if_it_has_no_end(studio, clip):
    result = studio.video_to_audio(clip, "rain", preset=QUICK, region=(3.5, None))
    old = media.read_audio(clip, None, mono=False).waveform
    is_same = (result.waveform == old).all(dim=0)
    assert is_same[: round(3.5 * RATE)].all()
    assert is_same[round(3.5 * RATE) :].float().mean() < 0.01


def test_kept_latents_are_those_of_the_recording(studio, clip):
    job = studio.job(
        "v2a", media.read_video(clip, frames_per_s=4.0), prompt="rain", preset=QUICK,
        region=(2.0, 2.5),
    )  # fmt: skip
    audio = job.backbones["audio"]
    z = sample_without_guidance(studio, job)
    inpainted = job.region.inpainted(audio, torch.zeros_like(z))
    known = inpainted.is_known.nonzero()[:, 0]
    per_s, (first_s, last_s) = audio.latents_per_s, job.region.part_s
    assert last_s - first_s == pytest.approx(2.5)
    # All positions of the part but those that touch the region, which end before 4 s.
    assert len(known) == positions_for(2.5, per_s) - positions_for(0.5, per_s)
    last = audio.levels(QUICK.settings.num_steps)[-1]  # AudioLDM's has a little noise
    kept, clean = (v.index_select(audio.time_axis, known) for v in (z, inpainted.clean))
    noise = (kept - last.alpha * clean) / last.sigma
    assert float(noise.std()) == pytest.approx(1.0, abs=0.05)
    others = z.index_select(audio.time_axis, (~inpainted.is_known).nonzero()[:, 0])
    assert float(others.std()) > 5 * last.sigma


def sample_without_guidance(studio, job):
    settings = replace(
        QUICK.settings, aligner=replace(QUICK.settings.aligner, lr_latents=0.0, lr_prompt=0.0)
    )
    job = replace(job, preset=replace(job.preset, settings=settings))
    return studio.sample(job).latents["audio"]


def test_the_edges_of_a_region_are_crossfaded_with_equal_power(clip):
    region = region_of(media.read_video(clip), 1.0, 2.0, 1.28)
    silent = region.spliced(torch.zeros(48_000), 16_000)[0]
    old = media.read_audio(clip, None, mono=False).waveform[0]
    fade = round(FADE_S * RATE)
    gain = silent[RATE : RATE + fade] / old[RATE : RATE + fade]
    steps = (torch.arange(fade) + 0.5) / fade * (torch.pi / 2)
    torch.testing.assert_close(gain, torch.cos(steps), rtol=0, atol=1e-3)
    assert not silent[RATE + fade : 2 * RATE - fade].any()


def test_frames_of_a_region_start_at_zero_and_one_is_always_there(clip):
    video = media.read_video(clip, frames_per_s=4.0)
    part = frames_between(video, 1.1, 2.1)
    np.testing.assert_allclose(part.times_s, [0.15, 0.4, 0.65, 0.9], atol=1e-9)
    assert (part.frames == video.frames[5:9]).all()
    between = frames_between(video, 1.1, 1.2)
    assert between.times_s.tolist() == [0.0]
    assert (between.frames == video.frames[4:5]).all()


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ((1.0, 1.05), "at least 0.1 s in a clip of 4.000 s, got 1 to 1.05 s"),
        ((3.0, 4.5), "got 3 to 4.5 s"),
        ((-1.0, 1.0), "got -1 to 1 s"),
    ],
)
def test_a_region_outside_the_clip_is_refused(studio, clip, region, expected):
    with pytest.raises(SettingsError, match=expected):
        studio.video_to_audio(clip, "rain", preset=QUICK, region=region)


def test_a_region_needs_a_file_with_audio(studio, tmp_path):
    silent = make_video(tmp_path / "silent.mp4")
    with pytest.raises(MediaError, match="expected a video with audio"):
        studio.video_to_audio(silent, "rain", preset=QUICK, region=(0.2, 0.6))
    with pytest.raises(SettingsError, match="expected a video file"):
        studio.video_to_audio(moving_frames(), "rain", fps=25.0, preset=QUICK, region=(0.2, 0.6))
