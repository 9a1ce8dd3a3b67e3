"""Files of visitors: access and deletion."""

import time

import pytest

from seehear.errors import SettingsError
from seehear.web.sessions import Sessions

ALICE, BOB = Sessions.new_secret(), Sessions.new_secret()


@pytest.fixture
def visitors(tmp_path):
    shared = tmp_path / "examples" / "clip.mp4"
    shared.parent.mkdir()
    shared.write_bytes(b"example")
    (tmp_path / "root").mkdir()
    found = Sessions(tmp_path / "root", [shared])
    found.arrive(ALICE, "a1")
    found.arrive(BOB, "b1")
    return found


def upload(visitors, secret, name, content=b"mine"):
    path = visitors.root / name
    path.write_bytes(content)
    visitors.add_uploads(secret, [path])
    return path


def test_only_its_visitor_can_read_a_file(visitors):
    input_file = upload(visitors, ALICE, "input.mp4")
    made = visitors.new_folder("a1") / "made.wav"
    made.write_bytes(b"sound")
    for path in (input_file, made):
        assert visitors.may_read(ALICE, path)
        assert not visitors.may_read(BOB, path)
        assert not visitors.may_read("", path)


def test_every_visitor_can_read_an_example_but_not_its_neighbours(visitors, tmp_path):
    (tmp_path / "examples" / "notes.txt").write_text("private")
    assert visitors.may_read(BOB, tmp_path / "examples" / "clip.mp4")
    assert not visitors.may_read(BOB, tmp_path / "examples" / "notes.txt")
    assert not visitors.may_read(BOB, tmp_path / "examples")


def test_links_and_paths_out_of_a_folder_are_refused(visitors, tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("private")
    folder = visitors.new_folder("a1")
    (folder / "link.wav").symlink_to(outside)
    assert not visitors.may_read(ALICE, folder / "link.wav")
    assert not visitors.may_read(ALICE, f"{folder}/../../../../outside.txt")
    assert not visitors.may_read(ALICE, "\0")
    assert not visitors.may_read(ALICE, "https://example.com/a.mp4")


def test_folders_of_runs_cannot_be_guessed(visitors):
    names = {visitors.new_folder("a1").name for _ in range(20)}
    assert len(names) == 20
    assert min(len(name) for name in names) >= 22  # 128 bits


def test_a_session_belongs_to_one_visitor(visitors):
    with pytest.raises(SettingsError, match="belongs to another visitor"):
        visitors.arrive(BOB, "a1")
    assert visitors.is_owner(ALICE, "a1")
    assert not visitors.is_owner(BOB, "a1")


def test_outputs_are_deleted_with_their_page_and_uploads_with_the_last_page(visitors):
    visitors.arrive(ALICE, "a2")
    input_file = upload(visitors, ALICE, "input.mp4")
    first, second = visitors.new_folder("a1"), visitors.new_folder("a2")
    visitors.leave("a1")
    assert (first.exists(), second.exists(), input_file.exists()) == (False, True, True)
    visitors.leave("a2")
    assert (second.exists(), input_file.exists()) == (False, False)
    assert not visitors.may_read(ALICE, input_file)
    with pytest.raises(SettingsError, match="was closed"):
        visitors.new_folder("a2")


def test_equal_uploads_of_two_visitors_stay_until_both_leave(visitors):
    input_file = upload(visitors, ALICE, "same.mp4")
    upload(visitors, BOB, "same.mp4")
    visitors.leave("a1")
    assert input_file.exists()
    assert visitors.may_read(BOB, input_file)
    visitors.leave("b1")
    assert not input_file.exists()


def test_an_idle_page_is_closed_after_a_day(visitors, monkeypatch):
    made, input_file = visitors.new_folder("a1"), upload(visitors, ALICE, "input.mp4")
    now_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now_s + 23 * 3600)
    visitors.new_folder("b1")
    assert made.exists()
    visitors.arrive(BOB, "b1")
    monkeypatch.setattr(time, "monotonic", lambda: now_s + 25 * 3600)
    visitors.new_folder("b1")
    assert (made.exists(), input_file.exists()) == (False, False)


def test_close_deletes_all_files(visitors):
    upload(visitors, ALICE, "input.mp4")
    visitors.new_folder("b1")
    visitors.close()
    assert not visitors.root.exists()


def test_messages_keep_file_names_without_the_servers_folders(visitors):
    message = (
        f"{visitors.root}/0a1b/my clip.mp4: is damaged (as '{visitors.root}/0a1b/my clip.mp4')"
    )
    assert visitors.without_places(message) == "my clip.mp4: is damaged (as 'my clip.mp4')"
    assert visitors.without_places("a/b: expected 1/2") == "a/b: expected 1/2"
