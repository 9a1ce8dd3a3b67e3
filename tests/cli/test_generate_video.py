"""a2v, a2i and joint, run as a user would: real files in, films and pictures and words out."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from small_family import moving_frames, small_picture_family
from tests.media_files import make_video

from seehear import media
from seehear.cli import main
from seehear.pipeline import studio as studio_module
from seehear.pipeline.result import Result

QUICK = ("--steps", "4")


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return small_picture_family(tmp_path_factory.mktemp("models"))


@pytest.fixture
def workplace(tmp_path, monkeypatch, family):
    """An empty current folder with a sound of a second; threads are put back."""
    monkeypatch.setattr(
        studio_module, "load_family", lambda options: replace(family, name=options.models)
    )
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    soundfile.write("bang.wav", 0.2 * rng.standard_normal((22_050, 2)), 22_050)
    threads = torch.get_num_threads()
    yield tmp_path
    torch.set_num_threads(threads)


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def run(*arguments, code=0):
    assert main([str(argument) for argument in arguments]) == code


def test_a_sound_becomes_a_film_with_that_sound(workplace, capsys):
    run("a2v", "bang.wav", "-o", "out.mp4", *QUICK, "--seed", "2")
    shown = capsys.readouterr().out
    assert "out.mp4: 1.00 s of video in" in shown
    assert "recognised:" in shown
    made = media.read_video("out.mp4")
    assert made.duration_s == 1.0
    assert made.frames.shape[1:] == (3, 64, 64)  # 16 pixels, four times larger
    assert made.has_audio
    manifest = json.loads((workplace / "out.json").read_text())
    assert manifest["task"] == "a2v"
    assert manifest["upscale"] == {"factor": 4, "filter": "Lanczos"}
    assert {entry["name"].split("/")[0] for entry in manifest["weights"]} == {"video"}


def test_large_pictures_are_saved_as_they_are(tmp_path):
    for size, saved in ((64, 256), (128, 128)):
        frames = torch.zeros((1, 3, size, size), dtype=torch.uint8)
        made = Result(task="a2i", frames=frames, fps=1.0)
        path, _ = made.save(tmp_path / f"{size}.png", upscale=None)
        assert media.read_image(path).pixels.shape == (3, saved, saved)


@pytest.mark.long
def test_a_sound_without_a_beginning_is_told_to_give_no_time(workplace, capsys):
    soundfile.write("silence.wav", np.zeros(22_050), 22_050)
    run("a2v", "silence.wav", "-o", "out.mp4", *QUICK, "--prompt", "", "--sync", "0.5")
    assert "silence.wav: the audio has no onsets" in capsys.readouterr().err
    run("a2v", "bang.wav", "-o", "bang.mp4", *QUICK, "--prompt", "", "--sync", "0.5")
    assert "nothing" not in capsys.readouterr().err


def test_a_silent_sound_is_said_to_lead_nowhere_unless_nothing_is_to_be_said(workplace, capsys):
    soundfile.write("silence.wav", np.zeros(22_050), 22_050)
    run("a2i", "silence.wav", "-o", "out.png", *QUICK)
    assert "silence.wav: the audio is silent" in capsys.readouterr().err
    run("a2i", "silence.wav", "-o", "again.png", "--steps", "1", "--quiet")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")


def test_a_suffix_may_lack_its_dot(workplace):
    run("a2i", "bang.wav", "-o", "pictures/", "--suffix", "webp", *QUICK, "--no-prompt")
    assert files(workplace / "pictures") == ["bang.json", "bang.webp"]


def test_a_sound_becomes_a_picture(workplace):
    run("a2i", "bang.wav", "-o", "out.png", *QUICK, "--prompt", "rain", "--upscale", "1")
    assert media.read_image("out.png").pixels.shape == (3, 16, 16)


def test_a_folder_of_sounds_becomes_a_folder_of_pictures(workplace):
    (workplace / "takes").mkdir()
    (workplace / "bang.wav").rename(workplace / "takes" / "bang.wav")
    (workplace / "takes" / "notes.txt").write_text("not a sound")
    run("a2i", "takes", "-o", "pictures/", *QUICK, "--no-prompt")
    assert files(workplace / "pictures") == ["bang.json", "bang.png"]


def test_a_sentence_becomes_a_film_with_sound(workplace, capsys):
    run("joint", "rain on a roof", "-o", "out.mp4", *QUICK)
    assert 'prompt "rain on a roof"' in capsys.readouterr().out
    made = media.read_video("out.mp4")
    assert made.duration_s == 1.0
    assert made.has_audio


@pytest.mark.long
@pytest.mark.parametrize(
    "command",
    [
        ("a2v", "bang.wav", "-o", "out.mp4"),
        ("a2i", "bang.wav", "-o", "out.png"),
        ("joint", "rain", "-o", "out.mp4", "--audio-prompt", "bells", "--duration", "1.3"),
        ("joint", "a", "-o", "out.mp4", "--audio-prompt", "rain", "--video-prompt", "rain"),
    ],
)
def test_every_output_can_be_made_again_bit_for_bit(workplace, capsys, command):
    run(*command, *QUICK)
    run("replay", "out.json", "-o", "again" + command[3][3:])
    assert "bit for bit" in capsys.readouterr().out
    again, before = (json.loads((workplace / f"{n}.json").read_text()) for n in ("again", "out"))
    assert again["frames_sha256"] == before["frames_sha256"]
    assert again["upscale"] == before["upscale"]


def test_a_replay_tells_when_the_frames_differ(workplace, capsys):
    run("a2i", "bang.wav", "-o", "out.png", *QUICK)
    record = json.loads((workplace / "out.json").read_text())
    record["frames_sha256"] = "0" * 64
    (workplace / "out.json").write_text(json.dumps(record))
    run("replay", "out.json", code=1)
    assert "the media differ" in capsys.readouterr().out


@pytest.mark.long
def test_previews_are_written_while_it_runs(workplace):
    run("a2v", "bang.wav", "-o", "out.mp4", "--steps", "10", "--previews", "looks")
    assert files(workplace / "looks") == ["out_step_005.png", "out_step_010.png"]
    assert media.read_image("looks/out_step_005.png").pixels.shape == (3, 16, 4 * 16)


@pytest.mark.parametrize(
    ("command", "steps"),
    [
        (("a2v", "bang.wav"), "20, 13"),
        (("a2i", "bang.wav"), "20, 13"),
        (("joint", "a dog barking"), "40, 23"),  # 30 for either
    ],
)
def test_a_dry_run_tells_the_plan_and_writes_nothing(workplace, capsys, command, steps):
    before = files(workplace)
    run(*command, "-o", "out.png" if command[0] == "a2i" else "out.mp4", "--dry-run")
    shown = capsys.readouterr().out
    assert files(workplace) == before
    assert f"steps    {steps}" in shown
    assert "video 1 x 4 x" in shown


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("a2v", "silent.mp4", "-o", "out.mp4"), "expected audio, or a video with audio"),
        (("a2v", "bang.wav", "-o", "out.wav"), "cannot write '.wav' here"),
        (("a2i", "words.txt", "-o", "out.png"), "words.txt"),
        (("a2v", "bang.wav", "-o", "out.mp4", "--max-duration", "0.5"), "0.5"),
        (("joint", "rain", "-o", "out.png"), "choose one of .m4v, .mkv, .mov, .mp4, .webm\n"),
        (("joint", "rain", "-o", "out/"), "expected the name of a file"),
        (("joint", "rain", "-o", "nowhere/out.mp4"), "there is no folder nowhere; create it first"),
        (("joint", "rain", "-o", "out.mp4", "--duration", "0.01"), "0.1 to 600 s"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence_and_leaves_nothing(
    workplace, capsys, arguments, complaint
):
    make_video(workplace / "silent.mp4")
    (workplace / "words.txt").write_text("no media at all")
    before = files(workplace)
    run(*arguments, *QUICK, code=2)
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("error:") == 1
    assert files(workplace) == before


def test_a_video_with_sound_may_be_given_for_its_sound(workplace):
    frames = torch.from_numpy(moving_frames(25)).permute(0, 3, 1, 2)
    media.write_video("clip.mp4", frames, 25.0, torch.rand(1, 16_000) - 0.5, 16_000)
    run("a2i", "clip.mp4", "-o", "out.png", *QUICK)
    assert (workplace / "out.png").exists()
