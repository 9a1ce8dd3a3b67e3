"""Folders of clips scored against each other: good, missing, silent, damaged and single ones."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tests.media_files import make_video, write_surround

from seehear.cli import main
from seehear.errors import MediaError, SettingsError
from seehear.evaluation import (
    Difference,
    compared,
    evaluated,
    over_optimisation_warnings,
    pairs_of,
    read_report,
    write_report,
)
from seehear.metrics.features.judge import Judge

SHORT = Path(__file__).parents[1] / "data" / "short10ms.wav"

RATE = 16_000


def tone(seed, noise=0.0, seconds=1.0):
    draw = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    wave = 0.3 * np.sin(2 * np.pi * draw.uniform(200, 2000) * t) * np.exp(-3 * (t % 0.5))
    return wave + noise * draw.normal(size=len(t))


def folder_of(path, count=12, noise=0.0, suffix="", **options):
    path.mkdir(parents=True)
    for k in range(count):
        soundfile.write(path / f"clip{k:02d}{suffix}.wav", tone(k, noise, **options), RATE)
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("sounds")
    return {
        "real": folder_of(root / "real"),
        "good": folder_of(root / "good", noise=0.002),
        "bad": folder_of(root / "bad", noise=0.3),
    }


def value(report, name):
    return next(score for score in report.scores if score.name == name)


def test_noise_makes_every_score_worse(folders):
    good, bad = (evaluated("v2a", folders["real"], folders[k]) for k in ("good", "bad"))
    assert good.count == bad.count == 12
    assert value(good, "KL").value < value(bad, "KL").value
    assert value(good, "FD").value < value(bad, "FD").value
    assert value(good, "same class").value > value(bad, "same class").value
    low, high = value(bad, "KL").interval
    assert low <= value(bad, "KL").value <= high
    assert any("12 clips for" in note for note in good.notes)


def test_clips_against_themselves_are_perfect(folders):
    report = evaluated("v2a", folders["real"], folders["real"])
    assert value(report, "same class").value == 1
    assert value(report, "FD").value == pytest.approx(0, abs=1e-6)
    assert value(report, "KL").value == pytest.approx(0, abs=1e-4)


@pytest.mark.long
def test_differences_are_told_with_what_is_chance(folders):
    reports = [evaluated("v2a", folders["real"], folders[k]) for k in ("good", "bad", "good")]
    first_second, first_third, *_ = [d for d in compared(reports) if d.metric == "KL"]
    assert first_second.value > 0
    assert first_second.is_real
    assert first_third.value == 0
    assert not first_third.is_real
    with pytest.raises(SettingsError, match="at least two"):
        compared(reports[:1])


def test_a_report_is_written_in_four_forms_and_read_again(folders, tmp_path):
    report = evaluated("v2a", folders["real"], folders["good"])
    write_report(report, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "report.csv", "report.json", "report.md", "report.tex",
    ]  # fmt: skip
    again = read_report(tmp_path / "out")
    assert again.scores == report.scores
    assert again.clips.keys() == report.clips.keys()
    assert "KL (↓)" in report.markdown()
    assert r"\begin{tabular}" in report.latex()
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(SettingsError, match="expected a report"):
        read_report(tmp_path / "other.json")


def test_names_that_systems_derive_are_matched_and_takes_all_count(tmp_path):
    real, made = folder_of(tmp_path / "real", 2), folder_of(tmp_path / "made", 2, suffix="_gen")
    soundfile.write(made / "clip00_sample_1.wav", tone(0), RATE)
    pairs, failures = pairs_of(real, made)
    assert [(p.id, p.made.stem, p.real.stem) for p in pairs] == [
        ("clip00 (take 0)", "clip00_gen", "clip00"),
        ("clip00 (take 1)", "clip00_sample_1", "clip00"),
        ("clip01", "clip01_gen", "clip01"),
    ]
    assert failures == []


def test_what_cannot_be_scored_is_listed_and_the_rest_is_scored(tmp_path, capsys):
    real, made = folder_of(tmp_path / "real", 5), folder_of(tmp_path / "made", 4)
    soundfile.write(made / "clip01.wav", np.zeros(RATE), RATE)
    (made / "clip02.wav").write_bytes(b"RIFF, but not really")
    soundfile.write(made / "stranger.wav", tone(9), RATE)
    report = evaluated("v2a", real, made)
    assert report.count == 2
    reasons = {failure.id: failure.reason for failure in report.failures}
    assert "silent" in reasons["clip01"]
    assert "clip02" in reasons
    assert "no generated file" in reasons["clip04"]
    assert "no clip named stranger" in reasons["stranger"]
    code = main(["eval", "--real", str(real), "--generated", str(made), "-o", str(tmp_path / "o")])
    assert code == 1
    assert "not scored" in capsys.readouterr().out
    assert json.loads((tmp_path / "o" / "report.json").read_text())["report"]["count"] == 2


def test_one_clip_is_scored_without_intervals_and_distances(tmp_path, capsys):
    real, made = folder_of(tmp_path / "real", 1), folder_of(tmp_path / "made", 1, noise=0.1)
    report = evaluated("v2a", real, made)
    assert math.isnan(value(report, "KL").interval[0])
    assert "FD" not in {score.name for score in report.scores}
    assert "FD and KD: skipped, because they need at least 2 clips" in report.markdown()
    assert main(["eval", "--real", str(real), "--generated", str(made), "--no-cache"]) == 1
    assert "skipped" in capsys.readouterr().out


def test_features_that_are_not_finite_fail_their_clip_alone(folders, monkeypatch):
    features, calls = Judge.sound_features, []

    def broken(self, waveform):
        calls.append(1)
        return features(self, waveform) * (math.nan if len(calls) == 2 else 1)

    monkeypatch.setattr(Judge, "sound_features", broken)
    report = evaluated("v2a", folders["real"], folders["good"])
    assert report.count == 11
    assert "expected finite features" in report.failures[0].reason


@pytest.mark.parametrize("broken", ["a clip of 10 ms", "an error of a network"])
def test_a_clip_that_a_network_fails_on_is_named_and_the_rest_is_scored(
    tmp_path, monkeypatch, broken
):
    real, made = folder_of(tmp_path / "real", 9), folder_of(tmp_path / "made", 9)
    if broken == "a clip of 10 ms":
        shutil.copy(SHORT, made / "clip03.wav")
        shutil.copy(SHORT, real / "clip03.wav")
    else:
        score = Judge.sound_features

        def fail_once(self, waveform, calls=[]):  # noqa: B006
            calls.append(1)
            if len(calls) == 8:
                raise RuntimeError("Kernel size can't be\ngreater than the input")
            return score(self, waveform)

        monkeypatch.setattr(Judge, "sound_features", fail_once)
    report = evaluated("v2a", real, made)
    assert report.count == 8
    assert [failure.id for failure in report.failures] == ["clip03"]
    reason = (
        "expected a clip that is long enough for the networks, got 0.010 s; make it longer or "
        "leave it out"
        if broken == "a clip of 10 ms"
        else "expected a clip that can be scored, but a network fails on it; leave it out, or "
        "report the file as a bug"
    )
    assert report.failures[0].reason == f"{made / 'clip03.wav'}: {reason}"
    code = main(["eval", "--real", str(real), "--generated", str(made), "-q", "--no-cache"])
    assert code == (1 if broken == "a clip of 10 ms" else 0)


def test_surround_audio_is_scored_like_other_audio(tmp_path):
    for name in ("real", "made"):
        folder_of(tmp_path / name, 2)
        write_surround(tmp_path / name / "surround71.wav", 8)
    report = evaluated("v2a", tmp_path / "real", tmp_path / "made")
    assert (report.count, report.failures) == (3, ())
    assert "surround71" in report.clips


@pytest.mark.parametrize("missing", ["real", "made"])
def test_folders_that_are_not_there_or_empty_are_refused(folders, tmp_path, missing):
    there, empty = folders["real"], tmp_path / "empty"
    empty.mkdir()
    for other in (tmp_path / "nowhere", empty):
        given = (other, there) if missing == "real" else (there, other)
        with pytest.raises(MediaError, match="expected"):
            evaluated("v2a", *given)
    with pytest.raises(SettingsError, match="expected one of the tasks"):
        evaluated("v2x", there, there)


def test_videos_are_judged_by_their_pictures_and_aligned(tmp_path):
    for name in ("real", "made"):
        (tmp_path / name).mkdir()
        for k in range(2):
            make_video(
                tmp_path / name / f"clip{k}.mp4",
                sound=tone(k)[None].astype(np.float32),
                sound_rate=RATE,
            )
    report = evaluated("joint", tmp_path / "real", tmp_path / "made")
    assert report.count == 2
    assert value(report, "same class").value == 1
    assert torch.isfinite(torch.tensor(value(report, "FD").value))


def test_the_shell_scores_and_compares(folders, tmp_path, capsys):
    for name in ("good", "bad"):
        given = ["--real", str(folders["real"]), "--generated", str(folders[name])]
        assert main(["eval", *given, "-o", str(tmp_path / name), "--quiet"]) == 0
    capsys.readouterr()
    assert main(["eval", "compare", str(tmp_path / "good"), str(tmp_path / "bad")]) == 0
    assert "KL" in capsys.readouterr().out
    assert main(["eval", "--real", str(folders["real"])]) == 2
    assert "--generated" in capsys.readouterr().err


def test_a_guide_that_is_pleased_while_the_judge_is_not_raises_an_alarm():
    def difference(metric, value, width=0.01):
        return Difference(
            metric=metric, first="unguided", second="guided", value=value,
            interval=(value - width, value + width), count=9,
        )  # fmt: skip

    worse = [difference("AV-bind", 0.1), difference("KL", 0.5)]
    (sentence,) = over_optimisation_warnings(worse)
    assert sentence.startswith("over-optimised: guided has a higher AV-bind than unguided")
    assert over_optimisation_warnings([worse[0], difference("KL", -0.5)]) == []
    assert over_optimisation_warnings([worse[0], difference("KL", 0.5, width=1.0)]) == []
    assert over_optimisation_warnings([difference("AV-bind", -0.1), difference("KL", -0.5)])[
        0
    ].startswith("over-optimised: unguided")
