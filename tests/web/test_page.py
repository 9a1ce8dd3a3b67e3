"""The page in a real browser."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from tests.web.server import ROOT

from seehear import media

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")

EXAMPLE = ROOT / "examples" / "rooster.mp4"


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Folder for screenshots: SEEHEAR_WEB_PICTURES, or a temporary folder."""
    named = os.environ.get("SEEHEAR_WEB_PICTURES")
    folder = Path(named) if named else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Visitor:
    """A browser context with the page open."""

    def __init__(self, browser, server, **window):
        self.context = browser.new_context(**window)
        self.page = self.context.new_page()
        self.asked_hosts: set[str] = set()
        self.complaints: list[str] = []
        self.page.on("request", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(server.url)
        self.page.wait_for_selector("#make")

    def _note(self, request):
        if request.url.startswith(("http", "ws")):
            self.asked_hosts.add(request.url.split("/")[2])

    def drop(self, file, field="#input-file"):
        self.page.locator(f"{field} input[type=file]").set_input_files(file)
        name = file["name"] if isinstance(file, dict) else Path(file).name
        row = self.page.locator(field).get_by_text(Path(name).stem).first
        row.wait_for(timeout=10_000)

    def choose(self, title):
        self.page.get_by_label(title, exact=True).check()

    def steps(self, number):
        field = self.page.locator("#steps input[type=number]")
        field.fill(str(number))
        field.press("Tab")

    def messages(self):
        return self.page.locator("#status .run-message").all_inner_texts()

    def ended(self, timeout_s=60):
        """The status after the run."""
        found = self.page.locator(
            "#status .good, #status .bad, #status .run-message:has-text('Stopped')"
        ).first
        found.wait_for(timeout=timeout_s * 1000)
        return found.inner_text()

    def link(self, suffix, card=0):
        return self.page.locator(".card").nth(card).get_by_text(f"Download {suffix}")

    def download(self, suffix, folder, card=0):
        with self.page.expect_download() as waiting:
            self.link(suffix, card).click()
        target = Path(folder) / waiting.value.suggested_filename
        waiting.value.save_as(target)
        return target


@pytest.fixture
def visit(browser, server):
    opened = []

    def open_(**window):
        opened.append(Visitor(browser, server, **window))
        return opened[-1]

    yield open_
    for visitor in opened:
        visitor.context.close()
        assert visitor.complaints == []
        assert visitor.asked_hosts <= {server.url.removeprefix("http://")}


@pytest.mark.long
def test_an_uploaded_clip_gets_audio_that_plays_downloads_and_replays(visit, tmp_path, pictures):
    visitor = visit(viewport={"width": 1100, "height": 900})
    visitor.page.screenshot(path=pictures / "web_empty.png", full_page=True)
    visitor.drop(EXAMPLE)
    visitor.steps(6)
    visitor.page.click("#make")

    visitor.page.wait_for_selector("#preview img")
    seen = [visitor.page.locator("#status progress").get_attribute("value")]
    assert visitor.page.locator("#preview audio").count() == 1
    visitor.page.screenshot(path=pictures / "web_running.png", full_page=True)
    while visitor.page.locator("#status progress").count():
        value = visitor.page.evaluate("document.querySelector('#status progress')?.value ?? null")
        if value is not None and value != seen[-1]:
            seen.append(value)
    assert len(seen) >= 3
    assert visitor.ended() == "Done."
    visitor.page.wait_for_function("document.querySelector('.card video').readyState >= 2")
    visitor.page.screenshot(path=pictures / "web_v2a.png", full_page=True)

    # It plays, with an audio track as long as the video.
    visitor.page.evaluate("document.querySelector('.card video').play()")
    visitor.page.wait_for_function("document.querySelector('.card video').currentTime > 0.2")
    clip = visitor.download("mp4", tmp_path)
    assert media.probe(clip).has_audio
    assert media.read_audio(visitor.download("wav", tmp_path)).duration_s == pytest.approx(4.0)
    manifest = visitor.download("json", tmp_path)
    record = json.loads(manifest.read_text())
    assert record["settings"]["preset"]["settings"]["num_steps"] == 6
    assert record["inputs"][0]["file"] == "rooster.mp4"
    assert "/" not in json.dumps(record["inputs"])  # no path on the server

    # The JSON and the clip give the same samples; the path in the JSON is not used.
    visitor.page.get_by_text("Replay from the JSON of an output").click()
    visitor.drop(manifest, "#manifest")
    visitor.page.click("#again")
    visitor.page.wait_for_selector("text=Same media, bit for bit.", timeout=60_000)
    visitor.page.screenshot(path=pictures / "web_replayed.png", full_page=True)


@pytest.mark.long
def test_stop_takes_effect_within_a_step_and_the_next_run_works(visit, pictures):
    visitor = visit()
    visitor.page.click("#example")
    visitor.page.wait_for_selector("#seen video")
    visitor.steps(100)
    visitor.page.click("#make")
    visitor.page.wait_for_selector("text=/Step [2-9] of 100/")
    at = int(re.search(r"Step (\d+)", visitor.messages()[0]).group(1))
    visitor.page.click("#stop")
    stopped = visitor.ended()
    visitor.page.screenshot(path=pictures / "web_stopped.png", full_page=True)
    assert int(re.search(r"Stopped at step (\d+)", stopped).group(1)) <= at + 3
    visitor.steps(2)
    visitor.page.click("#make")
    visitor.page.wait_for_selector("#status .good", timeout=60_000)


@pytest.mark.long
def test_a_waiting_visitor_sees_the_place_in_the_queue_and_stop_leaves_it(visit, pictures):
    first, second = visit(), visit()
    for visitor in (first, second):
        visitor.page.click("#example")
        visitor.page.wait_for_selector("#seen video")
        visitor.steps(100)
    first.page.click("#make")
    first.page.wait_for_selector("text=/Step [1-9]/")
    second.page.click("#make")
    second.page.wait_for_selector("#status >> text=/queue: 1\\/1/")  # nobody else waits
    third = visit()
    third.page.click("#example")
    third.page.wait_for_selector("#seen video")
    third.page.click("#make")
    third.page.wait_for_selector("#status >> text=/queue: 2\\/2/")
    clip = "getComputedStyle(document.querySelector('#status .wrap')).overflow"
    assert third.page.evaluate(clip) == "visible"
    third.page.wait_for_timeout(600)  # the text fades in
    third.page.screenshot(path=pictures / "web_waiting.png", full_page=True)
    third.page.click("#stop")
    third.ended(5)
    assert second.messages() == ["Nothing is running."]
    second.page.click("#stop")
    assert second.ended(5) == "Stopped."
    first.page.click("#stop")
    first.ended(10)
    second.steps(2)
    second.page.click("#make")
    second.page.wait_for_selector("#status .good", timeout=60_000)


@pytest.mark.long
def test_joint_runs_by_keyboard_in_a_narrow_window(visit, pictures):
    visitor = visit(viewport={"width": 400, "height": 800})
    visitor.choose("Video and audio from a prompt")
    sync_api.expect(visitor.page.locator("#duration")).to_be_visible()
    visitor.page.locator("#prompt textarea").fill("a rooster crowing")
    visitor.page.locator("#duration input").fill("1")
    visitor.steps(4)
    visitor.page.locator("#make").focus()
    visitor.page.keyboard.press("Enter")
    assert visitor.ended() == "Done."
    visitor.page.wait_for_function("document.querySelector('.card video').readyState >= 2")
    visitor.page.screenshot(path=pictures / "web_narrow.png", full_page=True)
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 400


@pytest.mark.long
def test_one_click_shows_unguided_and_guided_side_by_side(visit, pictures):
    visitor = visit(viewport={"width": 1100, "height": 900})
    visitor.page.click("#example")
    visitor.page.wait_for_selector("#seen video")
    visitor.page.locator("#prompt textarea").fill("<b>a rooster</b>")
    visitor.steps(4)
    visitor.page.click("#both")
    assert visitor.ended() == "Done."
    titles = visitor.page.locator(".card h3").all_inner_texts()
    assert titles == ["Unguided", "Guided"]
    left, right = (visitor.page.locator(".card").nth(k).bounding_box() for k in (0, 1))
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    # The prompt is escaped.
    assert "<b>a rooster</b>" in visitor.page.locator(".card").first.inner_text()
    visitor.page.wait_for_function(
        "[...document.querySelectorAll('.card video')].every(v => v.readyState >= 2)"
    )
    visitor.page.screenshot(path=pictures / "web_both.png", full_page=True)


BAD = {
    "text.mp4": (b"this is no film at all\n" * 40, "is neither or is truncated"),
    "empty.mp4": (b"", "empty"),
    "huge.mp4": (
        # A box of type "mdat" that says it has 2 GB, and then ends.
        b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\x80\0\0\0mdat" + bytes(1000),
        "is neither or is truncated",
    ),
    "sound.mp4": (None, "expected a video, got a file of kind audio"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_gets_an_error_message_and_the_server_continues(visit, tmp_path, name):
    content, sentence = BAD[name]
    if content is None:
        content = (ROOT / "examples" / "dog.wav").read_bytes()
    visitor = visit()
    visitor.drop({"name": name, "mimeType": "video/mp4", "buffer": content})
    visitor.page.click("#make")
    message = visitor.ended(20)
    assert sentence in message
    assert message.startswith(name.capitalize())  # the file name without its folder
    assert "/tmp" not in message


@pytest.mark.long
def test_a_file_that_is_too_large_gets_an_error_message(visit, pictures):
    visitor = visit()
    big = {"name": "big.mp4", "mimeType": "video/mp4", "buffer": bytes(2_000_000)}
    visitor.page.locator("#input-file input[type=file]").set_input_files(big)
    visitor.page.wait_for_selector("text=exceed the maximum allowed size of 1.0 Mb")
    visitor.page.wait_for_timeout(600)  # the message fades in
    visitor.page.screenshot(path=pictures / "web_large.png", full_page=True)


def test_a_missing_input_gets_an_error_message(visit, pictures):
    visitor = visit()
    visitor.page.click("#make")
    assert visitor.ended(10) == "Expected an input file; drop one, or use the example"
    visitor.page.screenshot(path=pictures / "web_error.png", full_page=True)
