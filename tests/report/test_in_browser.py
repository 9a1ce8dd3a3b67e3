"""Reports as a browser shows them: opened from file://, offline, every request counted."""

import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from tests.saved_runs import saved_run, trace_of

from seehear.media import write_image
from seehear.report import read_run, read_runs, write_gallery, write_page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "chromium-headless-shell")


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with playwright.sync_playwright() as play:
        own = play.chromium.executable_path
        found = own if os.path.exists(own) else next(filter(None, map(shutil.which, NAMES)), None)
        if found is None:
            pytest.skip("no Chromium on this machine: playwright install chromium")
        chromium = play.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@contextmanager
def opened(browser, path):
    """A page from file:// without a network; fails if it asks for anything or has an error."""
    context = browser.new_context(offline=True, viewport={"width": 1200, "height": 900})
    page = context.new_page()
    asked, troubles = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda m: troubles.append(m.text) if m.type == "error" else None)
    page.goto(path.as_uri(), wait_until="load")
    yield page
    context.close()
    elsewhere = [url for url in asked if not url.startswith(("data:", "blob:"))]
    assert elsewhere == [path.as_uri()]
    assert troubles == []


SERIES = """() => {
  const found = {};
  for (const model of Bokeh.documents[0]._all_models.values())
    if (model.type === "ColumnDataSource" && model.name)
      found[model.name] = Object.fromEntries(
        [...(model.data instanceof Map ? model.data : Object.entries(model.data))]
          .map(([name, values]) => [name, Array.from(values, (v) => isFinite(v) ? v : String(v))]));
  return found;
}"""


def wait_until(page, true):
    """Ask again and again; Playwright's own waiting needs an eval, which the page forbids."""
    for _ in range(200):
        if page.evaluate(true):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never became true: {true}")


def wait_for_plots(page):
    wait_until(page, "window.Bokeh?.documents[0]?.is_idle")


def numbers(values):
    return [float(value) for value in values]


def same(seen, wanted):
    return len(seen) == len(wanted) and all(
        a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(seen, wanted, strict=True)
    )


@pytest.mark.long
def test_every_series_in_the_page_is_that_of_the_manifest_to_the_last_digit(tmp_path, browser):
    manifest = saved_run(tmp_path, trace=trace_of(0.9, 1 / 3, math.inf, 2.5e-17, math.pi))
    write_page(read_run(manifest), tmp_path / "page.html")
    trace = json.loads(manifest.read_text())["trace"]
    with opened(browser, tmp_path / "page.html") as page:
        wait_for_plots(page)
        seen = page.evaluate(SERIES)
    wanted = {}
    for kind, field in (
        ("loss", "losses"), ("gradient norm", "gradient_norm"), ("step size", "relative_step"),
    ):  # fmt: skip
        for name in dict.fromkeys(name for step in trace for name in step[field]):
            wanted[f"{kind}: {name}"] = [float(step[field].get(name, "nan")) for step in trace]
    assert len(wanted) == 5
    for name, values in wanted.items():
        assert numbers(seen[name]["i"]) == [step["i"] for step in trace]
        assert same(numbers(seen[name]["value"]), values), name
    for name in ("seconds", "align_seconds"):
        assert numbers(seen["seconds"][name]) == [step[name] for step in trace]
    sums = [math.fsum(map(float, step["losses"].values())) or math.nan for step in trace]
    shown = numbers(seen["loss: sum of the terms"]["value"])
    assert [x for x in shown if math.isfinite(x)] == pytest.approx(
        [x for x in sums if math.isfinite(x)], rel=1e-15
    )


@pytest.mark.long
def test_a_page_shows_where_guidance_acted_and_plays_its_media_offline(tmp_path, browser):
    write_page(read_run(saved_run(tmp_path)), tmp_path / "page.html")
    with opened(browser, tmp_path / "page.html") as page:
        wait_for_plots(page)
        shaded = page.evaluate(
            """() => [...Bokeh.documents[0]._all_models.values()]
                 .filter((model) => model.type === "BoxAnnotation" && model.level === "underlay")
                 .map((model) => [model.left, model.right])"""
        )
        assert shaded == [[0.5, 3.5]] * 4
        wait_until(page, "document.querySelector('#output video').readyState >= 1")
        length = page.evaluate("document.querySelector('#output video').duration")
        assert length == pytest.approx(1.0, abs=0.1)
        strip = page.evaluate("[...document.querySelectorAll('.strip img')].map((i) => i.width)")
        assert len(strip) == 8
        assert min(strip) > 50
        # The line in the plots follows the player.
        page.evaluate("document.querySelector('#output video').currentTime = 0.5")
        wait_until(
            page, "Bokeh.documents[0].get_model_by_name('playhead: waveform').location === 0.5"
        )


@pytest.mark.long
def test_markup_and_tex_in_a_manifest_run_nothing_and_fetch_nothing(tmp_path, browser):
    evil = "</script><img src=x onerror='hacked=1'><script>hacked=1</script> $$x$$"
    (tmp_path / "runs").mkdir()
    for k in range(2):
        picture = torch.full((3, 60, 80), 90, dtype=torch.uint8)
        write_image(tmp_path / f"<b>{k}.png", picture)
        saved_run(
            tmp_path / "runs", f"<img src=x onerror=hacked=1>{k}.mp4", caption=evil,
            trace=trace_of(0.9, 0.5, term=evil), models=evil, prompts={evil: evil, "a": "b"},
            named=[{"phrase": evil, "score": 1.0}], input_file=tmp_path / f"<b>{k}.png",
        )  # fmt: skip
    runs, _ = read_runs([tmp_path / "runs"])
    write_page(runs[0], tmp_path / "page.html")
    write_gallery(runs, tmp_path / "gallery.html", [evil])
    for name in ("page", "gallery"):
        with opened(browser, tmp_path / f"{name}.html") as page:
            if name == "page":
                wait_for_plots(page)
            assert page.evaluate("typeof hacked") == "undefined"
            assert page.locator("img[src=x]").count() == 0
            assert evil in page.locator("body").inner_text()


def test_a_gallery_is_sorted_worst_first_and_by_the_column_that_is_pressed(tmp_path, browser):
    for name, loss in (("c", 0.8), ("a", 0.2), ("b", 0.5)):
        saved_run(tmp_path, f"{name}.mp4", trace=trace_of(0.9, loss))
    saved_run(tmp_path, "d.mp4", trace=trace_of())
    write_gallery(read_runs([tmp_path])[0], tmp_path / "gallery.html")
    with opened(browser, tmp_path / "gallery.html") as page:

        def order():
            return "".join(
                text[0] for text in page.locator("table.gallery tbody a").all_inner_texts()
            )

        assert order() == "cbad"
        page.get_by_role("button", name="final loss").click()
        assert order() == "abcd"
        page.get_by_role("button", name="run").click()
        assert order() == "abcd"
        page.get_by_role("button", name="run").click()
        assert order() == "dcba"
        pictures = page.evaluate("[...document.images].map((i) => i.naturalWidth)")
        assert len(pictures) == 8  # a frame and a spectrogram each
        assert min(pictures) > 0
