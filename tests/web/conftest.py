"""One server, shared by all tests that need no special options."""

import pytest
from tests.web.server import started


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    pytest.importorskip("gradio", reason="gradio is not installed")
    with started(tmp_path_factory.mktemp("web"), "--max-upload-mb", "1") as running:
        yield running
