"""Everything runs on few threads and with the shapes in annotations checked."""

import os

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may need a download
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import hypothesis
from jaxtyping import install_import_hook

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

install_import_hook("seehear", "beartype.beartype")


@pytest.fixture(autouse=True, scope="session")
def _two_threads_at_most():
    import torch

    torch.set_num_threads(min(2, torch.get_num_threads()))
