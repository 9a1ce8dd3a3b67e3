"""The Python interface: arrays and files in, sounds of the right length out, the same each time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from small_family import moving_frames, small_family, write_small
from tests.media_files import make_video

import seehear
from seehear import media
from seehear.errors import Cancelled, MediaError, SettingsError
from seehear.models.captioners.concepts import PHRASES
from seehear.models.load_options import LoadOptions
from seehear.pipeline import studio as studio_module
from seehear.pipeline.inputs import as_audio, as_image, as_video
from seehear.pipeline.manifest import to_json
from seehear.pipeline.presets import (
    AUTHORS,
    DEFAULT,
    EQUATIONS,
    PRESETS,
    preset_from_json,
    with_overrides,
)
from seehear.pipeline.studio import Studio

QUICK = with_overrides(DEFAULT, num_steps=4)  # of which steps 1 and 2 are guided


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return small_family(write_small(tmp_path_factory.mktemp("models")))


@pytest.fixture
def studio(family):
    return Studio(family)


def test_frames_in_an_array_give_a_sound_of_their_length_to_the_sample(studio):
    for num_frames in (25, 26, 31):  # at 29.97 frames per second none is a whole number of samples
        result = studio.video_to_audio(
            moving_frames(num_frames), "rain", fps=30_000 / 1001, preset=QUICK
        )
        assert isinstance(result.audio, np.ndarray)
        assert result.audio.shape == (1, round(num_frames * 1001 / 30_000 * 16_000))
        assert result.audio.dtype == np.float32


def test_the_sound_is_heard_has_room_at_the_top_and_no_offset(studio):
    sound = studio.video_to_audio(moving_frames(), "rain", fps=25.0, preset=QUICK).audio
    assert 1e-4 < np.abs(sound).max() <= 10 ** (-1 / 20)
    assert abs(sound.mean()) < 1e-4


def test_a_negative_prompt_needs_classifier_free_guidance(studio):
    settings = replace(QUICK.settings, guidance_scale=1.0)
    with pytest.raises(SettingsError, match="has no classifier-free guidance"):
        studio.video_to_audio(
            moving_frames(), "rain", fps=25.0, negative="music",
            preset=replace(QUICK, settings=settings),
        )  # fmt: skip
    result = studio.video_to_audio(
        moving_frames(), "rain", fps=25.0, preset=QUICK, negative="music"
    )
    assert result.settings["negative"] == "music"


EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def recording(num_samples=8000):
    t = np.arange(num_samples) / 16_000
    return seehear.Audio(
        waveform=torch.from_numpy((0.5 * np.sin(2764.6 * t)).astype(np.float32))[None],
        sample_rate=16_000,
    )


def test_a_run_that_starts_from_a_recording_skips_steps_and_keeps_more_of_it(studio):
    preset, latents = with_overrides(QUICK, num_steps=10), {}
    for strength in (0.0, 0.5, 0.9):
        job = studio.job(
            "i2a", seehear.Image(pixels=torch.zeros(3, 8, 8, dtype=torch.uint8)), prompt="rain",
            preset=preset, duration_s=1.0, like=recording(), like_strength=strength,
        )  # fmt: skip
        sampled = studio.sample(job)
        assert [step.i for step in sampled.trace] == list(range(int(10 * strength), 10))
        latents[strength] = sampled.latents["audio"]
    clean = studio.family.audio.latents_from_waveform(recording(20_480).waveform)
    length = min(clean.shape[2], latents[0.0].shape[2])

    def distance(strength):
        return float((latents[strength] - clean)[:, :, :length].square().mean())

    assert distance(0.9) < 0.5 * distance(0.5)
    assert distance(0.5) < distance(0.0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"like_strength": 0.5}, "only with a recording"),
        ({"like": recording(), "like_strength": 1.0}, "from 0 to below 1"),
        ({"like": EXAMPLES / "rooster.jpg", "like_strength": 0.5}, "expected an audio file"),
    ],
)
def test_a_start_without_a_recording_is_refused(studio, changes, expected):
    with pytest.raises(SettingsError, match=expected):
        studio.video_to_audio(moving_frames(), "rain", fps=25.0, preset=QUICK, **changes)


def test_one_seed_gives_one_sound_bit_for_bit_and_another_seed_another(studio):
    first, again, other = (
        studio.video_to_audio(moving_frames(), "rain", seed, fps=25.0, preset=QUICK).audio
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_the_seed_alone_decides_and_not_the_global_generator(studio):
    torch.manual_seed(1)
    first = studio.video_to_audio(moving_frames(), "rain", fps=25.0, preset=QUICK).audio
    torch.manual_seed(2)
    again = studio.video_to_audio(moving_frames(), "rain", fps=25.0, preset=QUICK).audio
    np.testing.assert_array_equal(first, again)


def test_without_a_prompt_the_binder_names_the_thing_from_its_phrases(studio):
    result = studio.video_to_audio(moving_frames(), fps=25.0, preset=QUICK)
    named = result.settings["named"]
    assert result.settings["prompt"] is None
    assert result.caption == named[0]["phrase"]
    assert {match["phrase"] for match in named} <= set(PHRASES)
    scores = [match["score"] for match in named]
    assert scores == sorted(scores, reverse=True)


def test_the_name_found_and_the_same_name_given_make_the_same_sound(studio):
    found = studio.video_to_audio(moving_frames(), fps=25.0, preset=QUICK)
    given = studio.video_to_audio(moving_frames(), found.caption, fps=25.0, preset=QUICK)
    np.testing.assert_array_equal(found.audio, given.audio)


def test_an_empty_prompt_means_none_and_nothing_is_named(studio):
    result = studio.video_to_audio(moving_frames(), "", fps=25.0, preset=QUICK)
    assert result.caption is None
    assert result.settings["named"] == []
    assert all(
        not name.startswith("audio-text") for step in result.trace for name in step["losses"]
    )


def test_the_given_words_change_the_sound(studio):
    rain, bells = (
        studio.video_to_audio(moving_frames(), prompt, fps=25.0, preset=QUICK).audio
        for prompt in ("rain", "bells")
    )
    assert np.abs(rain - bells).max() > 1e-4


def test_a_rate_of_zero_guides_nothing_so_the_picture_does_not_matter(studio):
    off = with_overrides(QUICK, lr_latents=0.0, lr_prompt=0.0)
    bright, dark = (
        studio.video_to_audio(frames, "rain", fps=25.0, preset=off)
        for frames in (moving_frames(), moving_frames() // 4)
    )
    np.testing.assert_array_equal(bright.audio, dark.audio)
    assert not any(step["is_guided"] for step in bright.trace)


def test_a_file_is_put_to_its_untouched_picture(studio, tmp_path):
    clip = make_video(tmp_path / "clip.mp4", sound=np.zeros((1, 48_000), np.float32))
    result = studio.video_to_audio(clip, "rain", preset=QUICK)
    saved, _ = result.save(tmp_path / "out.mp4")
    assert media.read_video(saved).duration_s == media.read_video(clip).duration_s == 1.0
    assert result.inputs[0]["file"] == "clip.mp4"
    assert [entry["name"].split("/")[0] for entry in result.weights] == ["audio"] * 4


def test_a_picture_gives_a_sound_of_the_asked_length(studio, tmp_path):
    pixels = moving_frames(1)[0]
    PIL.Image.fromarray(pixels).save(tmp_path / "photo.png")
    from_array = studio.image_to_audio(pixels, 0.7, "rain", preset=QUICK)
    from_file = studio.image_to_audio(tmp_path / "photo.png", 0.7, "rain", preset=QUICK)
    assert from_array.audio.shape == (1, 11_200)
    assert from_array.task == "i2a"
    assert from_array.video_path is None
    np.testing.assert_array_equal(from_array.audio, from_file.audio)


@pytest.mark.parametrize("duration_s", [0.05, 601.0, float("nan"), -1.0])
def test_a_picture_cannot_sound_for_a_moment_or_for_hours(studio, duration_s):
    with pytest.raises(SettingsError, match=r"0\.1 to 600 s"):
        studio.image_to_audio(moving_frames(1)[0], duration_s)


@pytest.mark.long
def test_a_long_clip_is_made_in_windows_that_share_a_quarter(studio):
    frames = moving_frames(60)
    preset = with_overrides(DEFAULT, num_steps=2, start=0.0, end=1.0)
    job = studio.job("v2a", as_video(frames, fps=4.0), prompt="rain", preset=preset)
    assert len(job.windows_s) == 16  # 15 s by 1.28 s less an overlap of 0.32 s, rounded up
    assert job.windows_s[0] == (0.0, 1.28)
    assert job.windows_s[-1][1] == 15.0
    shared = [a[1] - b[0] for a, b in zip(job.windows_s, job.windows_s[1:], strict=False)]
    assert min(shared) >= 0.32 - 1e-9
    result = studio.make(job)
    assert result.audio.shape == (1, 240_000)
    assert result.trace[1]["is_guided"]


def test_every_step_is_told_and_can_be_the_last(studio):
    told = []

    def on_step(step):
        told.append(step)
        if step.i == 2:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        studio.video_to_audio(moving_frames(), "rain", fps=25.0, preset=QUICK, on_step=on_step)
    assert [step.i for step in told] == [0, 1, 2]
    assert told[0].num_steps == 4
    assert told[1].trace.losses
    assert told[2].preview()["audio"].shape[0] == 1


@pytest.mark.parametrize("preset", sorted(PRESETS.keys() - {"fast"}))  # it needs an encoder
def test_every_preset_makes_a_sound_on_an_audioldm(studio, preset):
    quick = with_overrides(preset, num_steps=3)
    sound = studio.video_to_audio(moving_frames(), "rain", fps=25.0, preset=quick).audio
    assert np.isfinite(sound).all()


@pytest.mark.parametrize("preset", [DEFAULT, AUTHORS, EQUATIONS, QUICK])
def test_a_preset_comes_back_from_its_manifest(preset):
    assert preset_from_json(to_json(preset)) == preset


def test_manifests_from_before_latents_were_moved_are_replayed_without(studio):
    record = to_json(DEFAULT)
    del record["settings"]["retimed_at"]
    assert preset_from_json(record).settings.retimed_at == ()


def test_unknown_presets_are_refused_with_the_known_ones(studio):
    with pytest.raises(SettingsError, match="default, fast, wordless, latents"):
        studio.video_to_audio(moving_frames(), fps=25.0, preset="best")


def test_rates_beyond_all_numbers_are_blamed_on_the_rate(studio):
    with pytest.raises(SettingsError, match="lr_latents=1e"):
        studio.video_to_audio(
            moving_frames(), "rain", fps=25.0, preset=with_overrides(QUICK, lr_latents=1e38)
        )


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((5, 24, 32, 4), np.uint8),
        np.zeros((24, 32, 3), np.uint8),
        np.zeros((5, 24, 32, 3), np.float32),
        np.zeros((0, 24, 32, 3), np.uint8),
    ],
)
def test_arrays_that_are_not_frames_are_refused(frames):
    with pytest.raises(MediaError, match="height, width, 3"):
        as_video(frames, fps=25.0)


@pytest.mark.parametrize("fps", [None, 0.0, -25.0])
def test_frames_in_an_array_need_a_rate(fps):
    with pytest.raises(SettingsError, match="need fps"):
        as_video(moving_frames(), fps)


def test_a_frame_or_two_are_too_short_to_be_heard(studio):
    with pytest.raises(MediaError, match=r"at least 0\.1 s"):
        studio.video_to_audio(moving_frames(2), fps=25.0)


@pytest.mark.parametrize("shape", [(24, 32), (24, 32, 4), (2, 24, 32, 3)])
def test_arrays_that_are_not_pixels_are_refused(shape):
    with pytest.raises(MediaError, match="height, width, 3"):
        as_image(np.zeros(shape, np.uint8))


def test_an_array_keeps_four_frames_a_second_at_their_times():
    video = as_video(moving_frames(25), fps=25.0)
    assert video.times_s.tolist() == [0.0, 0.24, 0.48, 0.72, 0.96]
    np.testing.assert_array_equal(
        video.frames.permute(0, 2, 3, 1).numpy(), moving_frames(25)[[0, 6, 12, 18, 24]]
    )


def test_load_keeps_what_the_manifest_needs_to_load_again(monkeypatch, family, tmp_path):
    monkeypatch.setattr(
        studio_module, "load_family", lambda options: replace(family, name=options.models)
    )
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    studio = seehear.load("pocket", audio="mine", dtype=torch.float32, device="cpu")
    record = studio.options.to_json()
    assert record == {
        "audio": str(tmp_path / "mine"),
        "video": None,
        "motion": None,
        "binder": None,
        "device": "cpu",
        "dtype": "float32",
        "commercial": False,
    }
    assert LoadOptions.from_json("pocket", record) == replace(
        studio.options, audio=str(tmp_path / "mine")
    )


def test_the_package_exports_its_face():
    assert {"Audio", "Image", "Preset", "Result", "Studio", "Video", "errors", "load"} <= set(
        seehear.__all__
    )
    assert all(hasattr(seehear, name) for name in seehear.__all__)
    assert seehear.Studio is Studio


def test_tensors_are_taken_where_arrays_are(studio):
    frames = moving_frames(6)
    first_of, last_of = (
        torch.from_numpy(frames),
        torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous(),
    )
    expected = as_video(frames, fps=6.0).frames
    assert torch.equal(as_video(first_of, fps=6.0).frames, expected)
    assert torch.equal(as_video(last_of, fps=6.0).frames, expected)
    assert torch.equal(as_image(last_of[0]).pixels, last_of[0])
    samples = torch.rand(2, 1600) - 0.5
    assert torch.equal(as_audio(samples, 16_000).waveform, samples)
    with pytest.raises(MediaError, match=r"uint8, got float32"):
        as_video(last_of / 255, fps=6.0)


def test_a_list_of_seeds_gives_the_results_of_its_seeds(studio):
    results = studio.video_to_audio(moving_frames(), "rain", [3, 4], fps=25.0, preset=QUICK)
    alone = studio.video_to_audio(moving_frames(), "rain", 4, fps=25.0, preset=QUICK)
    assert [result.seed for result in results] == [3, 4]
    assert torch.equal(results[1].waveform, alone.waveform)
    assert not torch.equal(results[0].waveform, alone.waveform)
    for seed in ([], [-1], 1.5, True):
        with pytest.raises((SettingsError, TypeError), match="seed"):
            studio.video_to_audio(moving_frames(), "rain", seed, fps=25.0, preset=QUICK)


def test_a_result_of_an_array_is_saved_as_a_video_with_every_frame(studio, tmp_path):
    frames = moving_frames(25, 32, 32)
    result = studio.video_to_audio(frames, "rain", fps=25.0, preset=QUICK)
    result.save(tmp_path / "out.mp4")
    read = media.read_video(tmp_path / "out.mp4", frames_per_s=25.0)
    assert read.frames.shape == (25, 3, 32, 32)
    assert read.has_audio
    difference = read.frames.float() - torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    assert difference.abs().mean() < 12  # of 255, after lossy coding


def test_the_repr_of_a_result_is_one_line(studio):
    result = studio.video_to_audio(moving_frames(), "rain", 7, fps=25.0, preset=QUICK)
    assert repr(result) == (
        "Result(v2a, audio [1, 16000] at 16000 Hz, 1.00 s, prompt 'rain', seed 7)"
    )
