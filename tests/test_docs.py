import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_page_on_architecture_has_the_layers_of_the_contract():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    (layers,) = (c["layers"] for c in contracts if c["type"] == "layers")
    contract = [set(layer.replace("seehear.", "").split(" | ")) for layer in layers]
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page.split("| layer | packages |")[1].split("\n\n")[0].splitlines()[2:]
    assert [set(re.findall(r"`(\w+)`", line.split("|")[2])) for line in table] == contract
