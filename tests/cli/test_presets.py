"""`seehear presets` as a table for people."""

from seehear.cli import main
from seehear.cli.console import out


def test_rates_of_joint_presets_are_printed_per_stream(monkeypatch, capsys):
    monkeypatch.setattr(out, "_width", 200)
    assert main(["presets"]) == 0
    shown = capsys.readouterr().out
    rows = {line.split("  ")[0]: line for line in shown.split("joint ")[1].splitlines()}
    rates = rows["learning rate of latents (--lr)"]
    assert rates.count("audio 0.05, video 0.05") == 3  # default, wordless, latents
    assert rates.rstrip().endswith("audio 0.1, video 0.01")  # equations: section 4.1
    assert "audio 2.5, video 4.0" in rows["guidance scale"]
    assert "{" not in shown
