"""The nodes for ComfyUI, called as its executor does: by their declarations alone."""

import importlib.util
import inspect
import sys
from pathlib import Path

import pytest
import torch
from small_family import small_picture_family

from seehear.pipeline.studio import Studio

FOLDER = Path(__file__).parents[2] / "integrations" / "comfyui"
WIDGETS = {"STRING": str, "BOOLEAN": bool, "INT": int, "FLOAT": float}
LINKS = {"SEEHEAR_MODELS", "IMAGE", "AUDIO"}


@pytest.fixture(scope="module")
def nodes():
    """The folder, loaded from its path under a name of ComfyUI's."""
    name = "custom_nodes_seehear"
    spec = importlib.util.spec_from_file_location(
        name, FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def links(tmp_path_factory):
    """A value of every type that comes from another node."""
    family = small_picture_family(tmp_path_factory.mktemp("models"))
    generator = torch.Generator().manual_seed(0)
    return {
        "SEEHEAR_MODELS": Studio(family),
        "IMAGE": torch.rand(12, 48, 64, 3, generator=generator),
        "AUDIO": {
            "waveform": 0.1 * torch.randn(1, 2, 22_050, generator=generator),
            "sample_rate": 22_050,
        },
    }


def run(node: type, links: dict, **values) -> dict:
    """The outputs of a node by name, with default values of its widgets."""
    declared = node.INPUT_TYPES()
    inputs = {}
    for name, (kind, *settings) in declared["required"].items():
        inputs[name] = links[kind] if str(kind) in LINKS else settings[0]["default"]
    outputs = getattr(node(), node.FUNCTION)(**{**inputs, **values})
    assert isinstance(outputs, tuple)
    for value, kind in zip(outputs, node.RETURN_TYPES, strict=True):
        check(value, kind)
    return dict(zip(node.RETURN_NAMES, outputs, strict=True))


def check(value, kind: str) -> None:
    if kind == "IMAGE":
        assert value.dtype == torch.float32
        assert value.ndim == 4
        assert value.shape[3] == 3
        assert 0 <= value.min() <= value.max() <= 1
    elif kind == "AUDIO":
        assert value["waveform"].ndim == 3
        assert value["waveform"].dtype == torch.float32
        assert value["waveform"].abs().max() <= 1
        assert isinstance(value["sample_rate"], int)
    elif kind in WIDGETS:
        assert isinstance(value, WIDGETS[kind])


def test_every_node_declares_what_it_takes(nodes):
    assert nodes.NODE_CLASS_MAPPINGS.keys() == nodes.NODE_DISPLAY_NAME_MAPPINGS.keys()
    for node in nodes.NODE_CLASS_MAPPINGS.values():
        declared = node.INPUT_TYPES()
        names = [name for part in declared.values() for name in part]
        parameters = inspect.signature(getattr(node, node.FUNCTION)).parameters
        takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        named = {n for n, p in parameters.items() if p.kind is not p.VAR_KEYWORD} - {"self"}
        assert named <= set(names) if takes_any else named == set(names)
        assert len(node.RETURN_NAMES) == len(node.RETURN_TYPES)
        for kind, *settings in (value for part in declared.values() for value in part.values()):
            default = settings[0].get("default") if settings else None
            if isinstance(kind, list):
                assert default in kind
            else:
                assert kind in LINKS or isinstance(default, WIDGETS[kind])


def test_models_are_loaded_by_their_family(nodes):
    found = run(nodes.NODE_CLASS_MAPPINGS["SeehearLoadModels"], {}, binder="", audio=" ")
    assert found["models"].family.name == "pocket"


@pytest.mark.parametrize("name", ["SeehearVideoToAudio", "SeehearAlignLatents"])
def test_audio_for_frames_has_their_length(nodes, links, name):
    found = run(nodes.NODE_CLASS_MAPPINGS[name], links, fps=12.0, prompt="rain")
    audio = found["audio"]
    assert audio["waveform"].shape[2] / audio["sample_rate"] == pytest.approx(1.0, abs=1e-3)
    assert found["prompt"] == "rain"


def test_an_empty_prompt_is_written_only_with_caption(nodes, links):
    node = nodes.NODE_CLASS_MAPPINGS["SeehearImageToAudio"]
    audio = run(node, links, seconds=0.5, caption=False)
    assert audio["prompt"] == ""
    assert audio["audio"]["waveform"].shape[2] == 8000


def test_strength_keeps_the_recording(nodes, links):
    node = nodes.NODE_CLASS_MAPPINGS["SeehearAlignLatents"]
    free, kept = (
        run(node, links, fps=12.0, prompt="rain", strength=s)["audio"]["waveform"]
        for s in (0.0, 0.9)
    )
    assert not torch.equal(free, kept)


@pytest.mark.parametrize("name", ["SeehearAudioToVideo", "SeehearAudioToImage"])
def test_frames_for_audio(nodes, links, name):
    found = run(nodes.NODE_CLASS_MAPPINGS[name], links, prompt="rain")
    if name == "SeehearAudioToImage":
        assert len(found["image"]) == 1
    else:
        assert len(found["images"]) / found["fps"] == pytest.approx(1.0, abs=1 / found["fps"])


def test_a_prompt_gives_both(nodes, links):
    found = run(nodes.NODE_CLASS_MAPPINGS["SeehearTextToBoth"], links, prompt="rain", seconds=0.5)
    audio = found["audio"]
    assert audio["waveform"].shape[2] / audio["sample_rate"] == pytest.approx(
        len(found["images"]) / found["fps"], abs=1e-3
    )


def test_the_requirements_name_this_version():
    from seehear import __version__

    assert f"seehear>={__version__}" in (FOLDER / "requirements.txt").read_text()
    assert f'version = "{__version__}"' in (FOLDER / "pyproject.toml").read_text()
