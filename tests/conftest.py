"""Everything runs on few threads and with the shapes in annotations checked."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may need a download
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import hypothesis
from jaxtyping import install_import_hook

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

install_import_hook("seehear", "beartype.beartype")


# Folders and modules whose tests run no networks. All others are marked `models`.
_WITHOUT_MODELS = (
    "dsp",
    "guidance",
    "media",
    "metrics/test_frechet.py",
    "metrics/test_intervals.py",
    "models/test_weights.py",
    "pipeline/test_inputs.py",
    "pipeline/test_presets.py",
    "pipeline/test_task.py",
    "test_docs.py",
)


def _runs_models(path: Path) -> bool:
    name = path.relative_to(Path(__file__).parent).as_posix()
    return path.suffix == ".py" and not name.startswith(_WITHOUT_MODELS)


def pytest_ignore_collect(collection_path, config):
    """Importing the other modules takes longer than the tests without networks."""
    if "not models" in config.option.markexpr and _runs_models(collection_path):
        return True
    return None


def pytest_collection_modifyitems(items):
    for item in items:
        if _runs_models(item.path):
            item.add_marker("models")


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable():
    """A failure that quotes a name that is not UTF-8 must not end the run of xdist."""
    return _in_utf8((yield))


def _in_utf8(value):
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {key: _in_utf8(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_in_utf8(item) for item in value)
    return value


@pytest.fixture(autouse=True, scope="session")
def _two_threads_at_most():
    import torch

    torch.set_num_threads(min(2, torch.get_num_threads()))
