import os
import subprocess
import sys

import pytest
from filelock import FileLock

IMPORT = "import seehear.metrics.librosa_import as module; print(module.librosa.__name__)"


def start(home):
    environment = os.environ | {"SEEHEAR_HOME": str(home)}
    return subprocess.Popen(
        [sys.executable, "-c", IMPORT], env=environment, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.long
def test_a_second_process_imports_librosa_only_after_the_first_one(tmp_path):
    with FileLock(tmp_path / "librosa.lock"):
        process = start(tmp_path)
        with pytest.raises(subprocess.TimeoutExpired):  # it takes 4 s without the lock
            process.wait(timeout=10)
    assert process.communicate(timeout=120)[0] == "librosa\n"


@pytest.mark.long
def test_librosa_is_imported_without_a_lock_where_the_cache_folder_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    assert start(tmp_path / "file").communicate(timeout=120)[0] == "librosa\n"
