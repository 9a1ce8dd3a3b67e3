"""Clips that are made in order to be scored, and the floors beneath them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from tests.media_files import make_video

from seehear.batch.ledger import FILE
from seehear.cli import main
from seehear.errors import SettingsError
from seehear.evaluation import read_report
from seehear.evaluation.baselines import write_noise, write_retrieved
from seehear.evaluation.datasets import read_list
from seehear.evaluation.generate import ordered, run
from seehear.evaluation.match_clips import real_clips
from seehear.media import read_audio, read_image, read_video
from seehear.models.binders import pocket

RATE = 16_000


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Three videos of different colours with tones, and captions."""
    folder = tmp_path_factory.mktemp("real")
    t = np.arange(RATE) / RATE
    for k, name in enumerate(("a", "b", "c")):
        wave = 0.3 * np.sin(2 * np.pi * (300 + 500 * k) * t)[None].astype(np.float32)
        make_video(folder / f"{name}.mp4", sound=wave, sound_rate=RATE)
        (folder / f"{name}.txt").write_text(f"thing {name}")
    return folder


@pytest.mark.long
def test_eval_runs_a_preset_scores_it_and_does_not_make_it_again(real, tmp_path, capsys):
    command = ["eval", "--real", str(real), "--run", "unguided", "--steps", "2", "-o",
               str(tmp_path / "out"), "--cache", str(tmp_path / "cache"), "--quiet"]  # fmt: skip
    assert main(command) == 0
    first = read_report(tmp_path / "out")
    assert first.count == 3
    assert {path.name for path in (tmp_path / "out" / "made").glob("*.wav")} == {
        "a.wav", "b.wav", "c.wav",
    }  # fmt: skip
    written = (tmp_path / "out" / "made" / "a.wav").stat().st_mtime_ns
    assert main(command) == 0
    assert (tmp_path / "out" / "made" / "a.wav").stat().st_mtime_ns == written
    assert read_report(tmp_path / "out").scores == first.scores
    capsys.readouterr()


def test_a_damaged_job_database_of_a_run_is_refused(real, tmp_path):
    damaged = Path(__file__).parents[1] / "data/damaged_ledgers/message_is_not_utf8.sqlite"
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(damaged, folder / FILE)
    with pytest.raises(SettingsError, match="as a job database"):
        run(real_clips(real), ordered("v2a", "unguided"), folder, lambda request: None)


@pytest.mark.long
def test_scores_do_not_depend_on_cache_or_workers(real, tmp_path, capsys):
    made = tmp_path / "noise"
    write_noise("v2a", real_clips(real), made)
    reports = []
    for name, options in (
        ("first", ["--cache", str(tmp_path / "cache")]),
        ("again", ["--cache", str(tmp_path / "cache")]),
        ("two", ["--no-cache", "--workers", "2"]),
    ):
        out = tmp_path / name
        command = ["eval", "--real", str(real), "--generated", str(made), "-o", str(out)]
        assert main([*command, "--quiet", *options]) == 0
        reports.append(json.loads((out / "report.json").read_text())["report"])
    capsys.readouterr()
    assert len(list((tmp_path / "cache").rglob("*.safetensors"))) > 0
    assert reports[0]["count"] == 3
    assert all(report == reports[0] for report in reports)


def test_noise_is_as_loud_and_as_long_and_the_same_every_time(real, tmp_path):
    clips = real_clips(real)
    for name in ("one", "two"):
        write_noise("v2a", clips, tmp_path / name)
    one, two = ((tmp_path / name / "b.wav").read_bytes() for name in ("one", "two"))
    assert one == two
    noise = read_audio(tmp_path / "one" / "b.wav", RATE).waveform
    tone = read_audio(real / "b.mp4", RATE).waveform
    assert noise.shape[1] == tone.shape[1]
    torch.testing.assert_close(noise.std(), tone.std(), rtol=0.1, atol=0)


def test_noise_for_a_sound_is_a_video_of_random_pixels_with_that_sound(real, tmp_path):
    write_noise("a2v", real_clips(real)[:1], tmp_path)
    assert read_video(tmp_path / "a.mp4").frames.float().std() > 20
    heard = read_audio(tmp_path / "a.mp4", RATE).waveform.mean(0)
    spectrum = torch.fft.rfft(heard).abs()
    assert abs(int(spectrum.argmax()) * RATE / len(heard) - 300) < 5


def test_retrieval_never_answers_with_the_clip_itself(real, tmp_path):
    write_retrieved("v2a", real_clips(real), tmp_path, pocket.load())
    for name in ("a", "b", "c"):
        found, _ = soundfile.read(tmp_path / f"{name}.wav")
        peaks = []
        for sound in (found, read_audio(real / f"{name}.mp4", RATE).waveform[0].numpy()):
            peaks.append(np.abs(np.fft.rfft(sound)).argmax() * RATE / len(sound))
        assert abs(peaks[0] - peaks[1]) > 100
        assert any(abs(peaks[0] - hertz) < 10 for hertz in (300, 800, 1300))


def test_one_clip_has_nothing_to_retrieve_from(real, tmp_path):
    with pytest.raises(SettingsError, match="at least 2 clips"):
        write_retrieved("v2a", real_clips(real)[:1], tmp_path, pocket.load())


def test_a_list_a_sample_and_key_frames_come_from_the_shell(real, tmp_path, capsys):
    path = tmp_path / "list.csv"
    assert main(["data", "list", "folder", str(real), "-o", str(path), "--sample", "2"]) == 0
    clips = list(read_list(path))
    assert len(clips) == 2
    assert clips[0].caption == f"thing {clips[0].id}"
    assert main(["data", "key-frames", str(path), "-o", str(tmp_path / "frames")]) == 0
    frame = read_image(tmp_path / "frames" / f"{clips[0].id}.png").pixels
    assert frame.shape == read_video(clips[0].path).frames.shape[1:]
    assert main(["data", "baseline", "noise", str(path), "-o", str(tmp_path / "noise")]) == 0
    assert len(list((tmp_path / "noise").glob("*.wav"))) == 2
    capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["data", "list", "vggsound", "a.csv", "-o", "x.csv"],
            "expected vggsound.csv and a folder",
        ),
        (["data", "key-frames", "nowhere", "-o", "x"], "expected a folder of clips"),
        (["eval", "--real", "x"], "either --generated FOLDER or --run PRESET"),
        (["eval", "--real", "x", "--run", "default"], "expected -o FOLDER"),
        (["eval", "--real", "x", "--run", "loud", "-o", "y"], "no preset 'loud'"),
    ],
)
def test_what_is_missing_is_one_sentence(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert sentence in capsys.readouterr().err


def test_unguided_is_the_default_preset_without_guidance():
    aligner = ordered("a2v", "unguided").preset_settings().settings.aligner
    assert (aligner.lr_latents, aligner.lr_prompt) == (0.0, 0.0)
