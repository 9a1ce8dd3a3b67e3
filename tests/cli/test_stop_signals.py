"""Ctrl-C and SIGTERM: one line, exit code 130 or 143, no process and no unfinished file left."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from counting_jobs import WritesItsName
from small_family import write_small
from tests.media_files import make_video

from seehear.batch import make_request
from seehear.batch.ledger import FILE, Ledger
from seehear.batch.local_workers import run_processes
from seehear.cli import generate, main
from seehear.errors import WeightsError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals")
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
# The tests may run in the background of a shell, which makes them deaf to Ctrl-C.
HEAR_SIGNALS = (
    "import signal, sys\n"
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "signal.signal(signal.SIGTERM, signal.SIG_DFL)\n"
)
BATCH = HEAR_SIGNALS + (
    "from counting_jobs import WritesItsName\n"
    "from seehear.batch import make_request\n"
    "from seehear.cli import main\n"
    "if __name__ == '__main__':\n"
    "    make_request.RequestMaker = lambda *_: WritesItsName(seconds=0.4)\n"
    "    sys.exit(main(sys.argv[1:]))\n"
)
COMMAND = HEAR_SIGNALS + (
    "import torch\n"
    "from seehear.pipeline import studio\n"
    "from small_family import small_family\n"
    "from pathlib import Path\n"
    "family = small_family(Path(sys.argv.pop(1)))\n"
    "studio.load_family = lambda *_, **__: family\n"
    "from seehear.cli import main\n"
    "sys.exit(main(sys.argv[1:]))\n"
)


def started(script: Path, *arguments) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=script.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,  # a group of its own, as a shell's job
    )


def stopped(process: subprocess.Popen, number: int, to_group: bool) -> str:
    """Send a signal; returns the output when the process and all its children have ended."""
    family = psutil.Process(process.pid).children(recursive=True)
    (os.killpg if to_group else os.kill)(process.pid, number)
    shown, _ = process.communicate(timeout=60)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    return shown


def wait_until(is_true, process: subprocess.Popen) -> None:
    began = time.monotonic()
    while not is_true():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() - began < 120
        time.sleep(0.02)


def num_done(folder: Path) -> int:
    return len(list(folder.glob("*.json")))


INT, TERM = CODES


@pytest.mark.long
@pytest.mark.parametrize(
    ("workers", "number", "to_group"),
    [
        (1, INT, True),
        (3, TERM, True),
        pytest.param(3, INT, False, marks=pytest.mark.slow),
        pytest.param(1, TERM, False, marks=pytest.mark.slow),
        pytest.param(3, INT, True, marks=pytest.mark.slow),
        pytest.param(3, TERM, False, marks=pytest.mark.slow),
    ],
)
def test_a_batch_ends_in_order_and_goes_on_later(tmp_path, workers, number, to_group):
    script, jobs, out = tmp_path / "run.py", tmp_path / "jobs.csv", tmp_path / "out"
    script.write_text(BATCH)
    jobs.write_text("input,id\n" + "".join(f"a.mp4,{i:03d}\n" for i in range(24)))
    process = started(script, "batch", jobs, "-o", out, "--workers", workers, "-q")
    wait_until(lambda: num_done(out) >= 2, process)
    time.sleep(0.2)
    shown = stopped(process, number, to_group)
    assert process.returncode == CODES[number]
    how = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
    then = f"repeat the command to continue with the jobs of {out}"
    assert shown == f"seehear: stopped by {how}; {then}\n"
    assert not (out / ".work").exists()
    ledger = Ledger.checked(out)
    counts = ledger.counts()
    assert (counts.leased, counts.failed, counts.total) == (0, 0, 24)
    assert 2 <= counts.done < 24
    assert {path.stem for path in out.glob("*.mp4")} == {row.id for row in ledger.rows("done")}
    assert run_processes(out, WritesItsName(), 1).is_complete
    assert {row.attempts for row in ledger.rows()} == {1}  # an interruption is no attempt
    ledger.close()
    assert {path.name for path in out.iterdir()} == {
        FILE, *(f"{i:03d}.{suffix}" for i in range(24) for suffix in ("mp4", "json")),
    }  # fmt: skip


def hides_a_signal(*_, **__):
    """What loaders of libraries do: they turn every exception into one of their own."""
    try:
        os.kill(os.getpid(), TERM)
        time.sleep(5)
    except BaseException as error:
        raise WeightsError("expected weights, got none") from error


def test_a_signal_that_a_library_hides_is_no_error_of_the_input(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(generate, "loaded_studio", lambda options, task: object())
    monkeypatch.setattr(generate, "_generate", hides_a_signal)
    for name in ("a.mp4", "b.mp4"):
        make_video(tmp_path / name)
    code = main(["v2a", str(tmp_path), "-o", str(tmp_path / "out"), "--prompt", "rain", "-q"])
    assert code == 143
    assert capsys.readouterr().err == "seehear: stopped by SIGTERM\n"


def test_a_signal_that_a_library_hides_fails_no_job(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(make_request.RequestMaker, "__call__", hides_a_signal)
    (tmp_path / "jobs.csv").write_text("input\na.mp4\nb.mp4\n")
    assert main(["batch", str(tmp_path / "jobs.csv"), "-o", str(tmp_path / "out"), "-q"]) == 143
    assert capsys.readouterr().err.startswith("seehear: stopped by SIGTERM; repeat the command")
    ledger = Ledger.checked(tmp_path / "out")
    assert [(row.state, row.attempts) for row in ledger.rows()] == [("pending", 0)] * 2
    ledger.close()


@pytest.mark.slow  # a cluster is slow to start
@pytest.mark.parametrize("number", CODES)
def test_a_batch_on_ray_ends_in_order(tmp_path, number):
    pytest.importorskip("ray")
    script, jobs, out = tmp_path / "run.py", tmp_path / "jobs.csv", tmp_path / "out"
    script.write_text(BATCH)
    jobs.write_text("input,id\n" + "".join(f"a.mp4,{i:03d}\n" for i in range(24)))
    temporary, pattern = Path(tempfile.gettempdir()), f"seehear-{socket.gethostname()}_*"
    others = set(temporary.glob(pattern))
    process = started(script, "batch", jobs, "-o", out, "--ray", "local", "--workers", 2, "-q")
    wait_until(lambda: num_done(out) >= 2, process)
    shown = stopped(process, number, to_group=True)
    assert process.returncode == CODES[number]
    assert "Traceback" not in shown
    assert shown.splitlines()[-1].startswith("seehear: stopped by ")  # Ray reports its start
    assert not (out / ".work").exists()
    assert set(temporary.glob(pattern)) <= others
    ledger = Ledger.checked(out)
    counts = ledger.counts()
    assert (counts.leased, counts.failed, counts.total) == (0, 0, 24)
    assert run_processes(out, WritesItsName(), 1).is_complete
    ledger.close()


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "seconds"),
    [
        (INT, 1.0),
        pytest.param(TERM, 3.0, marks=pytest.mark.slow),
        pytest.param(INT, 5.0, marks=pytest.mark.slow),
        pytest.param(TERM, 7.0, marks=pytest.mark.slow),
        (TERM, None),
    ],
)
def test_a_command_leaves_no_file_whenever_it_is_stopped(tmp_path, number, seconds):
    script = tmp_path / "run.py"
    script.write_text(COMMAND)
    model = write_small(tmp_path / "model")
    make_video(tmp_path / "clip.mp4")
    before = sorted(path.name for path in tmp_path.iterdir())
    process = started(
        script, model, "v2a", "clip.mp4", "-o", "out.mp4", "--steps", 900, "--prompt", "rain"
    )
    if seconds is None:
        assert "step 225/900" in process.stdout.readline()
    else:
        time.sleep(seconds)
    shown = stopped(process, number, to_group=True)
    names = sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__")
    assert names == before
    if seconds is not None and "stopped by" not in shown:
        return  # stopped before `main`, while Python imported the test's own modules
    assert process.returncode == CODES[number]
    assert "Traceback" not in shown
    assert shown.endswith("\n")
    assert "seehear: stopped by " in shown.splitlines()[-1]


@pytest.mark.long
@pytest.mark.parametrize("number", [INT])  # the tests of the page end their server by SIGTERM
def test_the_page_ends_in_order(tmp_path, number):
    pytest.importorskip("gradio")
    script = tmp_path / "run.py"
    script.write_text(HEAR_SIGNALS + "from seehear.cli import main\nsys.exit(main(sys.argv[1:]))\n")
    process = started(script, "web", "--port", 7991)
    shown = ""
    while "seehear is at" not in shown:
        shown += process.stdout.readline()
        assert process.poll() is None, shown
    shown += stopped(process, number, to_group=True)
    assert "Traceback" not in shown
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_modules_are_imported_ends_with_one_line(tmp_path, number):
    script = tmp_path / "command.py"
    script.write_text(
        HEAR_SIGNALS
        + "import os\n"
        + "class Sender:\n"
        + "    def find_spec(self, name, *_):\n"
        + "        if name == 'seehear.cli.app':\n"
        + f"            os.kill(os.getpid(), {int(number)})\n"
        + "sys.meta_path.insert(0, Sender())\n"
        + "from seehear.cli import main\n"
        + "sys.exit(main(['presets']))\n"
    )
    process = started(script)
    shown, _ = process.communicate(timeout=60)
    assert process.returncode == CODES[number]
    assert shown.startswith("seehear: stopped by ")
    assert shown.count("\n") == 1
