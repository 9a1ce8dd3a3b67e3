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
    "metrics/test_reference_numbers.py",
    "models/test_weights.py",
    "pipeline/test_inputs.py",
    "pipeline/test_presets.py",
    "pipeline/test_task.py",
    "test_docs.py",
)


def pytest_collection_modifyitems(items):
    tests = Path(__file__).parent
    for item in items:
        path = item.path.relative_to(tests).as_posix()
        if not path.startswith(_WITHOUT_MODELS):
            item.add_marker("models")


@pytest.fixture(autouse=True, scope="session")
def _two_threads_at_most():
    import torch

    torch.set_num_threads(min(2, torch.get_num_threads()))
