"""Model families: which audio model and which binder belong together, and where they come from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from seehear.backbones import audioldm
from seehear.binders import imagebind, pocket
from seehear.errors import SettingsError, WeightsError
from seehear.protocols import Backbone, Binder
from seehear.weights import PICKLE_SUFFIXES, SAFE_SUFFIX, licence_of, sha256_of

POCKET = Path(__file__).resolve().parent / "data" / "pocket"


@dataclass(frozen=True, kw_only=True)
class Family:
    """Loaded models that work together."""

    name: str
    audio: Backbone
    binder: Binder
    folders: Mapping[str, Path] = field(default_factory=dict)  # part -> where its weights lie

    def weights(self) -> list[dict[str, Any]]:
        """Name, SHA-256 and licence of every weight file, for the manifest."""
        return [
            {
                "name": f"{part}/{path.relative_to(folder).as_posix()}",
                "sha256": sha256_of(path),
                "licence": licence_of(folder) or licence_of(folder.parent),
            }
            for part, folder in self.folders.items()
            for path in sorted(folder.rglob("*"))
            if path.suffix in (SAFE_SUFFIX, *PICKLE_SUFFIXES)
        ]


def load_family(
    name: str = "pocket",
    *,
    audio: str | Path | None = None,
    binder: str | Path | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Family:
    """Load a family's models, frozen.

    Args:
        name: "pocket" (ships with the package) or "paper" (AudioLDM and ImageBind).
        audio: Another folder or hub name in AudioLDM's format instead of the family's own.
        binder: The binder's weights: a file or folder; needed for "paper".
        device: Where the models run.
        dtype: float32, or bfloat16 where memory is short.

    Raises:
        SettingsError: No family has that name.
        WeightsError: Weights are missing or not in the expected format.
    """
    try:
        build = _FAMILIES[name]
    except KeyError:
        known = ", ".join(sorted(_FAMILIES))
        raise SettingsError(
            f"no family of models is called {name!r}; choose one of {known}"
        ) from None
    return build(audio, binder, device, dtype)


def _pocket(
    audio: str | Path | None, binder: str | Path | None, device: str, dtype: torch.dtype
) -> Family:
    model = audioldm.load(audio or POCKET / "audio", device=device, dtype=dtype)
    binder_folder = Path(binder) if binder else POCKET  # holds binder/ and text/
    return Family(
        name="pocket",
        audio=model,
        binder=pocket.load(binder_folder, device=device, dtype=dtype),
        folders={
            **_audio_folders(model),
            "binder": binder_folder / "binder",
            "text": binder_folder / "text",
        },
    )


def _audio_folders(model: audioldm.AudioLDM) -> dict[str, Path]:
    """Where the audio model's weights lie, hub caches included."""
    return {"audio": model.checkpoint.folder} if model.checkpoint else {}


def _paper(
    audio: str | Path | None, binder: str | Path | None, device: str, dtype: torch.dtype
) -> Family:
    if binder is None:
        raise WeightsError(
            "the family 'paper' needs ImageBind's weights, which may not be redistributed: "
            "download imagebind_huge.pth and name it with --binder"
        )
    folder = Path(binder) if Path(binder).is_dir() else Path(binder).parent
    # CLIP's vocabulary beside the weights lets ImageBind read text too.
    vocabulary = folder if (folder / "merges.txt").is_file() else None
    # The authors' checkpoint, unless another is named.
    model = audioldm.load(audio or "cvssp/audioldm-m-full", device=device, dtype=dtype)
    return Family(
        name="paper",
        audio=model,
        binder=imagebind.load(binder, vocabulary=vocabulary, device=device, dtype=dtype),
        folders={**_audio_folders(model), "binder": folder},
    )


_FAMILIES: dict[str, Callable[..., Family]] = {"pocket": _pocket, "paper": _paper}
