"""Folders as systems write them, and which clips they answer."""

import pytest

from seehear.errors import MediaError, SettingsError
from seehear.evaluation import SYSTEMS, pairs_of
from seehear.evaluation.datasets import Clip, write_list

ID = "--0PQM4-hqg_30000_40000"


@pytest.fixture
def real(tmp_path):
    return written(tmp_path / "real", f"{ID}.mp4", "second.mp4")


def written(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a clip")
    return folder


DIFF = "_CFG4.5_CG50_DPM_Solver_25_useDG_True"
WRITTEN = [  # system, what is judged, its files, those that answer the two clips
    ("same", "audio", [f"{ID}.wav", "second.wav"], [f"{ID}.wav", "second.wav"]),
    ("appended", "audio", [f"{ID}_gen.wav", "second_0.wav"], [f"{ID}_gen.wav", "second_0.wav"]),
    (
        "specvqgan", "audio",
        [f"cls_307/{ID}_sample_0.wav", f"cls_307/{ID}_sample_1.wav", "cls_1/second_sample_0.wav"],
        [f"cls_307/{ID}_sample_0.wav", f"cls_307/{ID}_sample_1.wav", "cls_1/second_sample_0.wav"],
    ),
    (
        "im2wav", "audio",
        [f"my_model/l{k}/{name}.wav" for k in (0, 1) for name in (ID, "second")],
        [f"my_model/l0/{ID}.wav", "my_model/l0/second.wav"],
    ),
    (
        "tempotokens", "video",
        [f"{ID}.wav", f"{ID}_c.mp4", "second_c.mp4", "second.mp4"],
        [f"{ID}_c.mp4", "second_c.mp4"],
    ),
    (
        "diff-foley", "audio",
        [f"{ID}{DIFF}/sample_{k}_diff.wav" for k in range(4)]
        + [f"{ID}{DIFF}/output_{k}.mp4" for k in range(4)]
        + ["second/sample_0_diff.wav"],
        [f"{ID}{DIFF}/sample_{k}_diff.wav" for k in range(4)] + ["second/sample_0_diff.wav"],
    ),
    (
        "foleycrafter", "audio",
        [f"{kind}/{name}" for name in (ID, "second") for kind in ("audio", "video")],
        [f"audio/{ID}.wav", "audio/second.wav"],
    ),
    (
        "mmaudio", "audio",
        [f"{name}{suffix}" for name in (ID, "second") for suffix in (".flac", ".mp4")],
        [f"{ID}.flac", "second.flac"],
    ),
]  # fmt: skip


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(("system", "judged", "files", "scored"), WRITTEN)
def test_outputs_are_found_as_systems_write_them(
    real, tmp_path, system, judged, files, scored, named
):
    if system == "foleycrafter":
        files = [f + (".wav" if f.startswith("audio") else ".mp4") for f in files]
    if system == "tempotokens" and not named:
        files = [name for name in files if name != "second.mp4"]  # which any system may have made
    made = written(tmp_path / "made", *files)
    pairs, failures = pairs_of(real, made, system=system if named else None, judged=judged)
    assert [pair.made.relative_to(made).as_posix() for pair in pairs] == scored
    assert {pair.clip.id for pair in pairs} == {ID, "second"}
    assert all(pair.id.startswith(pair.clip.id) for pair in pairs)
    assert len({pair.id for pair in pairs}) == len(pairs)
    assert failures == []


def test_every_system_is_tested():
    assert {system for system, *_ in WRITTEN} | {"mm-diffusion"} == set(SYSTEMS)


def test_names_that_a_system_changes_are_known(tmp_path):
    real = written(tmp_path / "real", "a+b.mp4", "c.d.mp4")
    made = written(tmp_path / "crafted", "audio/a b.wav", "audio/c.d.wav")
    assert [p.id for p in pairs_of(real, made, system="foleycrafter")[0]] == ["a+b", "c.d"]
    made = written(tmp_path / "im2wav", "l0/a+b.wav", "l0/c.wav")
    assert [p.id for p in pairs_of(real, made, system="im2wav")[0]] == ["a+b", "c.d"]


def test_outputs_of_nothing_stand_beside_clips_in_order(real, tmp_path):
    made = written(tmp_path / "made", "10.mp4", "9.mp4", "11.mp4", "grid/0.mp4")
    pairs, failures = pairs_of(real, made, system="mm-diffusion", judged="video")
    assert [pair.made.name for pair in pairs] == ["9.mp4", "10.mp4"]
    assert failures == []


def test_a_list_names_clips_by_id_and_by_file(tmp_path):
    written(tmp_path / "videos", f"{ID}.mp4")
    clip = Clip(id="--0PQM4-hqg_000030", path=tmp_path / "videos" / f"{ID}.mp4", start_s=1.0)
    write_list([clip], tmp_path / "list.csv")
    for name in (ID, clip.id):
        made = written(tmp_path / name, f"{name}_sample_0.wav")
        ((pair,), failures) = pairs_of(tmp_path / "list.csv", made)
        assert (pair.id, pair.clip.start_s, failures) == (clip.id, 1.0, [])
    (tmp_path / "empty.csv").write_text("id,path\n")
    with pytest.raises(MediaError, match="got an empty list"):
        pairs_of(tmp_path / "empty.csv", made)


def test_a_name_that_could_be_two_clips_is_told_and_not_guessed(tmp_path):
    real = written(tmp_path / "real", "a.mp4", "a_gen.mp4", "b+c.mp4", "b c.mp4")
    made = written(tmp_path / "made", "a_gen_0.wav", "b c.wav")
    pairs, failures = pairs_of(real, made, system="foleycrafter")
    assert "b c.wav: expected the name of one clip, but it matches b c and b+c" in "; ".join(
        f.reason for f in failures
    )
    assert pairs == []
    # Called exactly as a clip, it is that clip's, whatever other rules make of it.
    pairs, _ = pairs_of(real, made)
    assert ("b c", "b c.wav") in [(pair.id, pair.made.name) for pair in pairs]


def test_two_files_for_one_take_are_told_and_the_rest_is_matched(real, tmp_path):
    made = written(tmp_path / "made", "second.wav", "second.flac", f"{ID}.wav")
    pairs, failures = pairs_of(real, made)
    assert [pair.id for pair in pairs] == [ID]
    (failure,) = failures
    assert "both match the same take of second" in failure.reason
    assert "second.flac" in failure.reason
    assert "second.wav" in failure.reason


def test_a_system_that_nobody_knows_is_refused(real):
    with pytest.raises(SettingsError, match="--system: expected one of same, appended, specvqgan"):
        pairs_of(real, real, system="soundmaker")
