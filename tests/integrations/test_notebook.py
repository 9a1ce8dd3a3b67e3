"""The notebook runs from top to bottom."""

import os
from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "seehear.ipynb"


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, 4)


@pytest.mark.long
@pytest.mark.models
@pytest.mark.filterwarnings("ignore")  # of the kernel's sockets
def test_every_cell_runs(notebook, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    client = nbclient.NotebookClient(
        notebook, timeout=900, kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
    )  # fmt: skip
    client.execute()
    text = "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stdout"
    )
    for expected in ("Result(v2a", "seed 3:", "Result(a2i", "Result(a2v", "Result(joint"):
        assert expected in text
    shown = [
        kind
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        for kind in output.get("data", {})
    ]
    assert shown.count("text/html") >= 5  # players of video and audio
    assert "image/png" in shown


def test_it_is_saved_without_outputs(notebook):
    assert all(not cell.outputs for cell in notebook.cells if cell.cell_type == "code")
