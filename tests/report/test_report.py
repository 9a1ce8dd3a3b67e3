"""Reports without a browser: what is read, what is embedded, what the pages say."""

import json
import math
import re
import shutil
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
import torch
from small_family import small_family, write_small
from tests.media_files import make_video
from tests.saved_runs import saved_run, sweep, trace_of

from seehear.cli import main
from seehear.errors import SettingsError
from seehear.media import write_audio, write_video
from seehear.pipeline import studio as studio_module
from seehear.report import read_run, read_runs, write_gallery, write_page
from seehear.report.embed_media import embedded
from seehear.report.gallery import spark_of, worst_first
from seehear.report.page import flat, plotted_s, weight_rows
from seehear.report.signals import signals_of


def page_text(manifest, page=None):
    page = page or manifest.with_suffix(".html")
    write_page(read_run(manifest), page)
    return page.read_text(encoding="utf-8")


def edited(manifest, **changes):
    record = json.loads(manifest.read_text())
    record.update(changes)
    manifest.write_text(json.dumps(record))
    return manifest


# Reading


def test_a_trace_is_read_as_it_was_with_numbers_that_json_has_none_for(tmp_path):
    trace = trace_of(0.5, math.inf, math.nan)
    steps = read_run(saved_run(tmp_path, trace=trace)).steps
    assert steps[:3] == trace[:3]
    assert math.isnan(steps[3].losses["audio-video local"])
    assert steps[4] == trace[4]


def test_the_final_loss_is_the_sum_of_terms_at_the_last_guided_step(tmp_path):
    run = read_run(saved_run(tmp_path, trace=trace_of(0.9, 0.3)))
    assert run.final_loss == pytest.approx(0.3 + 0.1)
    assert read_run(saved_run(tmp_path, "plain.mp4", trace=trace_of())).final_loss is None


def test_a_picture_has_no_length_and_its_sound_is_drawn_whole(tmp_path):
    run = read_run(edited(saved_run(tmp_path), task="a2i", duration_s=0.16))
    assert run.duration_s is None
    assert plotted_s(run, signals_of(run)) == pytest.approx(1.0, abs=0.05)


def test_media_that_are_gone_or_changed_are_told_and_not_an_error(tmp_path):
    input_file = make_video(tmp_path / "input.mp4")
    manifest = saved_run(tmp_path, task="v2a", input_file=input_file)
    assert read_run(manifest).notes == ()
    shutil.copy(input_file, tmp_path / "out.mp4")
    input_file.unlink()
    run = read_run(manifest)
    assert run.input is None
    assert run.output == tmp_path / "out.mp4"
    assert "out.mp4 has changed" in run.notes[0]
    assert "input.mp4 is neither at" in run.notes[1]
    (tmp_path / "out.mp4").unlink()
    assert "out.mp4 is not in the folder of the manifest" in page_text(manifest)


def test_an_output_is_looked_for_beside_the_manifest_and_nowhere_else(tmp_path):
    (tmp_path / "secret.wav").write_bytes(b"secret")
    inside = tmp_path / "runs"
    inside.mkdir()
    manifest = edited(saved_run(inside), outputs=[{"file": "../secret.wav", "sha256": ""}])
    assert read_run(manifest).output is None


def test_a_manifest_without_a_trace_is_shown_without_steps(tmp_path):
    manifest = saved_run(tmp_path)
    record = json.loads(manifest.read_text())
    del record["trace"]
    manifest.write_text(json.dumps(record))
    text = page_text(manifest)
    assert "The manifest has no trace" in text
    assert "<h2>Steps</h2>" not in text
    assert "Over time" in text


@pytest.mark.long
def test_runs_of_a_batch_have_no_times_and_none_are_shown(tmp_path):
    manifest = saved_run(tmp_path)
    timed = page_text(manifest)
    record = json.loads(manifest.read_text())
    for step in record["trace"]:
        del step["seconds"], step["align_seconds"]
    manifest.write_text(json.dumps(record))
    run = read_run(manifest)
    assert run.seconds is None
    assert run.final_loss == pytest.approx(0.4 + 0.4 / 3)
    for words in ("time of all steps", "<h3>Seconds</h3>"):
        assert words in timed
        assert words not in page_text(manifest)
    write_gallery([run], tmp_path / "gallery.html")
    assert '<td class="number">–</td>' in (tmp_path / "gallery.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("trace", ["loss", [3], [{"i": 0, "losses": {"a": "high"}}], [{}]])
def test_a_trace_that_was_edited_is_refused(tmp_path, trace):
    with pytest.raises(
        SettingsError,
        match=r"expected a trace as written by seehear|the manifest was damaged or edited: trace",
    ):
        read_run(edited(saved_run(tmp_path), trace=trace))


def test_a_folder_gives_its_manifests_and_tells_what_else_it_held(tmp_path):
    saved_run(tmp_path, "a.mp4")
    saved_run(tmp_path, "b.mp4")
    (tmp_path / "other.json").write_text("{}")
    runs, passed_over = read_runs([tmp_path, tmp_path / "a.json"])
    assert [run.name for run in runs] == ["a.mp4", "b.mp4"]
    assert len(passed_over) == 1
    assert "other.json: is JSON, but not a manifest" in passed_over[0]


def test_a_file_that_is_no_manifest_and_a_folder_without_one_are_refused(tmp_path):
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(SettingsError, match="not a manifest of seehear"):
        read_runs([tmp_path / "other.json"])
    with pytest.raises(SettingsError, match="expected a folder with manifests"):
        read_runs([tmp_path])
    (tmp_path / "cut.json").write_text('{"schema_version": 1, "trace": [')
    with pytest.raises(SettingsError, match="expected a manifest in JSON"):
        read_runs([tmp_path / "cut.json"])
    with pytest.raises(SettingsError, match="cannot be read"):
        read_runs([tmp_path / "nothing.json"])


# What is drawn


def test_motion_and_onsets_that_are_one_are_found_to_be_in_step(tmp_path):
    on = (torch.arange(50) % 13 == 6)[:, None, None, None]
    frames = (on * 200).expand(50, 3, 32, 32).to(torch.uint8)
    clicks = torch.zeros(1, 32_000)
    for k in range(50):
        if on[k] or on[k - 1]:  # the picture jumps, and jumps back
            clicks[0, k * 640 : k * 640 + 200] = 0.5
    write_video(tmp_path / "x.mp4", frames, 25.0, clicks, 16_000)
    manifest = edited(
        saved_run(tmp_path), outputs=[{"file": "x.mp4", "sha256": ""}], duration_s=2.0
    )
    timing = signals_of(read_run(manifest)).timing
    assert timing.correlation > 0.8
    assert abs(timing.offset_s) < 0.04
    assert float(timing.motion.max()) == pytest.approx(1.0)


def test_a_sound_is_drawn_with_the_given_picture_where_it_has_none(tmp_path):
    PIL.Image.fromarray(np.full((300, 400, 3), 90, np.uint8)).save(tmp_path / "photo.png")
    manifest = saved_run(tmp_path, "out.wav", task="i2a", input_file=tmp_path / "photo.png")
    signals = signals_of(read_run(manifest))
    assert signals.audio.name == "out.wav"
    assert signals.strip.name == "photo.png"
    assert signals.strip.frames[0].shape == (3, 112, 149)
    assert signals.timing is None


def test_a_waveforms_peaks_are_kept_however_long_it_is(tmp_path):
    wave = torch.zeros(1, 160_000)
    wave[0, 77_777], wave[0, 99_999] = 0.9, -0.7
    write_audio(tmp_path / "x.wav", wave, 16_000)
    manifest = edited(saved_run(tmp_path), outputs=[{"file": "x.wav", "sha256": ""}])
    sound = signals_of(read_run(manifest)).audio
    assert len(sound.highest) == 1000
    assert float(sound.highest.max()) == pytest.approx(0.9, abs=1e-3)
    assert float(sound.lowest.min()) == pytest.approx(-0.7, abs=1e-3)


# What is embedded


def test_small_media_are_embedded_byte_for_byte(tmp_path):
    manifest = saved_run(tmp_path)
    shown = embedded(tmp_path / "out.mp4", tmp_path, 1_000_000)
    assert shown.kind == "video"
    assert shown.address.startswith("data:video/mp4;base64,")
    assert shown.note == ""
    assert shown.address in page_text(manifest)


def test_a_video_that_browsers_do_not_play_is_embedded_as_a_copy_and_said_so(tmp_path):
    path = make_video(tmp_path / "clip.avi", codec="mpeg4")
    shown = embedded(path, tmp_path, 1_000_000)
    assert shown.address.startswith("data:video/mp4;base64,")
    assert "clip.avi has a format that browsers do not play. The page contains a copy" in shown.note


def test_a_large_sound_is_embedded_as_a_copy_and_a_larger_one_is_linked(tmp_path):
    path = tmp_path / "a sound.wav"
    write_audio(path, sweep(5.0, 48_000), 48_000)
    copy = embedded(path, tmp_path, 100_000)
    assert copy.address.startswith("data:audio/ogg;base64,")
    assert "mono at 16 kHz" in copy.note
    link = embedded(path, tmp_path / "pages", 1000)
    assert link.address == link.link == "../a%20sound.wav"
    assert "The page links to the file" in link.note


def test_a_large_picture_is_embedded_smaller(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (900, 1200, 3), np.uint8)
    PIL.Image.fromarray(noise).save(tmp_path / "photo.png")
    shown = embedded(tmp_path / "photo.png", tmp_path, 1_000_000)
    assert shown.address.startswith("data:image/jpeg;base64,")
    assert "960 by 720 pixels" in shown.note


@pytest.mark.long
def test_the_page_of_a_noisy_clip_of_ten_seconds_is_below_five_megabytes(tmp_path):
    draw = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (100, 3, 240, 320), generator=draw, dtype=torch.uint8)
    wave = torch.rand((2, 480_000), generator=draw) - 0.5
    write_video(tmp_path / "input.mp4", frames, 10.0, wave, 48_000)
    assert (tmp_path / "input.mp4").stat().st_size > 5_000_000
    manifest = saved_run(tmp_path, task="v2a", seconds=10.0, input_file=tmp_path / "input.mp4")
    shutil.copy(tmp_path / "input.mp4", tmp_path / "out.mp4")
    page = tmp_path / "page.html"
    text = page_text(manifest, page)
    assert page.stat().st_size < 5_000_000
    assert "input.mp4 is too large" in text


# What is said


def test_licences_say_whether_they_permit_commercial_use(tmp_path):
    rows = weight_rows(read_run(saved_run(tmp_path)).record["weights"])
    assert [(licence, commercial) for _, licence, commercial, _ in rows] == [
        ("Apache-2.0", "yes"),
        ("CC BY-NC-SA 4.0", "no"),
        ("not named", "not known"),
    ]


def test_settings_become_rows_down_to_the_last_value():
    settings = {"a": {"b": {"c": 0.02}, "d": [["x", "y"], ["z"]]}, "e": None, "f": True, "g": {}}
    assert list(flat(settings)) == [
        ("a.b.c", "0.02"), ("a.d", "x–y, z"), ("e", "–"), ("f", "yes"), ("g", "–"),
    ]  # fmt: skip


def test_a_dead_gradient_is_told_with_its_steps(tmp_path):
    trace = [replace(step, dead_gradient=step.i == 2) for step in trace_of(0.9, 0.5)]
    text = page_text(saved_run(tmp_path, trace=trace))
    assert "the latents were not updated at step 2." in text


def test_what_comes_from_a_file_is_escaped(tmp_path):
    evil = "<script>hacked=1</script>"
    manifest = saved_run(
        tmp_path, "a<b>&.mp4", caption=evil, trace=trace_of(0.9, 0.5, term=evil), models=evil,
        named=[{"phrase": evil, "score": 1.0}],
    )  # fmt: skip
    text = page_text(manifest)
    write_gallery([read_run(manifest)], tmp_path / "gallery.html", [evil])
    for page in (text, (tmp_path / "gallery.html").read_text(encoding="utf-8")):
        assert evil not in page
        assert "&lt;script&gt;hacked=1" in page
        assert "a&lt;b&gt;&amp;.mp4" in page


# The gallery


def test_the_worst_run_comes_first_and_those_without_guidance_last(tmp_path):
    for name, trace in (
        ("good", trace_of(0.9, 0.1)), ("bad", trace_of(0.9, 0.8)), ("nan", trace_of(math.nan)),
        ("unguided", trace_of()),
    ):  # fmt: skip
        saved_run(tmp_path, f"{name}.mp4", trace=trace)
    runs, _ = read_runs([tmp_path])
    assert [run.path.stem for run in worst_first(runs)] == ["nan", "bad", "good", "unguided"]


def test_a_gallery_links_reports_that_lie_beside_their_runs(tmp_path):
    manifest = saved_run(tmp_path, "a b.mp4")
    page_text(manifest)
    (tmp_path / "pages").mkdir()
    write_gallery([read_run(manifest)], tmp_path / "pages" / "all.html")
    assert 'href="../a%20b.html"' in (tmp_path / "pages" / "all.html").read_text()


def test_a_loss_becomes_points_from_top_left_to_bottom_right():
    assert spark_of([2.0, 1.0, 0.0]) == "2.0,2.0 60.0,16.0 118.0,30.0"
    assert spark_of([1.0, math.nan, 0.0]) == "2.0,2.0 118.0,30.0"
    assert spark_of([1.0]) == ""


# The command line


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    return small_family(write_small(tmp_path_factory.mktemp("models")))


@pytest.fixture
def small_models(monkeypatch, family):
    """The small family in place of the one that ships."""
    monkeypatch.setattr(
        studio_module, "load_family", lambda options: replace(family, name=options.models)
    )


@pytest.mark.long
def test_several_outputs_with_report_get_a_page_each_and_a_gallery(
    tmp_path, monkeypatch, small_models
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    for name in ("a", "b"):
        make_video(tmp_path / "clips" / f"{name}.mp4")
    command = ["v2a", "clips", "-o", "made/", "--steps", "4", "--prompt", "rain", "--report", "-q"]
    assert main(command) == 0
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [
        "a.html", "a.json", "a.mp4", "b.html", "b.json", "b.mp4", "reports.html",
    ]  # fmt: skip
    assert 'href="a.html"' in (tmp_path / "made" / "reports.html").read_text()
    assert main(["report", "made/a.json", "-o", "made/again.html", "-q"]) == 0
    without_ids = [
        re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|p\d{4,}", "", (tmp_path / "made" / name).read_text())
        for name in ("again.html", "a.html")
    ]
    assert without_ids[0] == without_ids[1]


def test_a_page_that_exists_is_refused_before_anything_is_made(
    tmp_path, monkeypatch, small_models, capsys
):
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "clip.mp4")
    (tmp_path / "out.html").write_text("mine")
    assert main(["v2a", "clip.mp4", "-o", "out.mp4", "--report"]) == 2
    assert "out.html: exists already" in capsys.readouterr().err
    assert not (tmp_path / "out.mp4").exists()
    saved_run(tmp_path, "run.mp4")
    assert main(["report", "run.json", "-o", "out.html"]) == 2
    assert (tmp_path / "out.html").read_text() == "mine"
    assert main(["report", "run.json", "-o", "out.html", "--overwrite"]) == 0


def test_bokeh_that_is_missing_is_told_with_the_extra_that_brings_it(
    tmp_path, monkeypatch, small_models, capsys
):
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "clip.mp4")
    import sys

    for name in [name for name in sys.modules if name.startswith("seehear.report")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("seehear.report")
    monkeypatch.setitem(sys.modules, "bokeh.embed", None)
    assert main(["v2a", "clip.mp4", "-o", "out.mp4", "--report"]) == 2
    assert 'pip install "seehear[report]"' in capsys.readouterr().err
    assert not (tmp_path / "out.mp4").exists()
