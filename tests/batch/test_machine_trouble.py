"""A full disk, a deleted folder and foreign files: the messages are correct, and no job is lost."""

import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
import torch
from counting_jobs import WritesItsName, entries

from seehear.batch.ledger import FILE, Ledger, is_disk_full
from seehear.batch.local_workers import run_processes
from seehear.cli.batch import _result_text
from seehear.errors import MediaError, SettingsError
from seehear.media import write_audio, write_image, write_video


def batch(folder: Path, count: int) -> Path:
    ledger = Ledger(folder)
    ledger.add(entries(count))
    ledger.close()
    return folder


@pytest.mark.parametrize("workers", [1, 2])
def test_foreign_names_in_the_work_folder_are_left_alone(tmp_path, workers):
    folder = batch(tmp_path, 3)
    work = folder / ".work"
    (work / "mine").mkdir(parents=True)
    (work / "a_b_c").mkdir()
    for name in (".DS_Store", "Thumbs.db", "x_1_y"):
        (work / name).write_text("not ours")
    assert run_processes(folder, WritesItsName(), workers).is_complete
    assert {path.name for path in work.iterdir()} == {
        "mine", "a_b_c", ".DS_Store", "Thumbs.db", "x_1_y",
    }  # fmt: skip


@pytest.mark.parametrize("workers", [1, 2])
def test_deleted_outputs_are_told_and_made_again_after_retry(tmp_path, workers):
    folder = batch(tmp_path, 20)
    removed = []

    def remove(counts):
        for name in ("000.mp4", "001.mp4", "002.json", "002.mp4"):
            if counts.done > 5 and (folder / name).exists():
                (folder / name).unlink()
                removed.append(name)

    counts = run_processes(folder, WritesItsName(seconds=0.1), workers, remove)
    assert len(removed) == 4
    assert counts.missing == ("000.mp4", "001.mp4", "002.mp4")
    assert not counts.is_complete
    text = _result_text(folder, counts)
    assert f"{folder}: 17 of 20 done, 0 failed; outputs that were deleted or moved: 3 (" in text
    ledger = Ledger(folder)
    assert ledger.retry() == 3
    ledger.close()
    assert run_processes(folder, WritesItsName(), workers).is_complete
    assert len(list(folder.glob("*.mp4"))) == 20


@pytest.mark.parametrize("workers", [1, 2])
def test_a_deleted_folder_ends_the_batch_and_is_told(tmp_path, workers):
    folder = batch(tmp_path / "out", 40)

    def remove():
        while not (folder / "002.mp4").exists():
            time.sleep(0.01)
        folder.rename(tmp_path / "trash")

    remover = threading.Thread(target=remove)
    remover.start()
    began = time.monotonic()
    counts = run_processes(folder, WritesItsName(seconds=0.3), workers)
    remover.join()
    assert time.monotonic() - began < 11  # all jobs take 12 s, or 6 s with two workers
    assert not counts.is_complete
    assert not folder.exists()
    text = _result_text(folder, counts)
    assert f"{folder}: 0 of 40 done" in text
    assert "the folder or its job database was deleted during the run; repeat this command" in text


def test_a_deleted_ledger_alone_ends_the_batch(tmp_path):
    folder = batch(tmp_path, 20)

    def remove(counts):
        if counts.done == 3:
            (folder / FILE).unlink()

    counts = run_processes(folder, WritesItsName(), 1, remove)
    assert counts.done < 20
    assert not counts.is_in_place


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 1 MB, and a function that makes the disk larger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")

    def enlarge():
        subprocess.run(["mount", "-o", "remount,size=9m", str(folder)], check=True)

    yield folder, enlarge
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_stops_the_batch_which_goes_on_when_there_is_space(small_disk, workers):
    disk, enlarge = small_disk
    folder = batch(disk / "out", 20)
    with pytest.raises(SettingsError, match="expected free space on the disk, got none") as caught:
        run_processes(folder, WritesItsName(num_bytes=100_000), workers)
    assert "\n" not in str(caught.value)
    ledger = Ledger.checked(folder)
    counts = ledger.counts()
    assert 3 <= counts.done <= 9
    assert counts.failed == 0
    assert not ledger.missing_outputs()
    assert all(path.stat().st_size == 100_000 for path in folder.glob("*.mp4"))
    assert not (folder / ".work").exists()
    enlarge()
    assert run_processes(folder, WritesItsName(num_bytes=100_000), workers).is_complete
    assert {row.attempts for row in ledger.rows()} <= {1, 2}  # 2: the ledger had no space either
    ledger.close()


def test_a_ledger_on_a_full_disk_gives_a_sentence(small_disk):
    disk, enlarge = small_disk
    with (disk / "full").open("wb") as file, pytest.raises(OSError, match="No space left"):
        file.write(b"x" * 2_000_000)
    with pytest.raises(SettingsError):
        Ledger(disk)
    assert [path.name for path in disk.iterdir()] == ["full"]
    (disk / "full").unlink()
    folder = batch(disk, 2000)
    with (disk / "full").open("wb") as file, pytest.raises(OSError, match="No space left"):
        file.write(b"x" * 2_000_000)
    with pytest.raises(SettingsError, match="expected free space on the disk, got none"):
        run_processes(folder, WritesItsName(), 1)
    enlarge()
    ledger = Ledger.checked(folder)
    assert ledger.counts().total == 2000
    ledger.close()


def write_noise(path: Path) -> None:
    noise = torch.rand(1, 960_000, generator=torch.Generator().manual_seed(0)) - 0.5
    frames = (noise[0, : 25 * 3 * 96 * 128].view(25, 3, 96, 128) * 255 + 128).byte()
    if path.suffix == ".png":
        write_image(path, frames.transpose(0, 1).reshape(3, 25 * 96, 128))
    elif path.suffix in (".mp4", ".mkv"):
        write_video(path, frames, 25.0, noise, 16000)
    else:
        write_audio(path, noise, 16000)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp4", "a.mkv", "a.png"])
def test_every_encoder_tells_that_the_disk_is_full(small_disk, name):
    disk, _ = small_disk
    with (disk / "large").open("wb") as file:
        file.write(b"x" * 1_000_000)
    with pytest.raises(MediaError, match="could not be written") as caught:
        write_noise(disk / name)
    assert is_disk_full(caught.value)
    assert [path.name for path in disk.iterdir()] == ["large"]
