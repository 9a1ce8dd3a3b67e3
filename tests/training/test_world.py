"""Facts about the world that models are trained on; what needs fetched art skips without it."""

import numpy as np
import pytest

pytest.importorskip("scipy")
from training.world.captions import caption, label, with_article
from training.world.pictures import CACHE, excitement
from training.world.things import BY_ID, GROUPS, IDS, TEST_STYLES, THINGS, TRAIN_STYLES

needs_art = pytest.mark.skipif(
    not (CACHE / "emoji").is_dir() or not (CACHE / "notes").is_dir(),
    reason="python -m training.fetch and training.world.instruments have not run",
)


def test_the_world_has_at_least_48_things_in_6_groups():
    assert len(set(IDS)) == len(THINGS) >= 48
    assert {thing.group for thing in THINGS} == set(GROUPS)
    assert len(GROUPS) >= 6


def test_no_style_is_both_trained_on_and_held_out():
    assert not set(TRAIN_STYLES) & set(TEST_STYLES)


def test_masses_take_no_article_and_vowels_take_an():
    assert with_article("rain") == "rain"
    assert with_article("owl") == "an owl"
    assert label(BY_ID["dog"]) == "a dog barking"


def test_a_caption_names_the_thing_or_a_synonym():
    rng = np.random.default_rng(0)
    for thing in THINGS:
        text = caption(rng, thing, size=0.5, speed=0.5, distance=0.5)
        assert any(name in text for name in thing.names), (thing.id, text)


def test_things_move_most_right_after_an_onset():
    times = np.arange(16) * 0.16
    level = excitement(times, (0.8,), decay_s=0.2)
    assert level[:5].max() == 0
    assert level[5] == pytest.approx(1)
    assert (np.diff(level[5:]) < 0).all()


@needs_art
def test_a_scene_is_the_same_each_time_and_differs_between_splits():
    from training.world.scenes import make_scene

    first, again, other = make_scene(3, "test"), make_scene(3, "test"), make_scene(3, "val")
    np.testing.assert_array_equal(first.frames, again.frames)
    np.testing.assert_array_equal(first.waveform, again.waveform)
    assert first.frames.shape == (16, 3, 64, 64)
    assert not np.array_equal(first.frames, other.frames)
    assert first.thing == other.thing


@needs_art
def test_every_thing_has_art_to_train_on_and_most_have_held_out_art():
    from training.world.pictures import art_of_thing

    assert all(art_of_thing(thing, TRAIN_STYLES) for thing in THINGS)
    assert sum(bool(art_of_thing(thing, TEST_STYLES)) for thing in THINGS) >= 54
