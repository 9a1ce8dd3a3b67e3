"""Quotas of uploads, and the removal of files without an owner."""

import os
import time

import pytest

from seehear.errors import SettingsError
from seehear.web.refusals import Refusal
from seehear.web.sessions import MAX_PAGES, Sessions
from seehear.web.uploads import Uploads

ALICE, BOB = Sessions.new_secret(), Sessions.new_secret()


@pytest.fixture
def visitors(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    return Sessions(root, max_visitor_bytes=100_000)


@pytest.fixture
def uploads(visitors):
    return Uploads(visitors, 100_000, 150_000)


def receive(uploads, visitors, secret, name, num_bytes):
    with uploads.receiving(secret, 0) as upload:
        uploads.count(upload, num_bytes)
        folder = visitors.root / f"hash of {name}"
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(bytes(num_bytes))
        visitors.add_uploads(secret, [folder / name])


def test_the_bytes_of_a_visitor_and_of_all_are_bounded(uploads, visitors):
    receive(uploads, visitors, ALICE, "a", 60_000)
    with pytest.raises(Refusal, match="files per visitor") as caught:
        receive(uploads, visitors, ALICE, "b", 60_000)
    assert caught.value.status == 413
    receive(uploads, visitors, BOB, "b", 60_000)
    with pytest.raises(Refusal, match="files of all visitors"):
        receive(uploads, visitors, Sessions.new_secret(), "c", 60_000)


def test_outputs_and_uploads_that_are_being_received_count(uploads, visitors):
    visitors.arrive(ALICE, "a1")
    (visitors.new_folder("a1") / "made.wav").write_bytes(bytes(50_000))
    with uploads.receiving(ALICE, 0) as first:
        uploads.count(first, 30_000)
        with uploads.receiving(ALICE, 0) as second, pytest.raises(Refusal):
            uploads.count(second, 30_000)
        with pytest.raises(Refusal), uploads.receiving(ALICE, 30_000):
            pass
        uploads.count(first, 5_000)


def test_no_run_starts_for_a_visitor_whose_files_are_too_large(visitors):
    visitors.arrive(ALICE, "a1")
    (visitors.new_folder("a1") / "made.wav").write_bytes(bytes(100_001))
    with pytest.raises(SettingsError, match="of files per visitor"):
        visitors.new_folder("a1")


def test_files_without_an_owner_are_deleted_unless_an_upload_may_be_writing_them(uploads, visitors):
    receive(uploads, visitors, ALICE, "kept", 10)
    left = visitors.root / "tmp1"
    with uploads.receiving(BOB, 0):
        with uploads.receiving(ALICE, 0):
            left.write_bytes(b"broken off")
            old = visitors.root / "tmp0"
            old.write_bytes(b"older than both requests")
            os.utime(old, (time.time() - 100, time.time() - 100))
        assert (left.exists(), old.exists()) == (True, False)
    assert not left.exists()
    assert [path.name for path in visitors.root.rglob("*") if path.is_file()] == ["kept"]


def test_names_and_number_of_pages_are_bounded(visitors):
    for name in ("", "a/b", "x" * 65, "a b", "\u0661"):
        with pytest.raises(SettingsError, match="expected the session of a page"):
            visitors.arrive(ALICE, name)
    for k in range(MAX_PAGES):
        visitors.arrive(ALICE, f"page{k}")
    visitors.arrive(ALICE, "page0")
    with pytest.raises(SettingsError, match="open browser tabs"):
        visitors.arrive(ALICE, "onemore")
