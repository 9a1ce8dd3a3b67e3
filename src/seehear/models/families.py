"""Model families: which audio model and which binder belong together, and where they come from."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch

from seehear.errors import SettingsError, WeightsError
from seehear.guidance.protocols import Backbone, Binder
from seehear.hashes import file_sha256
from seehear.models import backbones, binders, catalogue, plugins
from seehear.models.cache import PICKLE_SUFFIXES, SAFE_SUFFIX, path_of
from seehear.models.captioners.phrase_bank import PhraseBank
from seehear.models.catalogue import Part
from seehear.models.load_options import LoadOptions
from seehear.models.shipped import POCKET
from seehear.models.weights import licence_in, licence_of

# The fine-tune of Stable Diffusion 1.5 and the motion modules of the authors' configuration.
PAPER_AUDIO = "cvssp/audioldm-m-full"  # the released script's checkpoint
PAPER_IMAGE = "SG161222/Realistic_Vision_V2.0"  # section 4.1 names AnimateDiff; its demo's model
PAPER_MOTION = "guoyww/animatediff-motion-adapter-v1-5"  # 24 positions


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
    def image(self) -> Backbone:
        """The picture model: the video model's spatial part, for stills."""
        return self.backbone("image")

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


def load_family(options: LoadOptions | None = None) -> Family:
    """Load a family's binder; its other models are loaded, frozen, when they are needed.

    Args:
        options: The family, and what is loaded instead of its own models; None: the pocket
            family, which ships with the package.

    Raises:
        SettingsError: No family has that name, or a licence forbids commercial use.
        WeightsError: Weights are missing or not in the expected format.
    """
    options = options or LoadOptions()
    if options.models not in FAMILIES:
        raise SettingsError(
            f"no family of models is called {options.models!r}; choose one of "
            f"{', '.join(sorted(FAMILIES))}"
        )
    row = FAMILIES[options.models]
    name, source = _binder_source(row, options)
    sources = _sources(row, options)
    common = {
        "device": options.device,
        "dtype": getattr(torch, options.dtype),
        "lean": options.lean,
    }
    paths = {} if source is None else {part: source / part for part in row.binder_parts}
    return Family(
        name=row.name,
        binder=binders.load(name, source, **common, **options.binder_options),
        loaders=_loaders(sources, options),
        weight_paths=paths or ({} if source is None else {"binder": source}),
        sources={part: str(place) for part, place in sources.items()}
        | ({} if source is None else {"binder": source.name}),
        commercial=options.commercial,
    )


@dataclass(frozen=True, kw_only=True)
class FamilyRow:
    """The models of a family, as data."""

    name: str
    binder: str  # a binder's name, see `seehear.models.binders`
    audio: str | Path  # checkpoints: folders or hub names
    video: str | Path
    motion: str | None = None  # a motion adapter for `video`, unless that holds one
    binder_source: Path | None = None  # None: the file of the catalogue's row with that name
    binder_parts: tuple[str, ...] = ()  # folders of `binder_source` whose weights are recorded


FAMILIES: Mapping[str, FamilyRow] = {
    row.name: row
    for row in (
        FamilyRow(
            name="pocket",
            binder="pocket",
            binder_source=POCKET,
            binder_parts=("binder", "text"),
            audio=POCKET / "audio",
            video=POCKET / "video",
        ),
        FamilyRow(
            name="paper",
            binder="imagebind",
            audio=PAPER_AUDIO,
            video=PAPER_IMAGE,
            motion=PAPER_MOTION,
        ),
    )
}


def chosen_sources(
    wanted: Mapping[str, str | Path | None], own: Mapping[str, str | Path | None]
) -> dict[str, str | Path]:
    """Where "audio", "video" and "motion" come from: the caller's choice, or else the family's.

    A motion adapter belongs to its image model, so another image model comes without one.
    """
    motion = wanted["motion"] or (None if wanted["video"] else own["motion"])
    found = {part: wanted[part] or own[part] for part in ("audio", "video")} | {"motion": motion}
    return {part: source for part, source in found.items() if source is not None}


def _sources(row: FamilyRow, options: LoadOptions) -> dict[str, str | Path]:
    """Where the backbones come from; a name of the catalogue stands for its source on the hub."""
    found = chosen_sources(
        {"audio": options.audio, "video": options.video, "motion": options.motion},
        {"audio": row.audio, "video": row.video, "motion": row.motion},
    )
    for part, source in found.items():
        entry = catalogue.find_model(source)
        if entry is None:
            continue
        _refuse(part, entry, options)
        if not Path(source).exists():
            found[part] = entry.source
    return found


def _binder_source(row: FamilyRow, options: LoadOptions) -> tuple[str, Path | None]:
    """The binder's name and its weights: the family's, or those that the caller names.

    `LoadOptions.binder` is a file or folder, NAME or NAME=PATH of another binder, or a name of the
    catalogue.
    """
    wanted = options.binder
    if wanted is not None and not Path(wanted).exists():
        name, equals, path = str(wanted).partition("=")
        if name in plugins.names(plugins.BINDERS) and (equals or name != row.binder):
            return name, Path(path) if path else None
    entry = catalogue.find_model(row.binder)
    if entry is not None:
        _refuse("binder", entry, options)
        if wanted is None or (str(wanted) == entry.name and not Path(wanted).exists()):
            wanted = path_of(entry)
        if wanted is None:
            raise WeightsError(
                f"the family {row.name!r} needs ImageBind's weights, which are not on this "
                f"machine: `seehear models pull {entry.name}` fetches them, --binder names a file "
                "of your own"
            )
    return row.binder, Path(wanted) if wanted else row.binder_source


def _refuse(part: str, entry: catalogue.ModelEntry, options: LoadOptions) -> None:
    """Refuse a licence before anything is fetched or loaded."""
    if options.commercial:
        terms = {"name": f"{part}/{entry.name}", "licence": entry.licence}
        catalogue.refuse_non_commercial([terms])


def _loaders(
    sources: Mapping[str, str | Path], options: LoadOptions
) -> dict[Part, Callable[[], Backbone]]:
    """How to load every part from its source."""
    common: dict[str, Any] = {
        "device": options.device,
        "dtype": getattr(torch, options.dtype),
        "checkpointing": options.checkpointing,
        "lean": options.lean,
    }
    still = {k: v for k, v in options.clip.items() if k not in ("num_frames", "fps")}
    clip = dict(options.clip)
    if "motion" in sources:
        clip["motion"] = sources["motion"]
    audio, video = sources["audio"], sources["video"]
    return {
        "audio": lambda: backbones.load(audio, "audio", **common),
        "video": lambda: backbones.load(video, "video", **common, **clip),
        "image": lambda: backbones.load(video, "video", num_frames=1, **common, **still),
    }


@lru_cache
def _sha256_once(path: Path, changed_ns: int) -> str:
    """The hash of a file, computed again only when the file has changed."""
    return file_sha256(path)


def _places_of(part: Part, model: Backbone) -> dict[str, Path]:
    """Where a model's weights lie, hub caches included."""
    found: dict[str, Path] = {}
    checkpoint = getattr(model, "checkpoint", None)
    if checkpoint is not None:
        found["video" if part == "image" else part] = checkpoint.folder
    motion = getattr(model, "motion_path", None)
    if motion is not None:
        found["motion"] = motion
    return found
