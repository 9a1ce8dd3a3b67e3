"""Sounds and sentences in, pictures and films of the right length out, the same each time."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_family import small_picture_family

from seehear import media
from seehear.errors import MediaError, SettingsError
from seehear.guidance.frame_sampling import FrameSampler
from seehear.guidance.settings import FrameSampling
from seehear.models.captioners.concepts import PHRASES
from seehear.pipeline.manifest import to_json
from seehear.pipeline.presets import (
    IMAGE_VIDEO_PRESETS,
    preset_for,
    preset_from_json,
    with_overrides,
)
from seehear.pipeline.studio import Studio

RATE = 16_000


def quick(task, preset="default", **aligner):
    return with_overrides(preset, num_steps=4, task=task, **aligner)  # steps 1 and 2 are guided


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    return Studio(small_picture_family(tmp_path_factory.mktemp("models")))


def clicks(duration_s=1.0, at=(0.3, 0.7)):
    """Bursts of noise, each a tenth of a second."""
    rng = np.random.default_rng(0)
    sound = np.zeros(round(duration_s * RATE), np.float32)
    for second in at:
        start = round(second * RATE)
        sound[start : start + RATE // 10] = 0.3 * rng.standard_normal(RATE // 10)
    return sound


def film(studio, sound=None, prompt="rain", seed=0, preset=None):
    return studio.audio_to_video(
        clicks() if sound is None else sound,
        prompt,
        seed,
        sample_rate=RATE,
        preset=preset or quick("a2v"),
    )


@pytest.mark.parametrize(("duration_s", "count"), [(1.0, 8), (0.3, 3), (1.01, 9), (2.4, 20)])
def test_a_film_lasts_as_long_as_its_sound_to_the_frame(studio, duration_s, count):
    made = film(studio, clicks(duration_s, at=(0.1,)))
    assert made.video.dtype == np.uint8
    assert made.video.shape == (count, 16, 16, 3)
    assert made.audio.shape == (1, round(duration_s * RATE))


def test_the_given_sound_comes_back_untouched(studio):
    np.testing.assert_array_equal(film(studio).audio[0], clicks())


def test_one_seed_gives_one_film_bit_for_bit_and_another_seed_another(studio):
    first, again, other = (film(studio, seed=seed).video for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5


def test_the_sound_decides_what_is_seen_unless_it_may_not(studio):
    other = clicks(at=(0.05, 0.5))[::-1].copy()
    assert (film(studio).video != film(studio, other).video).any()
    off = quick("a2v", lr_latents=0.0, lr_prompt=0.0)
    np.testing.assert_array_equal(
        film(studio, preset=off).video, film(studio, other, preset=off).video
    )


def test_prompt_tuning_alone_moves_the_prompt_and_the_picture(studio):
    tuned = film(studio, preset=quick("a2v", "prompt", lr_prompt=0.3))
    off = film(studio, preset=quick("a2v", lr_latents=0.0, lr_prompt=0.0))
    steps = [step for step in tuned.trace if step["is_guided"]]
    assert steps
    assert all(set(step["relative_step"]) == {"video prompt"} for step in steps)
    assert (tuned.video != off.video).any()


def test_text_and_video_are_compared_and_the_term_depends_on_the_video(studio):
    """The authors' text term compared the prompt with itself: it had no gradient."""
    losses = [step["losses"] for step in film(studio).trace if step["is_guided"]]
    texts = [loss["video-text local"] for loss in losses]
    assert len(texts) >= 2
    assert texts[0] != texts[1]


def test_without_a_prompt_the_binder_names_what_it_hears(studio):
    made = film(studio, prompt=None)
    named = made.settings["named"]
    assert made.caption == named[0]["phrase"]
    assert {match["phrase"] for match in named} <= set(PHRASES)


def test_few_frames_are_looked_at_at_once(studio):
    seen = []
    binder = studio.family.binder
    embed = type(binder).embed_video

    def watching(frames):
        seen.append(frames.shape[1])
        return embed(binder, frames)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binder, "embed_video", watching, raising=False)
        film(studio, preset=with_overrides("default", num_steps=4, task="a2v"))
    assert seen == [4] * len(seen)
    assert len(seen) >= 2


@pytest.mark.long
@pytest.mark.parametrize(("duration_s", "count"), [(0.3, 3), (1.0, 8), (1.55, 13)])
def test_every_frame_that_is_kept_is_looked_at_over_a_run(studio, duration_s, count):
    preset = replace(
        with_overrides("wordless", num_steps=12, task="a2v"),
        frames=FrameSampling(per_step=count // 2),
    )
    drawn: set[int] = set()
    draw = FrameSampler.next

    def watching(draws):
        frames = draw(draws)
        drawn.update(frames)
        return frames

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FrameSampler, "next", watching)
        made = film(studio, clicks(duration_s, at=(0.1,)), preset=preset)
    assert len(made.video) == count
    # A window of the second half has its own frames, counted from its start.
    assert drawn == set(range(min(count, 8)))


def test_sync_takes_two_frames_however_short_the_second(studio):
    preset = replace(quick("a2v"), sync_weight=0.5)
    made = film(studio, clicks(0.2, at=(0.05,)), preset=preset)
    assert len(made.video) == 2
    assert any("sync" in step["losses"] for step in made.trace)


@pytest.mark.long
def test_sync_looks_at_all_frames_and_can_be_made_smaller(studio):
    preset = replace(quick("a2v", "wordless"), sync_weight=1.0)
    preset = replace(preset, settings=replace(preset.settings, num_steps=12))
    losses = [s["losses"]["sync"] for s in film(studio, preset=preset).trace if s["is_guided"]]
    assert all(0 <= loss <= 2 for loss in losses)
    assert len(set(losses)) > 1
    with pytest.raises(SettingsError, match="at least 2 "):
        studio.audio_to_video(clicks()[: RATE // 10], "rain", sample_rate=RATE, preset=preset)


def test_a_picture_for_a_sound(studio, tmp_path):
    made = studio.audio_to_image(clicks(), "rain", sample_rate=RATE, preset=quick("a2i"))
    assert made.video.shape == (1, 16, 16, 3)
    assert made.audio is None
    path, _ = made.save(tmp_path / "out.png", upscale=4)
    assert media.read_image(path).pixels.shape == (3, 64, 64)
    assert b"enlarged 4 times by Lanczos" in path.read_bytes()


@pytest.mark.parametrize(
    ("preset", "pulled"), [("default", ("audio",)), ("wordless", ("audio", "video"))]
)
def test_a_sentence_gives_sound_and_film_of_one_length(studio, tmp_path, preset, pulled):
    made = studio.text_to_both("rain", preset=quick("joint", preset))
    assert made.video.shape == (8, 16, 16, 3)
    assert made.audio.shape == (1, RATE)
    guided = [step for step in made.trace if step["is_guided"]]
    assert {"audio-video whole", "audio-text whole", "video-text whole"} <= set(guided[0]["losses"])
    assert set(guided[0]["relative_step"]) == {*pulled, *(f"{s} prompt" for s in pulled)}
    path, _ = made.save(tmp_path / "out.mp4")
    read = media.read_video(path)
    assert read.duration_s == 1.0
    assert read.has_audio


def test_joint_streams_may_have_lengths_steps_and_prompts_of_their_own(studio):
    preset = quick("joint")
    settings = replace(preset.settings, num_steps=6, own_steps={"video": 3})
    made = studio.text_to_both(
        "rain",
        audio_prompt="bells",
        duration_s=2.3,
        preset=replace(preset, settings=settings),
    )
    assert made.video.shape[0] == 19
    assert made.audio.shape == (1, round(19 / 8 * RATE))
    assert made.settings["prompts"] == {"audio": "bells", "video": "rain"}
    guided = next(step for step in made.trace if step["is_guided"])
    assert {"audio-audio text local", "video-video text local"} <= set(guided["losses"])


def test_equal_prompts_of_their_own_are_what_both_streams_are_compared_with(studio):
    own = studio.job("joint", prompt="an animal", audio_prompt="bells", video_prompt="bells")
    alike = studio.job("joint", prompt="bells")
    assert own.condition == alike.condition
    assert own.preset == alike.preset
    # Also with the settings of a run whose prompts differed.
    other = studio.job("joint", prompt="rain", audio_prompt="bells").preset
    assert studio.job("joint", prompt="bells", preset=other).preset.pairs == alike.preset.pairs


def test_the_sound_of_a_pair_depends_on_its_picture_only_where_both_are_compared(studio):
    both = studio.text_to_both("", preset=quick("joint", "wordless")).audio
    only = replace(quick("joint", "wordless"), weights=(0.0, 1.0, 1.0))
    apart = studio.text_to_both("", preset=only)
    assert not np.array_equal(both, apart.audio)


@pytest.mark.parametrize("task", ["a2v", "a2i", "joint"])
@pytest.mark.parametrize("name", sorted(IMAGE_VIDEO_PRESETS))
def test_presets_come_back_from_their_manifest(task, name):
    preset = preset_for(task, name)
    assert len(preset.pairs) == (3 if task == "joint" else 2)
    assert preset_from_json(to_json(preset)) == preset


def test_presets_of_the_authors_exist_for_their_task_alone(studio):
    with pytest.raises(SettingsError, match="a2v has no preset 'authors'"):
        film(studio, preset="authors")


def test_sounds_too_short_too_long_or_not_sounds_are_refused(studio):
    with pytest.raises(MediaError, match=r"at least 0\.1 s"):
        film(studio, np.zeros(800, np.float32))
    with pytest.raises(MediaError, match="at most 600 s"):
        studio.audio_to_image(np.zeros(601 * 10, np.float32), "", sample_rate=10)
    with pytest.raises(MediaError, match="as floats"):
        film(studio, np.zeros(RATE, np.int16))
    with pytest.raises(MediaError, match="NaN or inf"):
        film(studio, np.full(RATE, np.nan, np.float32))
    with pytest.raises(SettingsError, match="sample_rate"):
        studio.audio_to_video(clicks(), "rain")


@pytest.mark.parametrize("duration_s", [0.05, 601.0, float("nan")])
def test_a_sentence_cannot_last_a_moment_or_hours(studio, duration_s):
    with pytest.raises(SettingsError, match=r"0\.1 to 600 s"):
        studio.text_to_both("rain", duration_s=duration_s)


def test_a_family_without_a_video_model_says_so(studio):
    deaf = replace(studio.family, loaders={"audio": studio.family.loaders["audio"]})
    with pytest.raises(SettingsError, match="without a model for video; pass one with --video"):
        film(Studio(deaf))


def test_silence_is_a_sound_too(studio):
    made = film(studio, np.zeros(RATE, np.float32), prompt="")
    assert torch.from_numpy(made.video).float().std() > 0


def test_rates_beyond_all_numbers_are_blamed_on_the_rate(studio):
    with pytest.raises(SettingsError, match="lr_latents=1e"):
        film(studio, preset=quick("a2v", lr_latents=1e38))
