from dataclasses import replace

import pytest

from seehear.batch.job_list import Entry, entries_of, seed_of
from seehear.errors import SettingsError
from seehear.pipeline.request import Request

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
    line = '{"input": "a.wav", "task": "a2v", "seed": 1, "upscale": 2}\n\n'
    (jsonl,) = listed(tmp_path, line, "jobs.jsonl")
    (csv,) = listed(tmp_path, "input,task,seed,upscale\na.wav,a2v,1,2\n")
    assert jsonl == csv
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
        ("input,seed\na.mp4,first\n", "expected seed of type int, got 'first'"),
        ("input,task\na.mp4,v2v\n", "expected one of the tasks"),
        ("prompt\na dog\n", "v2a needs an input file"),
        ("input,task\nx,joint\n", "joint needs a prompt"),
        ("input,preset\na.mp4,loud\n", "no preset 'loud'"),
        ("input\na.mp4\nb/a.mp4\n", "two jobs have the id a"),
        ("input,id\na.mp4,1\nb/a.mp4,2\n", None),
        ("input,id,output\na.mp4,1,x.mp4\nb.mp4,2,X.wav\n", "would both write"),
        ("input,output\na.mp4,../a.mp4\n", "expected a plain file name as output"),
        ("input,output\na.mp4,a.txt\n", "v2a writes .*, got 'a.txt'"),
        ("input,task,upscale\na.wav,a2v,0\n", "expected upscale of at least 1"),
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
