"""Model families: which audio model and which binder belong together, and where they come from."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import torch

from seehear.errors import SettingsError, WeightsError
from seehear.guidance.protocols import Backbone, Binder
from seehear.hashes import file_sha256
from seehear.models import catalogue
from seehear.models.backbones import animatediff, audioldm
from seehear.models.binders import imagebind, pocket
from seehear.models.captioners.phrase_bank import PhraseBank
from seehear.models.checkpoints import cache_dir, path_of
from seehear.models.shipped import POCKET
from seehear.models.weights import PICKLE_SUFFIXES, SAFE_SUFFIX, licence_in, licence_of

# The fine-tune of Stable Diffusion 1.5 and the motion modules of the authors' configuration.
PAPER_SOUND = "cvssp/audioldm-m-full"  # the released script's checkpoint
PAPER_PICTURE = "SG161222/Realistic_Vision_V2.0"  # section 4.1 names AnimateDiff; its demo's model
PAPER_MOTION = "guoyww/animatediff-motion-adapter-v1-5"  # 24 positions


Part = Literal["audio", "video", "picture"]  # a picture model makes stills


@dataclass(frozen=True, kw_only=True)
class Family:
    """Models that work together; each is loaded when it is first asked for."""

    name: str
    binder: Binder
    loaders: Mapping[Part, Callable[[], Backbone]]
    weight_paths: Mapping[str, Path] = field(
        default_factory=dict
    )  # of the binder's weights, by name
    sources: Mapping[str, str] = field(default_factory=dict)  # where the others came from, by name
    commercial: bool = False  # refuse parts that may not be used commercially
    _loaded: dict[Part, Backbone] = field(default_factory=dict, init=False, repr=False)

    def backbone(self, part: Part) -> Backbone:
        """The model of a part.

        Raises:
            SettingsError: The family has none, or its licence forbids what is asked.
            WeightsError: Its weights are missing or not in the expected format.
        """
        if part not in self._loaded:
            if part not in self.loaders:
                raise SettingsError(
                    f"the family {self.name!r} was loaded without a {part} model; name one, such "
                    f"as with --{'audio' if part == 'audio' else 'video'}"
                )
            self._loaded[part] = self.loaders[part]()
            if self.commercial:
                catalogue.refuse_non_commercial(self.weights((part,)))
        return self._loaded[part]

    @cached_property
    def phrases(self) -> PhraseBank:
        """The sounding things that anything may be named as."""
        return PhraseBank(self.binder)

    @property
    def audio(self) -> Backbone:
        """The sound model."""
        return self.backbone("audio")

    @property
    def video(self) -> Backbone:
        """The video model."""
        return self.backbone("video")

    @property
    def picture(self) -> Backbone:
        """The picture model: the video model's spatial part, for stills."""
        return self.backbone("picture")

    def with_extra_weights(self, name: str, place: Path, source: str) -> "Family":
        """The same, with weights of another kind at its side: in its records, under its terms.

        Raises:
            SettingsError: Their licence forbids what is asked.
        """
        places, sources = {**self.weight_paths, name: place}, {**self.sources, name: source}
        found = replace(self, weight_paths=places, sources=sources)
        if self.commercial:
            catalogue.refuse_non_commercial(found.weights(()))
        return found

    def weights(self, parts: Iterable[Part] = ("audio",)) -> list[dict[str, Any]]:
        """Name, SHA-256 and licence of every weight file of some parts and of the binder."""
        places = dict(self.weight_paths)
        for part in parts:
            places = _places_of(part, self.backbone(part)) | places
        found = []
        for name, place in places.items():
            folder = place.parent if place.is_file() else place
            for path in [place] if place.is_file() else sorted(folder.rglob("*")):
                if path.suffix in (SAFE_SUFFIX, *PICKLE_SUFFIXES):
                    found.append(
                        {
                            "name": f"{name}/{path.relative_to(folder).as_posix()}",
                            "sha256": _sha256_once(path, path.stat().st_mtime_ns),
                            "licence": self._licence(name, folder, path),
                        }
                    )
        return found

    def _licence(self, name: str, folder: Path, path: Path) -> str | None:
        """As the file says, or the model card beside it, or the table of known checkpoints."""
        said = licence_in(path) or licence_of(folder) or licence_of(folder.parent)
        entry = catalogue.find_model(self.sources.get(name, "")) or catalogue.find_model(path.name)
        return said or (entry.licence if entry else None)


def load_family(
    name: str = "pocket",
    *,
    audio: str | Path | None = None,
    video: str | Path | None = None,
    motion: str | Path | None = None,
    binder: str | Path | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    commercial: bool = False,
    checkpointing: bool = False,
    lean: bool = False,
    clip: Mapping[str, Any] | None = None,
    binder_options: Mapping[str, Any] | None = None,
) -> Family:
    """Load a family's binder; its other models are loaded, frozen, when they are needed.

    Args:
        name: "pocket" (ships with the package) or "paper" (AudioLDM, AnimateDiff and ImageBind).
        audio: Another folder or hub name in AudioLDM's format instead of the family's own, or a
            name of `seehear.models.catalogue`; so for the next two.
        video: Another folder or hub name in Stable Diffusion 1.5's or AnimateDiff's format.
        motion: A motion adapter for `video`, unless that holds one.
        binder: The binder's weights: a file or folder; None: the shipped or fetched ones.
        device: Where the models run.
        dtype: float32, or bfloat16 where memory is short.
        commercial: Refuse parts whose licence forbids commercial use, or does not say.
        checkpointing: Recompute activations in the backward pass: less memory, more time.
        lean: Text encoders and the binder's towers leave the device after use.
        clip: Of `animatediff.load`: num_frames, fps, height, width, ...
        binder_options: Of the paper binder's `load`: clip_duration_s, crop, ...

    Raises:
        SettingsError: No family has that name, or a licence forbids what is asked.
        WeightsError: Weights are missing or not in the expected format.
    """
    try:
        build = _FAMILIES[name]
    except KeyError:
        known = ", ".join(sorted(_FAMILIES))
        raise SettingsError(
            f"no family of models is called {name!r}; choose one of {known}"
        ) from None
    return build(
        _Options(
            audio, video, motion, binder, device, dtype, commercial, checkpointing, lean,
            clip or {}, binder_options or {},
        )
    )  # fmt: skip


def chosen_sources(
    asked: Mapping[str, str | Path | None], own: Mapping[str, str | Path | None]
) -> dict[str, str | Path]:
    """Where "audio", "video" and "motion" come from: what was asked for, or else a family's own.

    A motion adapter belongs to its picture model, so another one comes without.
    """
    motion = asked["motion"] or (None if asked["video"] else own["motion"])
    found = {part: asked[part] or own[part] for part in ("audio", "video")} | {"motion": motion}
    return {part: source for part, source in found.items() if source is not None}


@dataclass(frozen=True)
class _Options:
    """The options of `load_family`."""

    audio: str | Path | None
    video: str | Path | None
    motion: str | Path | None
    binder: str | Path | None
    device: str
    dtype: torch.dtype
    commercial: bool
    checkpointing: bool
    lean: bool
    clip: Mapping[str, Any]
    binder_options: Mapping[str, Any]

    def sources(
        self, audio: str | Path, video: str | Path, motion: str | Path | None
    ) -> dict[str, str | Path]:
        """Where every model comes from: what was asked for, or else these."""
        asked = {"audio": self.audio, "video": self.video, "motion": self.motion}
        found = chosen_sources(asked, {"audio": audio, "video": video, "motion": motion})
        for part, source in found.items():
            entry = catalogue.find_model(source)
            if entry is None:
                continue
            if self.commercial:  # before anything is fetched
                terms = {"name": f"{part}/{entry.name}", "licence": entry.licence}
                catalogue.refuse_non_commercial([terms])
            if not Path(source).exists():  # a name of the table stands for its source on the hub
                found[part] = entry.source
        return found

    def loaders(self, sources: Mapping[str, str | Path]) -> dict[Part, Callable[[], Backbone]]:
        """How to load every part from its source."""
        common: dict[str, Any] = {
            "device": self.device,
            "dtype": self.dtype,
            "checkpointing": self.checkpointing,
            "lean": self.lean,
        }
        still = {k: v for k, v in self.clip.items() if k not in ("num_frames", "fps")}
        video, adapter = sources["video"], sources.get("motion")
        return {
            "audio": lambda: audioldm.load(sources["audio"], **common),
            "video": lambda: animatediff.load(video, motion=adapter, **common, **self.clip),
            "picture": lambda: animatediff.load(video, num_frames=1, **common, **still),
        }


def _pocket(asked: _Options) -> Family:
    folder = Path(asked.binder) if asked.binder else POCKET  # holds binder/ and text/
    sources = asked.sources(POCKET / "audio", POCKET / "video", None)
    return Family(
        name="pocket",
        binder=pocket.load(folder, device=asked.device, dtype=asked.dtype),
        loaders=asked.loaders(sources),
        weight_paths={"binder": folder / "binder", "text": folder / "text"},
        commercial=asked.commercial,
    )


def _paper(asked: _Options) -> Family:
    if asked.commercial:  # before anything is fetched or loaded
        terms = {"name": "binder/imagebind", "licence": catalogue.BY_NAME["imagebind"].licence}
        catalogue.refuse_non_commercial([terms])
    entry, binder = catalogue.BY_NAME["imagebind"], asked.binder
    if binder is None or (str(binder) == entry.name and not Path(binder).exists()):
        binder = path_of(entry)
    if binder is None:
        raise WeightsError(
            "the family 'paper' needs ImageBind's weights, which are not on this machine: "
            "`seehear models pull imagebind` fetches them, --binder names a file of your own"
        )
    path = Path(binder)
    # CLIP's vocabulary, beside the weights or where it was fetched, lets ImageBind read text too.
    beside = path if path.is_dir() else path.parent
    folders = (beside, cache_dir() / "imagebind")
    vocabulary = next((f for f in folders if (f / "merges.txt").is_file()), None)
    sources = asked.sources(PAPER_SOUND, PAPER_PICTURE, PAPER_MOTION)
    return Family(
        name="paper",
        binder=imagebind.load(
            path,
            vocabulary=vocabulary,
            device=asked.device,
            dtype=asked.dtype,
            lean=asked.lean,
            **asked.binder_options,
        ),
        loaders=asked.loaders(sources),
        weight_paths={"binder": path},
        sources={name: str(source) for name, source in sources.items()} | {"binder": path.name},
    )


@lru_cache
def _sha256_once(path: Path, changed_ns: int) -> str:
    """The hash of a file, computed again only when the file has changed."""
    return file_sha256(path)


def _places_of(part: Part, model: Backbone) -> dict[str, Path]:
    """Where a model's weights lie, hub caches included."""
    found: dict[str, Path] = {}
    checkpoint = getattr(model, "checkpoint", None)
    if checkpoint is not None:
        found["video" if part == "picture" else part] = checkpoint.folder
    motion = getattr(model, "motion_path", None)
    if motion is not None:
        found["motion"] = motion
    return found


_FAMILIES: dict[str, Callable[[_Options], Family]] = {"pocket": _pocket, "paper": _paper}
