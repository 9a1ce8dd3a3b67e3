"""`seehear joint --backbone`: options that contradict each other, before any model is loaded."""

import pytest

from seehear.cli import main


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-o", "out.mp4"], "expected a PROMPT without --backbone"),
        (["rain", "-o", "out.mp4", "--like", "no.wav"], "no such file"),
        (["rain", "-o", "out.mp4", "--veto", "no.wav"], "no such file"),
        (["rain", "--prompt", "rain", "-o", "out.mp4"], "exclude each other"),
        (["-n", "2", "-o", "out.mp4", "--backbone", "mm-diffusion"], "expected a folder"),
        (["-o", "out/", "--backbone", "mm-diffusion"], "expected the name of a file"),
        (["-o", "out.mp4", "--backbone", "mm-diffusion", "--like", "no.wav"], "no such file"),
        (["-o", "out.mp4", "--backbone", "mm-diffusion", "--audio", "x"], "leave one of them out"),
        (
            ["-o", "out.mp4", "--backbone", "mm-diffusion", "--audio-prompt", "rain"],
            "expected one prompt for both streams",
        ),
        (["rain", "-o", "out.mp4", "--preset", "loud"], "loud"),
    ],
)
def test_contradictions_are_one_sentence_and_exit_code_2(
    arguments, expected, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["joint", *arguments]) == 2
    assert expected in " ".join(capsys.readouterr().err.split())


def test_a_model_to_download_by_hand_is_described(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SEEHEAR_HOME", str(tmp_path))
    assert main(["models", "pull", "mm-diffusion-landscape", "--yes"]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert "save the file as" in message
    assert "Landscape.pt" in message
