"""File names and texts that are unusual or not valid: one sentence and exit code 2, or a result."""

import os

import pytest
from small_family import small_family, write_small
from tests.media_files import make_video

from seehear.cli import main
from seehear.pipeline import studio as studio_module
from seehear.pipeline.manifest import read_manifest

NOT_UTF8 = os.fsdecode(b"b\xff")
QUICK = ["--steps", "2", "--no-prompt", "-q"]


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return small_family(write_small(tmp_path_factory.mktemp("models")))


@pytest.fixture
def folder(tmp_path, monkeypatch, family):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(studio_module, "load_family", lambda options: family)
    make_video(tmp_path / "a.mp4")
    return tmp_path


def refused(capsys, *arguments):
    assert main([str(a) for a in arguments]) == 2
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return message


def test_a_file_name_that_is_no_utf8_works_as_input_and_as_output(folder):
    (folder / "a.mp4").rename(folder / f"{NOT_UTF8}.mp4")
    assert main(["v2a", f"{NOT_UTF8}.mp4", "-o", f"{NOT_UTF8}-out.mp4", *QUICK]) == 0
    assert (folder / f"{NOT_UTF8}-out.mp4").stat().st_size > 1000
    record = read_manifest(folder / f"{NOT_UTF8}-out.json")
    assert NOT_UTF8 in record["inputs"][0]["file"]
    assert main(["report", f"{NOT_UTF8}-out.json", "-o", "page.html"]) == 0


def test_a_prompt_that_is_no_utf8_is_refused(folder, capsys):
    arguments = ["v2a", "a.mp4", "-o", "out.mp4", "--steps", "2", "-q", "--prompt", NOT_UTF8]
    assert "expected a prompt in UTF-8" in refused(capsys, *arguments)
    assert not (folder / "out.mp4").exists()


def test_a_prompt_that_is_too_long_is_cut_with_a_message(folder, capsys):
    prompt = "a dog barks and " * 60 + "a cat"
    arguments = ["v2a", "a.mp4", "-o", "out.mp4", "--steps", "2", "--prompt", prompt]
    assert main(arguments) == 0
    message = " ".join(capsys.readouterr().err.split())
    assert "longer than the text encoder of the audio model reads" in message
    assert "a cat" not in message


@pytest.mark.parametrize("length", [241, 251, 300])
def test_a_name_that_leaves_no_room_for_the_manifest_is_refused(folder, capsys, length):
    message = refused(capsys, "v2a", "a.mp4", "-o", "x" * length + ".mp4", *QUICK)
    assert "at most 240 bytes" in message
    assert sorted(path.name for path in folder.iterdir()) == ["a.mp4"]


@pytest.mark.parametrize("command", ["v2a", "replay", "report", "batch"])
def test_an_input_name_that_no_file_can_have_is_refused(folder, capsys, command):
    refused(capsys, command, "x" * 300 + ".mp4", "-o", "out.mp4")
    refused(capsys, "eval", "--real", "x" * 300, "--generated", "a.mp4")


def test_the_longest_name_works(folder):
    assert main(["v2a", "a.mp4", "-o", "x" * 240 + ".mp4", *QUICK]) == 0
    assert (folder / ("x" * 240 + ".json")).exists()


def test_a_pipe_is_refused(folder, capsys):
    os.mkfifo(folder / "p.mp4")
    message = refused(capsys, "v2a", "p.mp4", "-o", "out.mp4", *QUICK)
    assert "got a pipe or a device" in message


@pytest.mark.parametrize("steps", [1000, 1001, 10_000])
def test_more_steps_than_the_schedule_has_are_refused(folder, capsys, steps):
    arguments = ["v2a", "a.mp4", "-o", "out.mp4", "--steps", steps, "--no-prompt", "-q"]
    message = refused(capsys, *arguments)
    assert "expected 1 to 999 steps" in message
    assert not (folder / "out.mp4").exists()


@pytest.mark.parametrize("device", ["mps", "meta", "privateuseone"])
def test_a_device_that_is_not_there_gets_one_short_sentence(folder, capsys, device):
    message = refused(capsys, "v2a", "a.mp4", "-o", "out.mp4", "--device", device, *QUICK)
    assert f"expected a device that this PyTorch can use, got '{device}'" in message
    assert len(message) < 450


@pytest.mark.parametrize("option", ["--threads", "--steps"])
@pytest.mark.parametrize("number", ["100000", "9" * 20])
def test_huge_numbers_of_threads_and_steps_are_refused_at_once(folder, capsys, option, number):
    assert main(["v2a", "a.mp4", "-o", "out.mp4", option, number]) == 2
    assert "less than or equal to" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(("clip", "output"), [("", "out.mp4"), ("a.mp4", "")])
def test_an_empty_path_is_not_the_current_folder(folder, capsys, clip, output):
    before = sorted(folder.iterdir())
    message = refused(capsys, "v2a", clip, "-o", output, *QUICK)
    assert "got an empty one" in message
    assert sorted(folder.iterdir()) == before
