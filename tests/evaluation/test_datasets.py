"""Data sets on disk: names of three habits, splits, samples that stay, lists that come back."""

import random
from pathlib import Path

import pytest
from tests.media_files import make_video

from seehear.errors import MediaError, SettingsError
from seehear.evaluation.datasets import (
    Clip,
    aist,
    folder,
    landscape,
    random_segments,
    read_list,
    sample,
    write_list,
)
from seehear.evaluation.datasets import vggsound as vgg

TABLE = """\
---g-f_I2yQ,1,people marching,test
--0PQM4-hqg,30,waterfall burbling,train
--56QUhyDQM,185,playing tennis,train
-0jeONf82dE,21,"horse neighing, whinnying",test
-gone000000,5,cat purring,test
"""


def touched(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"a clip")
    return path


@pytest.fixture
def copy(tmp_path):
    (tmp_path / "vggsound.csv").write_text(TABLE)
    touched(tmp_path / "videos" / "---g-f_I2yQ_000001.mp4")
    touched(tmp_path / "videos" / "--0PQM4-hqg_30000_40000.mp4")
    touched(tmp_path / "videos" / "deeper" / "--56QUhyDQM#185#195.mkv")
    touched(tmp_path / "videos" / "-0jeONf82dE_000021.mp4")
    touched(tmp_path / "videos" / "-0jeONf82dE_000021.wav")
    return tmp_path


def test_files_of_all_three_habits_are_found_under_one_name(copy):
    missing = []
    found = list(vgg.clips(copy / "vggsound.csv", copy / "videos", on_missing=missing.append))
    assert [(clip.id, clip.label) for clip in found] == [
        ("---g-f_I2yQ_000001", "people marching"),
        ("--0PQM4-hqg_000030", "waterfall burbling"),
        ("--56QUhyDQM_000185", "playing tennis"),
        ("-0jeONf82dE_000021", "horse neighing, whinnying"),
    ]
    assert found[2].path.name == "--56QUhyDQM#185#195.mkv"
    assert found[3].audio_file.suffix == ".wav"
    assert found[0].audio_file == found[0].path
    assert [row.id for row in missing] == ["-gone000000_000005"]


def test_splits_are_those_of_the_table(copy):
    train = vgg.clips(copy / "vggsound.csv", copy / "videos", "train")
    assert [clip.id[:4] for clip in train] == ["--0P", "--56"]
    with pytest.raises(SettingsError, match="train or test"):
        next(vgg.clips(copy / "vggsound.csv", copy / "videos", "validation"))


def test_reading_is_lazy(copy):
    with (copy / "vggsound.csv").open("a") as file:
        file.write("not a line\n")
    first = next(vgg.clips(copy / "vggsound.csv", copy / "videos"))
    assert first.id == "---g-f_I2yQ_000001"
    with pytest.raises(MediaError, match="line 6: expected a YouTube id"):
        list(vgg.clips(copy / "vggsound.csv", copy / "videos"))


def many(count):
    return [Clip(id=f"clip{k:04d}", path=Path(f"{k}.mp4")) for k in range(count)]


def test_a_sample_depends_on_seed_and_ids_alone():
    clips = many(500)
    shuffled = random.Random(0).sample(clips, len(clips))
    assert sample(clips, 100, seed=1) == sample(shuffled, 100, seed=1)
    assert sample(clips, 100, seed=1) != sample(clips, 100, seed=2)
    assert len(sample(clips, 3000)) == 500
    with pytest.raises(SettingsError, match="at least 1"):
        sample(clips, 0)


def test_a_missing_file_changes_one_place_of_a_sample():
    clips = many(500)
    whole = sample(clips, 100)
    lacking = sample([clip for clip in clips if clip != whole[7]], 100)
    assert len(set(whole) - set(lacking)) == 1


def test_a_list_is_read_as_it_was_written(tmp_path):
    clips = [
        Clip(
            id="a", path=tmp_path / "in" / "a.mp4", label="dog, barking", caption='a "dog"\nbarks'
        ),
        Clip(id="b#1#2", path=tmp_path / "b.png", audio=tmp_path / "b.wav", start_s=0.125),
        Clip(id="c", path=tmp_path / "c.mp4", start_s=1.0, duration_s=1.6),
    ]
    (tmp_path / "lists").mkdir()
    assert write_list(clips, tmp_path / "lists" / "list.csv") == 3
    assert "../in/a.mp4" in (tmp_path / "lists" / "list.csv").read_text()
    again = list(read_list(tmp_path / "lists" / "list.csv"))
    assert [c.path.resolve() for c in again] == [c.path.resolve() for c in clips]
    assert [(c.id, c.label, c.caption, c.start_s, c.duration_s) for c in again] == [
        (c.id, c.label, c.caption, c.start_s, c.duration_s) for c in clips
    ]
    assert [path.name for path in (tmp_path / "lists").iterdir()] == ["list.csv"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "id and path are missing"),
        ("id,path\na,a.mp4\na,b.mp4\n", "line 3: duplicate id a"),
        ("id,path\n,a.mp4\n", "line 2: expected an id and a path"),
        ("id,path,start_s\na,a.mp4,soon\n", "line 2: expected seconds"),
        ("id,path,start_s\na,a.mp4,-1\n", "line 2: expected start_s >= 0"),
    ],
)
def test_a_list_that_is_none_is_refused(tmp_path, text, says):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(MediaError, match=says):
        list(read_list(tmp_path / "list.csv"))


def test_a_folder_gives_videos_pairs_and_sounds(tmp_path):
    for name in ("a.mp4", "b.mp4", "b.wav", "c.png", "c.wav", "d.wav", "e.mp4", "e.jpg", ".f.wav"):
        touched(tmp_path / name)
    (tmp_path / "a.txt").write_text("a dog barks\n")
    found = {clip.id: clip for clip in folder.clips(tmp_path)}
    assert list(found) == ["a", "b", "c", "d", "e"]
    assert found["a"].caption == "a dog barks"
    assert (found["b"].path.name, found["b"].audio_file.name) == ("b.mp4", "b.wav")
    assert (found["c"].path.name, found["c"].audio_file.name) == ("c.png", "c.wav")
    assert (found["d"].path.name, found["d"].audio) == ("d.wav", None)
    assert found["e"].path.name == "e.mp4"
    touched(tmp_path / "a.mov")
    with pytest.raises(MediaError, match=r"a.mov and a.mp4 are both clip a"):
        list(folder.clips(tmp_path))


def test_landscape_and_aist_are_read_in_their_layouts(tmp_path):
    touched(tmp_path / "landscape" / "train" / "fire_crackling" / "abc#10#20.mp4")
    touched(tmp_path / "landscape" / "train" / "raining" / "def#0#10.mp4")
    touched(tmp_path / "AIST++_crop" / "train" / "gBR_sBM_c01_d04_mBR0_ch01.mp4")
    touched(tmp_path / "AIST++_crop" / "train" / "other.mp4")
    found = [(clip.id, clip.label) for clip in landscape.clips(tmp_path / "landscape")]
    assert found == [("abc#10#20", "fire crackling"), ("def#0#10", "raining")]
    labels = [clip.label for clip in aist.clips(tmp_path / "AIST++_crop")]
    assert labels == ["break", None]
    with pytest.raises(MediaError, match="test of Landscape"):
        next(landscape.clips(tmp_path / "landscape", "test"))
    with pytest.raises(MediaError, match="test of AIST"):
        next(aist.clips(tmp_path / "AIST++_crop", "test"))


def test_parts_lie_inside_their_clips_and_every_clip_gives_as_many(tmp_path):
    whole = [
        Clip(id=name, path=make_video(tmp_path / f"{name}.mp4", num_frames=50)) for name in "ab"
    ]
    found = random_segments(whole, 5, duration_s=0.5, seed=3)
    assert found == random_segments(whole[::-1], 5, duration_s=0.5, seed=3)
    assert len({clip.id for clip in found}) == 5
    assert sorted(sum(clip.id[0] == name for clip in found) for name in "ab") == [2, 3]
    assert all(0 <= clip.start_s <= 1.5 and clip.duration_s == 0.5 for clip in found)
    assert len({clip.start_s for clip in found}) == 5
    with pytest.raises(MediaError, match="expected at least 9 s, got 2 s"):
        random_segments(whole, 1, duration_s=9.0)
