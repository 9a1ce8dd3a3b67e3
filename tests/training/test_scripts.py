"""Scripts that run once a month break unseen when what they import moves."""

import importlib
import pkgutil

import benchmarks
import pytest
import training

MODULES = sorted(
    module.name
    for package in (training, benchmarks)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_every_script_finds_what_it_imports(name):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing in ("seehear", "training", "benchmarks"):
            raise
        pytest.skip(f"{missing} is not installed")
