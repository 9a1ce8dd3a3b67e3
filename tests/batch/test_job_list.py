import itertools
import os
from dataclasses import fields, replace
from pathlib import Path

import pytest
from tests.fuzz import lists

from seehear.batch.job_list import Entry, entries_of, seed_of
from seehear.batch.list_schema import COLUMNS
from seehear.errors import SettingsError
from seehear.media.track import Track
from seehear.pipeline.request import Request

DAMAGED = Path(__file__).parents[1] / "data" / "damaged_lists"
COMMON = Request(task="v2a", seed=7)


def listed(tmp_path, text: str, name: str = "jobs.csv"):
    path = tmp_path / name
    path.write_text(text)
    return entries_of(path, COMMON)


def test_cells_override_common_values_and_paths_are_relative_to_the_list(tmp_path):
    (entry,) = listed(tmp_path, "input,prompt,seed,steps\nclips/a.mp4,a dog,3,5\n")
    assert entry.id == "a"
    assert entry.output == "a.mp4"
    assert entry.request.source == tmp_path / "clips" / "a.mp4"
    assert (entry.request.prompt, entry.request.seed, entry.request.steps) == ("a dog", 3, 5)


def test_jsonl_and_csv_give_equal_entries(tmp_path):
    line = '{"input": "a.wav", "task": "a2v", "seed": 1, "upscale": 2, "max_duration_s": 9}\n\n'
    (jsonl,) = listed(tmp_path, line, "jobs.jsonl")
    (csv,) = listed(tmp_path, "input,task,seed,upscale,max_duration_s\na.wav,a2v,1,2,9\n")
    assert jsonl.to_json_line() == csv.to_json_line()
    assert csv.output == "a.mp4"


def test_a_folder_gives_one_job_per_input_file(tmp_path):
    for name in ("b.mp4", "a.avi", ".hidden.mp4", "b.txt", "Thumbs.db"):
        (tmp_path / name).touch()
    assert [e.output for e in entries_of(tmp_path, COMMON)] == ["a.mkv", "b.mp4"]


def test_a_seed_depends_on_the_id_and_not_on_the_position(tmp_path):
    both = listed(tmp_path, "input\na.mp4\nb.mp4\n")
    (alone,) = listed(tmp_path, "input\nb.mp4\n")
    assert both[1].request.seed == alone.request.seed == seed_of(7, "b")
    assert both[0].request.seed != both[1].request.seed


def test_an_entry_survives_a_round_trip_through_json(tmp_path):
    (entry,) = listed(tmp_path, "input,lr,mix\na.mp4,0.1,yes\n")
    assert Entry.from_json_line(entry.to_json_line()) == entry
    assert entry.request.mix is True


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("input,wrong\na.mp4,1\n", "unknown column 'wrong'"),
        ("input,seed\na.mp4,first\n", "expected a whole number from 0 to .* as seed, got 'first'"),
        ("input,task\na.mp4,v2v\n", "expected one of the tasks"),
        ("prompt\na dog\n", "v2a needs an input file"),
        ("input,task\nx,joint\n", "joint needs a prompt"),
        ("input,preset\na.mp4,loud\n", "no preset 'loud'"),
        ("input\na.mp4\nb/a.mp4\n", "two jobs have the id a"),
        ("input,id\na.mp4,1\nb/a.mp4,2\n", None),
        ("input,id,output\na.mp4,1,x.mp4\nb.mp4,2,X.wav\n", "would both write"),
        (
            "input,output\na.mp4,../a.mp4\n",
            r"expected a plain file name .* as output, got '\.\./a\.mp4'",
        ),
        ("input,output\na.mp4,a.txt\n", "expected a plain file name .*, got 'a.txt'"),
        ("input,output\na.mp4,a.png\n", "v2a writes .*, got 'a.png'"),
        ("input,task,upscale\na.wav,a2v,0\n", "expected a whole number from 1 to 64 as upscale"),
        ("input\n", "expected at least one job"),
        ("input\na.mp4,b\n", "expected one cell per column, got more"),
    ],
)
def test_invalid_lists_are_refused(tmp_path, text, sentence):
    if sentence is None:
        assert len(listed(tmp_path, text)) == 2
        return
    with pytest.raises(SettingsError, match=sentence):
        listed(tmp_path, text)


def test_paths_that_are_no_job_list_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="joint reads no files"):
        entries_of(tmp_path, replace(COMMON, task="joint"))
    with pytest.raises(SettingsError, match="found neither"):
        entries_of(tmp_path / "none.csv", COMMON)
    (tmp_path / "clip.mp4").write_bytes(b"\x00\xff")
    with pytest.raises(SettingsError, match=r"expected a \.csv"):
        entries_of(tmp_path / "clip.mp4", COMMON)
    with pytest.raises(SettingsError, match="expected a JSON object"):
        listed(tmp_path, "[1]\n", "jobs.jsonl")


def test_the_columns_of_version_0_1_0_are_read_and_ledgers_keep_the_old_names(tmp_path):
    for name, header in (("old", "sound_prompt"), ("new", "audio_prompt")):
        (tmp_path / f"{name}.csv").write_text(f"id,prompt,{header}\na,rain,thunder\n")
    common = Request(task="joint")
    old, new = (entries_of(tmp_path / f"{name}.csv", common)[0] for name in ("old", "new"))
    assert old == new
    assert new.request.audio_prompt == "thunder"
    assert '"sound_prompt": "thunder"' in new.to_json_line()
    assert Entry.from_json_line(new.to_json_line()) == new


def test_a_negative_prompt_is_a_column_and_other_jobs_are_those_of_older_ledgers(tmp_path):
    entries = listed(tmp_path, "input,negative\na.mp4,music\nb.mp4,\n")
    assert [entry.request.negative for entry in entries] == ["music", None]
    assert ['"negative"' in entry.to_json_line() for entry in entries] == [True, False]
    assert [Entry.from_json_line(entry.to_json_line()) for entry in entries] == entries


def test_settings_of_the_track_are_columns(tmp_path):
    header = "input,output,mix,gain,duck,stereo,pcm,audio_rate\n"
    a, b = listed(tmp_path, header + "a.mp4,a.mov,yes,-3,12,yes,yes,\nb.mp4,b.wav,,,,,,48000\n")
    assert a.request.track == Track(
        keep="mix", gain_db=-3.0, duck_db=12.0, is_stereo=True, is_pcm=True
    )
    assert b.request.track == Track(sample_rate=48_000)
    assert [Entry.from_json_line(entry.to_json_line()) for entry in (a, b)] == [a, b]
    with pytest.raises(SettingsError, match="expected a mix"):
        listed(tmp_path, "input,gain\na.mp4,3\n")
    with pytest.raises(SettingsError, match="needs a video output"):
        listed(tmp_path, "input,output,mix\na.mp4,a.wav,yes\n")
    with pytest.raises(SettingsError, match="only with a recording"):
        listed(tmp_path, "input,like_strength\na.mp4,0.5\n")
    with pytest.raises(SettingsError, match="from -60 to 60"):
        listed(tmp_path, "input,mix,gain\na.mp4,yes,99\n")


def test_references_are_columns_whose_files_are_relative_to_the_list(tmp_path):
    rows = ["a.mp4,wind,", "b.mp4,wind.wav,c.jpg", "d.mp4,,"]
    entries = listed(tmp_path, "input,veto,like\n" + "\n".join(rows))
    assert [entry.request.veto for entry in entries] == ["wind", str(tmp_path / "wind.wav"), None]
    assert [entry.request.like for entry in entries] == [None, str(tmp_path / "c.jpg"), None]
    assert ['"veto"' in entry.to_json_line() for entry in entries] == [True, True, False]
    assert [Entry.from_json_line(entry.to_json_line()) for entry in entries] == entries


def test_reference_files_of_the_command_are_relative_to_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "lists").mkdir()
    monkeypatch.chdir(tmp_path)
    Path("lists/jobs.csv").write_text("input\na.mp4\n")
    common = Request(task="v2a", veto="wind.wav", like="c.jpg")
    (entry,) = entries_of(Path("lists/jobs.csv"), common)
    assert entry.request.veto == str(tmp_path / "wind.wav")
    assert entry.request.like == str(tmp_path / "c.jpg")


def test_rows_of_one_clip_with_their_own_seeds_are_jobs_of_their_own(tmp_path):
    rows = ["a.mp4,3", "a.mp4,4", "a.mp4,", "b.mp4,3"]
    entries = listed(tmp_path, "input,seed\n" + "\n".join(rows))
    assert [e.output for e in entries] == ["a_seed_3.mp4", "a_seed_4.mp4", "a.mp4", "b.mp4"]
    assert [e.request.seed for e in entries] == [3, 4, seed_of(7, "a"), 3]
    turned = listed(tmp_path, "input,seed\n" + "\n".join(rows[::-1]))
    assert turned == entries[::-1]
    named = listed(tmp_path, "input,seed,output\na.mp4,3,x.mp4\na.mp4,4,y.mp4\n")
    assert [e.id for e in named] == ["x", "y"]


def test_a_repeated_row_is_refused_with_both_lines(tmp_path):
    with pytest.raises(SettingsError, match=r"line 3: expected another job, .*jobs\.csv, line 2;"):
        listed(tmp_path, "input,seed\na.mp4,3\na.mp4,3\n")
    with pytest.raises(SettingsError, match="two jobs have the id a_seed_3"):
        listed(tmp_path, "input,seed,prompt\na.mp4,3,rain\na.mp4,3,snow\n")


VALUES = [  # column, text in JSON, text in CSV (None: CSV has no such value)
    ("seed", "1.5", "1.5"), ("seed", "true", "true"), ("seed", "-1", "-1"),
    ("seed", "1" + "0" * 20, "1" + "0" * 20), ("seed", "1" + "0" * 5000, "1" + "0" * 5000),
    ("seed", '"3"', None), ("steps", "1000000000", "1000000000"), ("steps", "0", "0"),
    ("duration_s", "NaN", "NaN"), ("duration_s", "0", "0"), ("duration_s", "true", "true"),
    ("lr", "NaN", "nan"), ("lr", "Infinity", "inf"), ("lr", "1e999", "1e999"), ("lr", "-1", "-1"),
    ("max_duration_s", "-1", "-1"), ("mix", "1", "2"), ("upscale", "65", "65"),
    ("id", '"a\\u0000b"', "a\0b"), ("id", f'"{"x" * 300}"', "x" * 300), ("id", "[1]", None),
    ("input", '"a\\u0000b"', "a\0b"), ("input", f'"{"x" * 300}.mp4"', "x" * 300 + ".mp4"),
    ("output", f'"{"x" * 300}.mp4"', "x" * 300 + ".mp4"), ("output", '".a.mp4"', ".a.mp4"),
    ("output", '"/tmp/a.mp4"', "/tmp/a.mp4"), ("output", '"ledger.sqlite"', "ledger.sqlite"),
    ("id", '"../a"', "../a"), ("lufs", '"nan"', "nan"), ("task", '{"x": 1}', "x"),
    ("prompt", '"\\ud800"', None), ("input", '"\\udcff.mp4"', None),
    ("prompt", "[" * 100_000 + "]" * 100_000, None), ("prompt", "1", None),
]  # fmt: skip


@pytest.mark.parametrize(("column", "in_json", "in_csv"), VALUES, ids=lambda v: str(v)[:20])
def test_json_and_csv_refuse_the_same_values(tmp_path, column, in_json, in_csv):
    others = "" if column == "input" else '"input": "a.mp4", '
    with pytest.raises(SettingsError, match=r"jobs\.jsonl, line 1: ") as caught:
        listed(tmp_path, f'{{{others}"{column}": {in_json}}}\n', "jobs.jsonl")
    assert len(str(caught.value)) < 600
    if in_csv is None:
        return
    header, cell = (column, in_csv) if column == "input" else (f"input,{column}", f"a.mp4,{in_csv}")
    with pytest.raises(SettingsError, match=r"jobs\.csv, line 2: ") as caught:
        listed(tmp_path, f"{header}\n{cell}\n")
    assert len(str(caught.value)) < 600


def test_doubled_columns_other_bytes_and_large_files_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="expected each column once, got 'seed' 2 times"):
        listed(tmp_path, "input,seed,seed\na.mp4,1,2\n")
    with pytest.raises(SettingsError, match="expected each column once, got 'seed' 2 times"):
        listed(tmp_path, '{"input": "a.mp4", "seed": 1, "seed": 2}', "jobs.jsonl")
    for name in ("jobs.csv", "jobs.jsonl"):
        (tmp_path / name).write_bytes(b"input\n\xff.mp4\n")
        with pytest.raises(SettingsError, match="expected a job file in UTF-8, got other bytes"):
            entries_of(tmp_path / name, COMMON)
        with (tmp_path / name).open("wb") as file:
            file.truncate(65_000_000)
        with pytest.raises(SettingsError, match="at most 64 MB"):
            entries_of(tmp_path / name, COMMON)


def test_a_clip_in_a_folder_may_have_a_name_that_is_no_utf8(tmp_path):
    (tmp_path / os.fsdecode(b"a\xff.mp4")).touch()
    (entry,) = entries_of(tmp_path, COMMON)
    assert entry.output == r"a\xff.mp4"
    assert entry.request.source == tmp_path / os.fsdecode(b"a\xff.mp4")
    assert Entry.from_json_line(entry.to_json_line()) == entry


@pytest.mark.parametrize(
    "line",
    ["", "[]", "{}", "[" * 100_000, '{"id": "a", "output": "a.mp4", "order": 1}',
     '{"id": "a", "output": "../a.sh", "order": {"task": "v2a", "source": "a.mp4"}}',
     '{"id": "a", "output": "a.mp4", "order": {"task": "v2a", "source": [1]}}',
     '{"id": "a", "output": "a.mp4", "order": {"task": "v2a", "source": null, "lr": "x"}}',
     '{"id": "a", "output": "a.mp4", "order": {"source": "a.mp4"}}'],
    ids=lambda line: line[:20],
)  # fmt: skip
def test_a_damaged_job_of_a_ledger_is_refused(line):
    with pytest.raises(SettingsError, match="damaged or edited"):
        Entry.from_json_line(line)


@pytest.mark.parametrize("path", sorted(DAMAGED.iterdir()), ids=lambda path: path.stem)
def test_a_damaged_list_gives_one_sentence(path):
    with pytest.raises(SettingsError) as caught:
        entries_of(path, COMMON)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("seed", range(2))
def test_mutations_give_a_sentence_or_jobs(tmp_path, seed):
    for case in itertools.islice(lists.cases(seed), 200):
        lists.check(case, tmp_path)


def test_a_quote_that_is_not_closed_does_not_swallow_jobs(tmp_path):
    with pytest.raises(SettingsError, match=r"jobs\.csv"):
        listed(tmp_path, 'input,prompt\na.mp4,"a dog\nb.mp4,a cat\n')


def test_a_job_can_have_a_region(tmp_path):
    (entry,) = listed(tmp_path, "input,from_s,to_s\na.mov,0,2.5\n")
    assert entry.request.region == (0.0, 2.5)
    assert Entry.from_json_line(entry.to_json_line()) == entry
    with pytest.raises(SettingsError, match="only for v2a"):
        listed(tmp_path, "input,task,from_s\na.wav,a2v,1\n")


def test_a_list_of_shots_is_relative_to_the_job_file(tmp_path):
    (tmp_path / "shots.csv").write_text("from,to\n0,1\n")
    jobs = tmp_path / "jobs.csv"
    jobs.write_text("input,shots\na.mp4,shots.csv\nb.mp4,auto\n")
    first, second = entries_of(jobs, Request(task="v2a"))
    assert first.request.shots == str(tmp_path / "shots.csv")
    assert second.request.shots == "auto"
    jobs.write_text("input,shots\na.mp4,none.csv\n")
    with pytest.raises(SettingsError, match=r"line 2: .*cannot be read"):
        entries_of(jobs, Request(task="v2a"))


def test_stems_have_names_of_their_own(tmp_path):
    jobs = tmp_path / "jobs.csv"
    jobs.write_text("input,output,stems\ndog.mp4,dog.mp4,true\nb.mp4,dog_effects.mp4,\n")
    with pytest.raises(SettingsError, match="would both write dog_effects"):
        entries_of(jobs, Request(task="v2a"))
    jobs.write_text("input,output,stems\ndog.mp4,dog.mp4,true\nb.mp4,dog_original.mp4,\n")
    assert entries_of(jobs, Request(task="v2a"))[0].request.track.has_stems


def test_every_field_of_a_request_is_read_from_the_ledger_again():
    names = {field.name for field in fields(Request)} - {"source"}
    assert names <= set(COLUMNS)
