"""The command line, run as a user would: real files in, files, words and exit codes out."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import PIL.Image
import pytest
import torch
from small_family import moving_frames, small_family, write_small
from tests.media_files import make_sound, make_video, packet_hashes, scene

from seehear import __version__, media
from seehear.cli import console as showing
from seehear.cli import main, options, progress
from seehear.guidance import aligner
from seehear.media.loudness import loudness
from seehear.pipeline import studio as studio_module
from seehear.pipeline.manifest import read_manifest
from seehear.pipeline.presets import PRESETS, presets_of
from seehear.pipeline.result import file_sha256
from seehear.pipeline.task import TASKS

DATA = Path(__file__).parents[1] / "data"
QUICK = ("--steps", "4", "--prompt", "rain")


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return small_family(write_small(tmp_path_factory.mktemp("models")))


@pytest.fixture
def loads(monkeypatch, family):
    """The small family in place of the one that ships, and the options it was loaded with."""
    calls = []

    def load_family(options):
        calls.append({"name": options.models, **options.to_json()})
        return replace(family, name=options.models)

    monkeypatch.setattr(studio_module, "load_family", load_family)
    return calls


@pytest.fixture
def workplace(tmp_path, monkeypatch, loads):
    """An empty current folder with a clip of a second and a photo; threads are put back."""
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "clip.mp4")
    PIL.Image.fromarray(moving_frames(1)[0]).save(tmp_path / "photo.jpg")
    threads = torch.get_num_threads()
    yield tmp_path
    torch.set_num_threads(threads)


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def run(*arguments, code=0):
    assert main([str(argument) for argument in arguments]) == code


# What the shell shows


def test_help_answers_at_once_without_loading_pytorch():
    script = (
        "import sys, time; began = time.perf_counter(); from seehear.cli import main; "
        "main(['v2a', '--help']); seconds = time.perf_counter() - began; "
        "heavy = {'torch', 'diffusers', 'transformers', 'numpy', 'av'} & sys.modules.keys(); "
        "assert not heavy, heavy; assert time.process_time() < 1.5, time.process_time()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "seehear v2a clip.mp4 -o out.mp4" in done.stdout


@pytest.mark.parametrize("command", ["v2a", "i2a", "replay", "presets"])
def test_every_command_teaches_by_an_example(command, capsys):
    run(command, "--help")
    shown = capsys.readouterr().out
    assert "For example:" in shown
    assert "\n     seehear " in shown


def test_version(capsys):
    run("--version")
    assert capsys.readouterr().out == f"seehear {__version__}\n"


def test_the_table_of_presets_tells_rules_and_rates(capsys, monkeypatch):
    monkeypatch.setattr(showing.out, "width", 120)
    run("presets")
    shown = capsys.readouterr().out
    assert [name for name in PRESETS if name in shown] == list(PRESETS)
    assert all(f"paper-{task}" in shown for task in ("v2a", "i2a", "a2v", "joint"))
    assert all(f"paper-{task}-fast" in shown for task in ("v2a", "i2a", "a2v", "joint"))
    assert "fresh_adam" in shown
    assert "stale" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("task", ["v2a", "i2a", "a2v", "a2i", "joint"])
def test_every_command_offers_the_presets_of_its_task(task):
    offered = get_args(get_args(options.preset_option(TASKS[task]))[0])
    rows = [row.name for row in TASKS.values() if (row.command or row.name) == task]
    assert offered == tuple(dict.fromkeys(name for row in rows for name in presets_of(row)))
    assert ("paper-landscape" in offered) == (task == "joint")


def test_the_shell_offers_all_families():
    from seehear.models.families import FAMILIES

    assert set(options.ModelsName.__args__) == set(FAMILIES)


# One output


def test_a_clip_gets_a_sound_and_keeps_its_picture(workplace, capsys):
    run("v2a", "clip.mp4", "-o", "out.mp4", *QUICK)
    assert files(workplace) == ["clip.mp4", "out.json", "out.mp4", "photo.jpg"]
    assert packet_hashes(workplace / "out.mp4") == packet_hashes(workplace / "clip.mp4")
    assert media.probe("out.mp4").has_audio
    captured = capsys.readouterr()
    assert captured.out.startswith("out.mp4: 1.00 s of audio in ")
    assert captured.out.endswith('s; prompt "rain"\n')
    assert "clip.mp4: step 4/4" in captured.err
    assert "\x1b" not in captured.out + captured.err


@pytest.mark.parametrize("suffix", [".mkv", ".mov", ".wav", ".flac", ".ogg"])
def test_the_name_of_the_output_decides_what_is_written(workplace, suffix):
    run("v2a", "clip.mp4", "-o", f"out{suffix}", "--steps", 1, "--no-prompt", "-q")
    assert media.read_audio(f"out{suffix}").duration_s == pytest.approx(1.0, abs=0.01)


def test_audio_has_the_loudness_that_was_asked_for(workplace):
    measured = {}
    for name, extra in (("own", ()), ("loud", ("--lufs", "-30")), ("off", ("--lufs", "off"))):
        run("v2a", "clip.mp4", "-o", f"{name}.wav", *QUICK, "-q", *extra)
        audio = media.read_audio(f"{name}.wav")
        measured[name] = loudness(audio.waveform[0], audio.sample_rate)
    assert max(measured["own"].peak_dbtp, measured["loud"].peak_dbtp) <= -0.9
    assert measured["own"].lufs == pytest.approx(-23.0, abs=0.2)
    assert measured["loud"].lufs == pytest.approx(-30.0, abs=0.2)
    assert abs(measured["off"].lufs + 23.0) > 0.5
    assert read_manifest("own.json")["settings"]["preset"]["lufs"] == -23.0
    assert read_manifest("off.json")["settings"]["preset"]["lufs"] is None


@pytest.mark.parametrize("value", ["loud", "-100", "3", "nan"])
def test_a_loudness_out_of_range_is_refused_before_sampling(workplace, capsys, value):
    assert main(["v2a", "clip.mp4", "-o", "out.wav", "--lufs", value]) == 2
    message = capsys.readouterr().err
    assert "loudness" in message
    assert "Traceback" not in message
    assert not (workplace / "out.wav").exists()


def test_lost_guidance_is_told_once(workplace, monkeypatch, capsys):
    gradients = aligner.gradients

    def without_loss(*arguments):
        *found, losses = gradients(*arguments)
        return *found, dict.fromkeys(losses, float("nan"))

    monkeypatch.setattr(aligner, "gradients", without_loss)
    run("v2a", "clip.mp4", "-o", "out.wav", *QUICK)
    told = [line for line in capsys.readouterr().err.splitlines() if "NaN or infinite" in line]
    assert len(told) == 1
    assert told[0].startswith("clip.mp4: the guidance loss was NaN or infinite at ")


def test_without_a_prompt_the_user_is_told_what_it_was_named(workplace, capsys):
    run("v2a", "clip.mp4", "-o", "out.wav", "--steps", 1)
    named = read_manifest("out.json")["settings"]["named"]
    assert (
        f"recognised: {named[0]['phrase']} ({named[0]['score']:.2f}), "
        f"also: {named[1]['phrase']}, {named[2]['phrase']}\n"
    ) in capsys.readouterr().out


def test_quiet_says_nothing(workplace, capsys):
    run("v2a", "clip.mp4", "-o", "out.wav", *QUICK, "--quiet")
    assert capsys.readouterr() == ("", "")


def test_a_photo_gets_a_sound_of_the_asked_length(workplace):
    run("i2a", "photo.jpg", "-o", "out.flac", "--duration", 0.7, *QUICK)
    sound = media.read_audio("out.flac")
    assert sound.waveform.shape == (1, 11_200)
    assert read_manifest("out.json")["task"] == "i2a"


def test_options_reach_the_models_and_the_manifest(workplace, loads):
    run(
        *("v2a", "clip.mp4", "-o", "out.wav", "--steps", 2, "--lr", 0.05, "--seed", 9),
        *("--preset", "authors", "--models", "paper", "--binder", "b.pth", "--audio", "owner/name"),
        *("--dtype", "bfloat16", "--threads", 1, "--prompt", "rain"),
    )
    assert loads[0]["name"] == "paper"
    assert loads[0]["dtype"] == "bfloat16"
    assert loads[0]["audio"] == "owner/name"
    record = read_manifest("out.json")
    assert record["seed"] == 9
    assert record["versions"]["threads"] == 1
    assert record["settings"]["loaded"]["dtype"] == "bfloat16"
    preset = record["settings"]["preset"]
    assert (preset["name"], preset["settings"]["num_steps"]) == ("authors", 2)
    assert preset["settings"]["aligner"]["lr_latents"] == 0.05


def test_mixing_keeps_the_clips_own_sound_beneath(workplace):
    tone = 0.2 * np.sin(np.arange(48_000) * 2 * np.pi * 440 / 48_000, dtype=np.float64)
    make_video(workplace / "loud.mp4", sound=tone[None].astype(np.float32))
    for name, flags in (("replaced", []), ("mixed", ["--mix"])):
        run("v2a", "loud.mp4", "-o", f"{name}.mp4", *QUICK, *flags)
    replaced, mixed, own = (
        media.read_audio(f"{name}.mp4", 48_000).waveform[0, 4800:43_200]
        for name in ("replaced", "mixed", "loud")
    )

    def likeness(sound):
        return torch.corrcoef(torch.stack([sound, own]))[0, 1]

    assert likeness(mixed) > likeness(replaced) + 0.1


# Several outputs


def test_a_photo_with_broken_exif_stops_no_other_of_its_folder(workplace):
    (workplace / "photos").mkdir()
    shutil.copy(DATA / "damaged" / "exif_badrat.jpg", workplace / "photos" / "b.jpg")
    for name in ("a.jpg", "c.jpg"):
        shutil.copy("photo.jpg", workplace / "photos" / name)
    run("i2a", "photos", "-o", "out", "--steps", 1, "--prompt", "rain")
    assert files(workplace / "out") == [
        *("a.json", "a.wav", "b.json", "b.wav", "c.json", "c.wav"),
    ]


def test_a_gif_becomes_a_mov_unless_it_is_encoded_again(workplace):
    shutil.copy(DATA / "containers" / "g.gif", workplace / "g.gif")
    run("v2a", "g.gif", "-o", "out/", "--steps", 1, "--prompt", "rain")
    run("v2a", "g.gif", "-o", "g.mp4", "--reencode", "--steps", 1, "--prompt", "rain")
    assert files(workplace / "out") == ["g.json", "g.mov"]
    assert media.probe("out/g.mov").has_audio
    assert media.probe("g.mp4").has_audio


def test_folders_and_patterns_are_made_one_by_one_into_a_folder(workplace):
    (workplace / "clips").mkdir()
    for name in ("a.mp4", "b.mkv", ".hidden.mp4"):
        make_video(workplace / "clips" / name, num_frames=10)
    (workplace / "clips" / "notes.txt").write_text("no clip")
    make_video(workplace / "c1.mov", num_frames=10)
    run("v2a", "clips", "c?.mov", "-o", "new/out", "--steps", 1, "--prompt", "rain")
    assert files(workplace / "new" / "out") == [
        *("a.json", "a.mp4", "b.json", "b.mkv", "c1.json", "c1.mov"),
    ]


@pytest.mark.long
def test_too_few_steps_to_guide_any_are_told(workplace, capsys):
    run("v2a", "clip.mp4", "-o", "out.wav", "--steps", 2, "--prompt", "rain")
    assert "guides no step when --steps is 2" in " ".join(capsys.readouterr().err.split())
    run("v2a", "clip.mp4", "-o", "plain.wav", "--steps", 2, "--prompt", "rain", "--lr", 0)
    assert "guides no step" not in " ".join(capsys.readouterr().err.split())


def test_a_suffix_turns_all_outputs_into_sounds(workplace):
    run("v2a", "clip.mp4", "-o", "sounds/", "--suffix", ".wav", "--steps", 1, "--prompt", "rain")
    assert files(workplace / "sounds") == ["clip.json", "clip.wav"]


def test_one_bad_file_stops_no_other(workplace, capsys):
    (workplace / "broken.mp4").write_bytes(b"not a video at all" * 50)
    make_sound(workplace / "song.wav", np.zeros((1, 4800), np.float32), "pcm_s16le")
    run(
        *("v2a", "broken.mp4", "missing.mp4", "clip.mp4", "photo.jpg", "song.wav", "x*.mp4"),
        *("-o", "out", *QUICK),
        code=2,
    )
    assert files(workplace / "out") == ["clip.json", "clip.mp4"]
    lines = [line for line in capsys.readouterr().err.splitlines() if "step" not in line]
    told = [line for line in lines if line.startswith("seehear: error: ")]
    assert len(told) == 5
    for name in ("broken.mp4", "missing.mp4", "photo.jpg", "song.wav", "x*.mp4"):
        assert sum(name in line for line in told) == 1
    assert "use seehear i2a" in "".join(told)
    assert lines[-1] == "1 of 6 inputs done, 5 failed"


def test_a_clip_that_fails_while_it_is_made_stops_no_other(workplace, capsys):
    make_video(workplace / "blink.mp4", num_frames=2)
    run("v2a", "blink.mp4", "clip.mp4", "-o", "out", *QUICK, code=2)
    assert files(workplace / "out") == ["clip.json", "clip.mp4"]
    assert "blink.mp4: expected at least 0.1 s of video" in capsys.readouterr().err


# What is refused, before any model is loaded


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["v2a", "missing.mp4", "-o", "out.mp4"], "missing.mp4: no such file"),
        (["v2a", "clip.mp4", "-o", "clip.mp4", "--overwrite"], "is the input itself"),
        (["v2a", "clip.mp4", "-o", "."], "is the input itself"),
        (["v2a", "clip.mp4", "-o", "old.mp4"], "exists already; choose another name or give --ov"),
        (["v2a", "clip.mp4", "-o", "told.wav"], "told.json: exists already"),
        (["v2a", "clip.mp4", "-o", "out.avi"], "cannot write '.avi'"),
        (["v2a", "clip.mp4", "-o", "nowhere/out.mp4"], "there is no folder nowhere"),
        (["v2a", "clip.mp4", "old.mp4", "-o", "out.mp4"], "expected a folder for 2 inputs"),
        (["v2a", "clip.mp4", "sub/clip.mp4", "-o", "out"], "would both be written as out/clip"),
        (["v2a", "photo.jpg", "-o", "out.mp4"], "use seehear i2a"),
        (["v2a", "sub/empty", "-o", "out"], "holds no file of these kinds"),
        (["v2a", "clip.mp4", "-o", "out", "--suffix", "doc"], "cannot write '.doc'"),
        (["v2a", "clip.mp4", "-o", "out.mp4", "--suffix", ".wav"], "--suffix .wav is for"),
        (["v2a", "clip.mp4", "-o", "out.wav", "--mix"], "needs a video output"),
        (["i2a", "clip.mp4", "-o", "out.wav"], "expected an image"),
        (["i2a", "photo.jpg", "-o", "out.mp4"], "cannot write '.mp4'"),
        (["replay", "missing.json"], "missing.json"),
        (["replay", "told.json"], "not a manifest"),
    ],
)
def test_what_cannot_work_is_refused_in_one_sentence(workplace, loads, capsys, arguments, sentence):
    (workplace / "sub" / "empty").mkdir(parents=True)
    shutil.copy("clip.mp4", "sub/clip.mp4")
    shutil.copy("clip.mp4", "old.mp4")
    (workplace / "told.json").write_text("{}")
    before = files(workplace)
    run(*arguments, code=2)
    captured = capsys.readouterr()
    assert captured.err.startswith("seehear: error: ")
    assert captured.err.count("\n") == 1
    assert sentence in captured.err
    assert captured.out == ""
    assert not loads
    assert files(workplace) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["--device", "abacus"],
        ["--max-duration", "0.5"],
        ["--lr", "1e38"],
    ],
)
def test_what_turns_out_later_is_one_sentence_too_and_leaves_nothing(workplace, capsys, arguments):
    before = files(workplace)
    run("v2a", "clip.mp4", "-o", "out.mp4", *QUICK, "-q", *arguments, code=2)
    shown = capsys.readouterr().err
    assert shown.startswith("seehear: error: ")
    assert shown.count("\n") == 1
    assert files(workplace) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["--steps", "0"],
        ["--seed", "-1"],
        ["--lr", "nan"],
        ["--preset", "best"],
        ["--prompt", "rain", "--no-prompt"],
        ["--threads", "0"],
        ["--frobnicate"],
    ],
)
def test_options_out_of_range_are_refused_with_the_way_to_the_help(workplace, capsys, arguments):
    run("v2a", "clip.mp4", "-o", "out.mp4", *arguments, code=2)
    assert "seehear v2a -" in capsys.readouterr().err
    assert files(workplace) == ["clip.mp4", "photo.jpg"]


@pytest.mark.long
def test_existing_outputs_are_replaced_when_asked_to(workplace):
    run("v2a", "clip.mp4", "-o", "out.wav", "--steps", 1, "--prompt", "rain")
    before = file_sha256("out.wav")
    run("v2a", "clip.mp4", "-o", "out.wav", "--steps", 1, "--prompt", "bells", code=2)
    assert file_sha256("out.wav") == before
    run("v2a", "clip.mp4", "-o", "out.wav", "--steps", 1, "--prompt", "bells", "--overwrite")
    assert file_sha256("out.wav") != before


def test_takes_are_named_after_their_seeds_and_listed_by_agreement(workplace, capsys):
    run("v2a", "clip.mp4", "-o", "out.wav", "--steps", 1, "--prompt", "rain", "--takes", 3,
        "--seed", 5)  # fmt: skip
    names = [f"out_seed_{seed}.wav" for seed in (5, 6, 7)]
    assert [name for name in files(workplace) if name.endswith(".wav")] == names
    line = next(s for s in capsys.readouterr().out.splitlines() if "takes by agreement" in s)
    listed = re.findall(r"(out_seed_\d\.wav) \((-?\d\.\d+)\)", line)
    assert sorted(name for name, _ in listed) == names
    values = [float(value) for _, value in listed]
    assert values == sorted(values, reverse=True)
    run("v2a", "clip.mp4", "-o", "one.wav", "--steps", 1, "--prompt", "rain", "--seed", 6)
    assert file_sha256("one.wav") == file_sha256("out_seed_6.wav")
    run("v2a", "clip.mp4", "-o", "out.wav", "--takes", 3, "--seed", 5, code=2)  # they exist


def test_a_bug_keeps_its_traceback(workplace, monkeypatch):
    def broken(self, job, on_step=None, **options):
        raise KeyError("a bug")

    monkeypatch.setattr(studio_module.Studio, "make", broken)
    with pytest.raises(KeyError, match="a bug"):
        main(["v2a", "clip.mp4", "-o", "out.mp4", *QUICK])
    assert files(workplace) == ["clip.mp4", "photo.jpg"]


@pytest.mark.long
@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_ends_with_130_and_leaves_nothing(workplace, family):
    script = (
        "import sys, torch\n"
        "from seehear.pipeline import studio\n"
        "from seehear.models.backbones import audioldm\n"
        "from seehear.models.binders import linear\n"
        "from seehear.models.families import Family\n"
        f"loaders = {{'audio': lambda: audioldm.load({str(family.audio.checkpoint.folder)!r})}}\n"
        "binder = linear.load(dtype=torch.float32)\n"
        "small = Family(name='pocket', loaders=loaders, binder=binder)\n"
        "studio.load_family = lambda *_, **__: small\n"
        "from seehear.cli import main\n"
        # A shell that starts the tests in the background makes them deaf to Ctrl-C.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    arguments = ["v2a", "clip.mp4", "-o", "out/", "--steps", "120", "--prompt", "rain"]
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        cwd=workplace,
    ) as process:
        assert "step 30/120" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, shown = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in shown
    assert files(workplace) == ["clip.mp4", "photo.jpg"]


# Plans


@pytest.mark.long
def test_a_rate_of_zero_turns_all_guidance_off(workplace, capsys):
    run("v2a", "clip.mp4", "-o", "out.wav", "--prompt", "rain", "--lr", 0, "--dry-run")
    assert "steps    30, 0 of them guided" in capsys.readouterr().out


def test_a_dry_run_tells_the_plan_and_writes_nothing(workplace, capsys):
    make_video(workplace / "long.mp4", num_frames=100)
    before = files(workplace)
    run("v2a", "clip.mp4", "long.mp4", "-o", "out", "--prompt", "rain", "--dry-run")
    shown = capsys.readouterr().out
    assert files(workplace) == before
    assert "clip.mp4 -> out/clip.mp4" in shown
    assert "windows  1 of 1.28 s" in shown
    assert "steps    30, 20 of them guided" in shown
    assert "latents  audio 1 x 8 x 32 x 16" in shown
    assert "latents  audio 1 x 8 x 100 x 16" in shown
    assert "GB at the peak" in shown
    assert "all 2 inputs: about " in shown


# Replays


@pytest.fixture
def made(workplace):
    run("v2a", "clip.mp4", "-o", "out.mp4", "--steps", 4, "--seed", 5, "-q")
    return workplace


def test_a_replay_has_the_same_samples_bit_for_bit(made, capsys):
    before = files(made)
    run("replay", "out.json")
    assert "out.json: same samples, bit for bit" in capsys.readouterr().out
    assert files(made) == before


def test_a_replay_can_write_the_media_again(made):
    run("replay", "out.json", "-o", "again.mp4")
    old, new = read_manifest("out.json"), read_manifest("again.json")
    assert new["samples_sha256"] == old["samples_sha256"]
    assert packet_hashes(made / "again.mp4") == packet_hashes(made / "clip.mp4")
    run("replay", "again.json", "-q")
    run("replay", "out.json", "-o", "again.mp4", code=2)


def test_a_clip_in_which_nothing_moves_is_told_to_give_no_time(workplace, capsys):
    still = torch.from_numpy(moving_frames(1)).permute(0, 3, 1, 2).repeat(12, 1, 1, 1)
    media.write_video("still.mp4", still, 12.0)
    run("v2a", "still.mp4", "-o", "out.mp4", "--sync", 0.5, *QUICK)
    assert "still.mp4: the video has no motion" in capsys.readouterr().err


@pytest.mark.long
def test_a_sound_can_be_kept_in_step_with_the_picture_and_is_replayed_so(workplace, capsys):
    run("v2a", "clip.mp4", "-o", "out.mp4", "--sync", 0.5, "--seed", 5, *QUICK)
    record = read_manifest("out.json")
    assert record["settings"]["preset"]["sync_weight"] == 0.5
    guided = [step for step in record["trace"] if step["is_guided"]]
    assert guided
    assert all("sync" in step["losses"] for step in guided)
    run("replay", "out.json")
    assert "same samples, bit for bit" in capsys.readouterr().out
    run("v2a", "clip.mp4", "-o", "free.wav", "--seed", 5, *QUICK)
    assert read_manifest("free.json")["samples_sha256"] != record["samples_sha256"]


def test_a_negative_prompt_is_recorded_and_replayed(workplace, capsys):
    run("v2a", "clip.mp4", "-o", "out.wav", "--negative", "music", *QUICK)
    run("v2a", "clip.mp4", "-o", "free.wav", *QUICK)
    record, free = read_manifest("out.json"), read_manifest("free.json")
    assert record["settings"]["negative"] == "music"
    assert "negative" not in free["settings"]
    assert record["samples_sha256"] != free["samples_sha256"]
    run("replay", "out.json")
    assert "same samples, bit for bit" in capsys.readouterr().out


def test_settings_of_the_track_are_recorded_and_replayed(workplace, capsys):
    track = ("--mix", "--gain", "-3", "--duck", 12, "--stereo", "--pcm")
    run("v2a", "clip.mp4", "-o", "out.mov", *track, *QUICK)
    record = read_manifest("out.json")
    assert record["settings"]["mix"]
    assert record["settings"]["track"] == {
        "gain_db": -3.0, "duck_db": 12.0, "is_stereo": True, "is_pcm": True, "sample_rate": None,
    }  # fmt: skip
    run("replay", "out.json", "-o", "again.mov")
    assert "same samples, bit for bit" in capsys.readouterr().out
    first, again = (
        media.read_audio(name, 48_000, mono=False).waveform for name in ("out.mov", "again.mov")
    )
    assert len(first) == 2
    assert torch.equal(first, again)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--gain", "3"), "expected a mix"),
        (("--pcm",), "expected .mov, .mkv"),
        (("--pcm", "--dry-run"), "expected .mov, .mkv"),
        (("--audio-rate", "44100"), "has 48 kHz"),
        (("--like-strength", "0.5"), "only with a recording as --like"),
        (("--veto", "a" * 5000, "--pcm"), "expected .mov, .mkv"),
        (("--like", "clip.mp4", "--veto", "notes.txt"), "is a file, but not one of the kinds"),
        (("--audio-rate", "100"), "greater than or equal to"),
    ],
)
def test_settings_of_the_track_that_contradict_are_refused(workplace, capsys, options, expected):
    Path("notes.txt").write_text("x")
    assert main(["v2a", "clip.mp4", "-o", "out.mp4", *options]) == 2
    assert expected in " ".join(capsys.readouterr().err.split())
    assert not Path("out.mp4").exists()


def test_references_are_recorded_and_replayed(workplace, capsys):
    run("v2a", "clip.mp4", "-o", "out.wav", "--veto", "wind", "--like", "photo.jpg", *QUICK)
    run("v2a", "clip.mp4", "-o", "free.wav", *QUICK)
    record, free = read_manifest("out.json"), read_manifest("free.json")
    assert record["settings"]["references"]["veto"] == {"text": "wind"}
    assert record["settings"]["references"]["like"]["input"]["file"] == "photo.jpg"
    assert "references" not in free["settings"]
    assert record["samples_sha256"] != free["samples_sha256"]
    run("replay", "out.json")
    assert "same samples, bit for bit" in capsys.readouterr().out
    Path("photo.jpg").write_bytes(Path("clip.mp4").read_bytes())
    assert main(["replay", "out.json"]) == 2
    assert "its content differs" in " ".join(capsys.readouterr().err.split())


def test_references_are_read_from_their_files(workplace, capsys):
    media.write_audio("a.wav", 0.1 * torch.randn(1, 8000), 16_000)
    run("v2a", "clip.mp4", "-o", "start.wav", "--like", "a.wav", "--like-strength", 0.5, *QUICK)
    like = read_manifest("start.json")["settings"]["references"]["like"]
    assert (like["input"]["file"], like["strength"]) == ("a.wav", 0.5)
    run("replay", "start.json")
    assert "same samples, bit for bit" in capsys.readouterr().out
    start = ("--like", "a.wav", "--like-strength", 0.9)
    run("v2a", "clip.mp4", "-o", "start.wav", *start, "--dry-run", "--overwrite", *QUICK)
    assert main(["v2a", "clip.mp4", "-o", "a.wav", "--like", "a.wav", "--overwrite"]) == 2
    assert "is the reference itself" in " ".join(capsys.readouterr().err.split())
    assert media.read_audio("a.wav").waveform.shape == (1, 8000)
    text = "wind " * 1000  # longer than the name of a file may be
    run("v2a", "clip.mp4", "-o", "start.wav", "--veto", text, "--overwrite", *QUICK)
    run("v2a", "clip.mp4", "-o", "out.wav", "--veto", "photo.jpg", *QUICK)
    veto = read_manifest("out.json")["settings"]["references"]["veto"]
    assert veto["input"]["file"] == "photo.jpg"
    for option in ("--veto", "--like"):
        assert main(["v2a", "clip.mp4", "-o", "no.wav", option, "missing.wav"]) == 2
        assert "no such file" in " ".join(capsys.readouterr().err.split())
    without = ["v2a", "clip.mp4", "-o", "no.wav", "--veto", "wind"]
    for added in (["--lr", "0"], ["--like", "a.wav", "--like-strength", "0.9"]):
        assert main([*without, *added]) == 2
        assert "no veto, because no step is guided" in " ".join(capsys.readouterr().err.split())
    assert not Path("no.wav").exists()


def test_a_picture_is_replayed_with_its_duration(workplace, capsys):
    run("i2a", "photo.jpg", "-o", "out.wav", "--duration", 0.5, *QUICK)
    run("replay", "out.json")
    assert "same samples, bit for bit (0.50 s" in capsys.readouterr().out


def test_a_replay_uses_the_recorded_threads_and_models(made, loads):
    record = json.loads((made / "out.json").read_text())
    record["versions"]["threads"] = 1
    record["settings"]["loaded"]["audio"] = "owner/name"
    (made / "out.json").write_text(json.dumps(record))
    main(
        ["replay", "out.json", "--yes"]
    )  # other threads than it was made with: its bits may differ
    assert torch.get_num_threads() == 1
    assert loads[-1] == loads[0] | {"audio": "owner/name"}


@pytest.mark.parametrize(
    "loaded",
    [
        {"audio": "owner/name"},
        {"video": "FOLDER"},
        {"binder": "imagebind=FOLDER"},
        {"binder_options": {"vocabulary": "FOLDER"}},
    ],
)
def test_a_replay_asks_before_it_loads_models_that_only_the_manifest_names(
    made, loads, capsys, loaded
):
    record = json.loads((made / "out.json").read_text())
    text = json.dumps(loaded).replace("FOLDER", str(made))
    record["settings"]["loaded"].update(json.loads(text))
    (made / "out.json").write_text(json.dumps(record))
    before = len(loads)
    run("replay", "out.json", code=2)  # standard input is no terminal, so nobody can answer
    assert "pass --yes if you trust the manifest" in capsys.readouterr().err
    assert len(loads) == before


@pytest.mark.parametrize(
    ("loaded", "sentence"),
    [
        ({"unknown": 1, "zz": 2}, "the models were loaded with unknown, zz, which this version"),
        ({"dtype": "hub"}, "expected a dtype of float32, bfloat16, float16, float64, got 'hub'"),
        ({"dtype": 16}, "settings.loaded.dtype: input should be a valid string, got 16"),
        ({"lean": "yes"}, "settings.loaded.lean: input should be a valid boolean, got 'yes'"),
    ],
)
def test_a_replay_refuses_unknown_load_options(made, loads, capsys, loaded, sentence):
    record = json.loads((made / "out.json").read_text())
    record["settings"]["loaded"].update(loaded)
    (made / "out.json").write_text(json.dumps(record))
    before = len(loads)
    run("replay", "out.json", "--yes", code=2)
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line
    assert len(loads) == before


def test_a_replay_that_differs_says_in_what(made, capsys):
    record = json.loads((made / "out.json").read_text())
    record["samples_sha256"] = "0" * 64
    record["versions"]["torch"] = "1.0"
    record["weights"][0]["sha256"] = "f" * 64
    (made / "out.json").write_text(json.dumps(record))
    run("replay", "out.json", code=1)
    shown = capsys.readouterr().out
    assert "the samples differ" in shown
    assert f"torch: was 1.0, is {torch.__version__.split('+')[0]}" in shown
    assert f"weights {record['weights'][0]['name']}: sha256 was ffffffffffff, is " in shown


def test_a_replay_needs_the_clip_as_it_was(made, capsys):
    make_video(made / "clip.mp4", num_frames=20)
    run("replay", "out.json", code=2)
    assert "its content differs" in capsys.readouterr().err


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": {}},
        {"settings": {"models": "pocket", "duration_s": 1.0, "preset": {"settings": {}}}},
        {"settings": {"models": "pocket", "loaded": {"dtype": "float3"}}},
        {"inputs": []},
        {"samples_sha256": None},
        {"task": "a2x"},
    ],
)
def test_a_manifest_that_cannot_be_replayed_is_refused_in_one_sentence(made, capsys, changes):
    record = json.loads((made / "out.json").read_text()) | changes
    (made / "out.json").write_text(json.dumps(record))
    run("replay", "out.json", "-q", code=2)
    shown = capsys.readouterr().err
    assert shown.startswith("seehear: error: out.json: ")
    assert shown.count("\n") == 1


# The bar


def test_on_a_terminal_a_bar_shows_steps_and_the_falling_loss(workplace, monkeypatch, capsys):
    states = []
    update = progress.Progress.update

    def recording(self, task, **fields):
        states.append(fields["state"])
        update(self, task, **fields)

    terminal = showing.Console(stderr=True, force_terminal=True, markup=False)
    monkeypatch.setattr(progress, "err", terminal)
    monkeypatch.setattr(progress.Progress, "update", recording)
    began = time.perf_counter()
    run("v2a", "clip.mp4", "-o", "out.wav", "--steps", 10, "--prompt", "rain")
    assert time.perf_counter() - began < 60
    assert [state.split(",")[0] for state in states] == [f"step {k}/10" for k in range(1, 11)]
    first, last = states[-1].split("loss ")[1].split(" -> ")
    trace = read_manifest("out.json")["trace"]
    losses = [sum(step["losses"].values()) for step in trace if step["losses"]]
    assert (float(first), float(last)) == pytest.approx((losses[0], losses[-1]), abs=1e-3)
    assert "clip.mp4" in capsys.readouterr().err


def test_a_region_is_generated_again_and_replays(workplace, capsys):
    rng = np.random.default_rng(0)
    sound = (0.1 * rng.standard_normal((1, 72_000))).astype(np.float32)
    make_video(workplace / "take.mov", num_frames=38, sound=sound, sound_codec="pcm_s16le")
    run("v2a", "take.mov", "-o", "out.wav", *QUICK, "-q", "--from", "0.5", "--to", "1")
    old, new = (media.read_audio(name, None) for name in ("take.mov", "out.wav"))
    is_same = (old.waveform == new.waveform[:, : old.waveform.shape[1]])[0]
    assert is_same[:24_000].all()
    assert not is_same[24_000:48_000].all()
    assert is_same[48_000:].all()
    run("replay", "out.json")
    assert "same" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (("--from", "0.5", "--mix"), "expected no --mix with --from or --to"),
        (("--to", "0.5", "--lufs", "-20"), "expected no --lufs with --from or --to"),
        (("--from", "0.6", "--to", "0.5"), "expected --from before --to, got 0.6 and 0.5"),
        (("--from", "0.5"), "expected a video with audio"),
    ],
)
def test_a_region_that_cannot_be_kept_apart_is_refused(workplace, capsys, extra, expected):
    run("v2a", "clip.mp4", "-o", "out.mp4", *QUICK, *extra, code=2)
    assert expected in " ".join(capsys.readouterr().err.split())
    assert files(workplace) == ["clip.mp4", "photo.jpg"]


def test_shots_are_listed_edited_generated_and_replayed(workplace, capsys):
    frames = torch.cat([scene(0, 30), scene(1, 40)])
    media.write_video(workplace / "film.mp4", frames, 25.0)
    run("shots", "film.mp4", "-o", "shots.csv")
    assert "shots.csv: 2 shots" in capsys.readouterr().out
    rows = (workplace / "shots.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in rows] == [
        ["from", "to"], ["0.000", "1.200"], ["1.200", "2.800"],
    ]  # fmt: skip
    (workplace / "shots.csv").write_text("from,to,prompt,veto\n0,1.2,rain,\n1.2,2.8,,wind\n")
    run("v2a", "film.mp4", "-o", "out.mp4", "--steps", "4", "--shots", "shots.csv")
    printed = capsys.readouterr().out
    assert "2 shots" in printed
    assert '0.00 to 1.20 s: prompt "rain"' in printed
    record = read_manifest("out.json")
    assert [shot["from_s"] for shot in record["settings"]["shots"]] == [0, 1.2]
    assert record["settings"]["shots"][1]["veto"] == {"text": "wind"}
    run("replay", "out.json")
    assert "same" in capsys.readouterr().out
    run("v2a", "film.mp4", "-o", "dry.mp4", "--shots", "auto", "--dry-run", "--prompt", "rain")
    assert "2.800 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("v2a", "clip.mp4", "-o", "out.mp4", "--shots", "none.csv"), "cannot be read"),
        (("v2a", "clip.mp4", "-o", "out.mp4", "--shots", "auto", "--to", "1"), "without --from"),
        (("shots", "clip.mp4", "-o", "shots.txt"), "expected the name of a list"),
        (("shots", "clip.mp4", "-o", "no/shots.csv"), "there is no folder"),
        (("shots", "photo.jpg", "-o", "shots.csv"), "expected a video"),
    ],
)
def test_unusable_shots_are_refused(workplace, capsys, command, expected):
    run(*command, code=2)
    assert expected in " ".join(capsys.readouterr().err.split())
    assert files(workplace) == ["clip.mp4", "photo.jpg"]


def test_stems_and_markers_are_written_beside_the_video(workplace):
    run("v2a", "clip.mp4", "-o", "out.mp4", *QUICK, "-q", "--mix", "--stems", "--markers")
    assert files(workplace) == [
        "clip.mp4", "out.json", "out.mp4", "out_effects.wav", "out_markers.txt",
        "out_original.wav", "photo.jpg",
    ]  # fmt: skip
    for line in (workplace / "out_markers.txt").read_text().splitlines():
        assert re.fullmatch(r"\d+\.\d{6}\t\d+\.\d{6}\t(audio|motion) onset", line)
    run("replay", "out.json", "-o", "again.mp4")
    assert not (workplace / "again_effects.wav").exists()


def test_stems_are_not_replaced_without_leave(workplace, capsys):
    (workplace / "out_effects.wav").write_text("mine")
    run("v2a", "clip.mp4", "-o", "out.mp4", *QUICK, "--stems", code=2)
    assert "out_effects.wav: exists already" in " ".join(capsys.readouterr().err.split())
    run("v2a", "clip.mp4", "-o", "other.wav", *QUICK, "--stems", code=2)
    assert "--stems writes the parts" in " ".join(capsys.readouterr().err.split())
    assert (workplace / "out_effects.wav").read_text() == "mine"


def test_a_shell_completes_options(tmp_path):
    environment = os.environ | {
        "_SEEHEAR_COMPLETE": "complete_bash",
        "COMP_WORDS": "seehear v2a clip.mp4 --sho",
        "COMP_CWORD": "3",
    }
    command = [sys.executable, "-c", "from seehear.cli import main; main()"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split() == ["--shots"]
