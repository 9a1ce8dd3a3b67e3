import pytest

from seehear.errors import SettingsError
from seehear.guidance.step_schedule import step_schedule


@pytest.mark.parametrize(("audio", "video"), [(30, 25), (30, 30), (7, 2), (5, 1)])
def test_every_stream_makes_its_steps_in_order_and_all_end_in_the_last_turn(audio, video):
    made = step_schedule(audio, {"audio": audio, "video": video})
    assert len(made) == audio
    assert [t.at["audio"] for t in made] == list(range(audio))
    assert [t.at["video"] for t in made if "video" in t.moving] == list(range(video))
    assert made[-1].moving == ("audio", "video")
    assert (made[-1].after("audio"), made[-1].after("video")) == (audio, video)


def test_a_waiting_stream_stays_where_it_is():
    waiting = [t for t in step_schedule(10, {"audio": 10, "video": 4}) if "video" not in t.moving]
    assert len(waiting) == 6
    assert all(t.after("video") == t.at["video"] for t in waiting)


def test_streams_are_never_further_apart_than_one_of_the_longer_steps():
    for t in step_schedule(30, {"audio": 30, "video": 25}):
        assert abs(t.at["audio"] / 30 - t.at["video"] / 25) < 1 / 25 + 1e-9


@pytest.mark.parametrize("own", [0, 11])
def test_a_stream_with_more_steps_than_turns_or_none_is_refused(own):
    with pytest.raises(SettingsError, match=r"expected 1 to 10 steps for video"):
        step_schedule(10, {"audio": 10, "video": own})


def test_a_stream_that_leads_begins_first_and_is_waited_for():
    made = step_schedule(
        9, {"video": 6, "audio": 6}, {"video": (0.0, 2 / 3), "audio": (1 / 3, 1.0)}
    )
    assert [t.moving for t in made] == (
        3 * [("video",)] + 3 * [("video", "audio")] + 3 * [("audio",)]
    )
    assert [t.at["video"] for t in made] == [0, 1, 2, 3, 4, 5, 6, 6, 6]
    assert [t.at["audio"] for t in made] == [0, 0, 0, 0, 1, 2, 3, 4, 5]


def test_steps_have_to_fit_into_their_part_of_the_run():
    with pytest.raises(SettingsError, match="expected 1 to 3 steps for audio in a run of 9, got 4"):
        step_schedule(9, {"audio": 4}, {"audio": (2 / 3, 1.0)})
