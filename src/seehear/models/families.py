"""Model families: audio, video and binder models that belong together, and their sources."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seehear.errors import SettingsError, WeightsError
from seehear.guidance.protocols import Backbone, Binder
from seehear.hashes import file_sha256
from seehear.models import backbones, binders, catalogue, latent_encoder, plugins
from seehear.models.cache import PICKLE_SUFFIXES, SAFE_SUFFIX, path_of
from seehear.models.captioners.phrase_bank import PhraseBank
from seehear.models.catalogue import Part
from seehear.models.latent_encoder import LatentEncoder
from seehear.models.load_options import LoadOptions
from seehear.models.shipped import POCKET
from seehear.models.weights import licence_in, licence_of

# The fine-tune of Stable Diffusion 1.5 and the motion modules of the authors' configuration.
PAPER_AUDIO = "cvssp/audioldm-m-full"  # the released script's checkpoint
PAPER_IMAGE = "SG161222/Realistic_Vision_V2.0"  # section 4.1 names AnimateDiff; its demo's model
JOINT_MODEL = "mm-diffusion"  # the module of the paper's joint model
# The weights for the name of a joint model alone: the paper's dataset is Landscape (section 4.1).
JOINT_WEIGHTS = {JOINT_MODEL: "mm-diffusion-landscape"}
PAPER_MOTION = "guoyww/animatediff-motion-adapter-v1-5"  # 24 positions


@dataclass(frozen=True, kw_only=True)
class Family:
    """Models that work together. Each backbone is loaded at its first use."""

    name: str
    binder: Binder
    loaders: Mapping[Part, Callable[[], Backbone]]
    weight_paths: Mapping[str, Path] = field(
        default_factory=dict
    )  # of the binder and of extra models, by name
    sources: Mapping[str, str] = field(default_factory=dict)  # folders or hub names, by part
    commercial: bool = False  # refuse models whose licence forbids commercial use
    latent_encoders: Path | None = None  # folder with `audio` or `video`, or both; None: has none
    _loaded: dict[Part, Backbone] = field(default_factory=dict, init=False, repr=False)
    _encoders: dict[str, LatentEncoder] = field(default_factory=dict, init=False, repr=False)

    def backbone(self, part: Part) -> Backbone:
        """The model of a part, loaded at the first call.

        Raises:
            SettingsError: The family has none, or `commercial` is set and its licence forbids it.
            WeightsError: Its weights are missing or not in the expected format.
        """
        if part not in self._loaded:
            if part not in self.loaders:
                raise SettingsError(
                    f"the family {self.name!r} was loaded without a model for {part}; pass one "
                    f"with --{'audio' if part == 'audio' else 'video'}"
                )
            self._loaded[part] = self.loaders[part]()
            if self.commercial:
                catalogue.refuse_non_commercial(self.weights((part,)))
        return self._loaded[part]

    def latent_encoder(self, part: Part, latents: Tensor) -> LatentEncoder:
        """The encoder of a part's noisy latents, loaded at the first call.

        Args:
            part: Whose latents it embeds; images and videos have the same encoder.
            latents: Latents of the part, to check the encoder against.

        Raises:
            SettingsError: The family has none.
            WeightsError: Its weights are missing or damaged, or belong to other models.
        """
        name = "audio" if part == "audio" else "video"
        folder = None if self.latent_encoders is None else self.latent_encoders / name
        if folder is None or not folder.is_dir():
            raise SettingsError(
                f"expected a latent encoder for {name}, which this preset needs, but the family "
                f"{self.name!r} has none; use another preset, or train one with `seehear distill` "
                "and pass it with --latent-encoders"
            )
        if name not in self._encoders:
            encoder = latent_encoder.load(folder, device=str(latents.device), dtype=latents.dtype)
            wanted = latents.shape[1], self.binder.embed_text(["a sound"]).shape[1]
            found = encoder.config.channels, encoder.config.outputs
            if found != wanted:
                raise WeightsError(
                    f"{folder}: expected an encoder of {wanted[0]} latent channels to {wanted[1]} "
                    f"dimensions, got one of {found[0]} to {found[1]}; train one for these models "
                    "with `seehear distill`"
                )
            self._encoders[name] = encoder
        return self._encoders[name]

    @cached_property
    def phrases(self) -> PhraseBank:
        """Bank of phrases for automatic captions."""
        return PhraseBank(self.binder)

    @property
    def audio(self) -> Backbone:
        """The audio model."""
        return self.backbone("audio")

    @property
    def video(self) -> Backbone:
        """The video model."""
        return self.backbone("video")

    @property
    def image(self) -> Backbone:
        """The image model: the video model without its motion modules."""
        return self.backbone("image")

    def with_extra_weights(self, name: str, place: Path, source: str) -> "Family":
        """A copy that also records extra weights, such as a captioner's, and checks their licence.

        Raises:
            SettingsError: `commercial` is set and their licence forbids it.
        """
        places, sources = {**self.weight_paths, name: place}, {**self.sources, name: source}
        found = replace(self, weight_paths=places, sources=sources)
        if self.commercial:
            catalogue.refuse_non_commercial(found.weights(()))
        return found

    def weights(
        self, parts: Iterable[Part] = ("audio",), *, with_latent_encoders: bool = False
    ) -> list[dict[str, Any]]:
        """Name, SHA-256 and licence of every weight file of some parts and of the binder."""
        places = dict(self.weight_paths)
        if with_latent_encoders and self.latent_encoders is not None:
            places["latent_encoders"] = self.latent_encoders
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
        """The licence in the file, else in the model card beside it, else in the catalogue."""
        tag = licence_in(path) or licence_of(folder) or licence_of(folder.parent)
        entry = catalogue.find_model(self.sources.get(name, "")) or catalogue.find_model(path.name)
        return tag or (entry.licence if entry else None)


def load_family(options: LoadOptions | None = None) -> Family:
    """Load the binder of a family. Its backbones are loaded, frozen, at their first use.

    Args:
        options: The family, and replacements for its models; None is the pocket family, which
            ships with the package.

    Raises:
        SettingsError: Unknown family, or a licence forbids commercial use.
        WeightsError: Weights are missing or not in the expected format.
    """
    options = options or LoadOptions()
    if options.models not in FAMILIES:
        raise SettingsError(
            f"expected one of the model families {', '.join(sorted(FAMILIES))}, got "
            f"{options.models!r}"
        )
    row = FAMILIES[options.models]
    name, source = _binder_source(row, options)
    sources = {} if options.backbone else _sources(row, options)
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
        latent_encoders=_latent_encoders(row, options),
    )


def _latent_encoders(row: "FamilyRow", options: LoadOptions) -> Path | None:
    """The caller's folder, else the family's, which belongs to the family's own models."""
    if options.latent_encoders is None:
        others = (options.audio, options.video, options.motion, options.binder, options.backbone)
        return row.latent_encoders if all(other is None for other in others) else None
    folder = Path(options.latent_encoders)
    if not folder.is_dir():
        raise WeightsError(
            f"{folder}: expected a folder that `seehear distill` wrote, which does not exist"
        )
    return folder


@dataclass(frozen=True, kw_only=True)
class FamilyRow:
    """The models of a family, as data."""

    name: str
    binder: str  # name of a binder in `seehear.models.binders`
    audio: str | Path  # folder or hub name of a checkpoint
    video: str | Path  # as `audio`
    motion: str | None = None  # motion adapter; None if `video` contains one
    binder_source: Path | None = None  # None: the file of the catalogue entry `binder`
    binder_parts: tuple[str, ...] = ()  # folders of `binder_source` whose weights are recorded
    latent_encoders: Path | None = None  # for these models; None: no encoders


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
            latent_encoders=POCKET / "latent_encoders",
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
    """Sources of "audio", "video" and "motion": the caller's if set, else the family's.

    A motion adapter belongs to one image model, so another image model does not get the family's.
    """
    motion = wanted["motion"] or (None if wanted["video"] else own["motion"])
    found = {part: wanted[part] or own[part] for part in ("audio", "video")} | {"motion": motion}
    return {part: source for part, source in found.items() if source is not None}


def _sources(row: FamilyRow, options: LoadOptions) -> dict[str, str | Path]:
    """Sources of the backbones; names of the catalogue are replaced by their hub names."""
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


def joint_source(options: LoadOptions) -> tuple[str, Path]:
    """Name and weights of a joint model: of NAME=PATH, or of a name of the catalogue.

    Raises:
        SettingsError: A licence forbids commercial use.
        WeightsError: The weights of a known model are not on this machine.
    """
    name, _, path = str(options.backbone).partition("=")
    if path:
        return name, Path(path)
    entry = catalogue.find_model(JOINT_WEIGHTS.get(name, name))
    if entry is None or entry.role != "joint":
        return name, Path(name)
    _refuse("backbone", entry, options)
    found = path_of(entry)
    if found is None:
        raise WeightsError(
            f"{name} needs {entry.file_name}, which is not on this machine; run `seehear models "
            f"pull {entry.name}` for the address, or pass a file with --backbone mm-diffusion=PATH"
        )
    return JOINT_MODEL, found


def _binder_source(row: FamilyRow, options: LoadOptions) -> tuple[str, Path | None]:
    """Name and weights of the binder: the caller's if set, else the family's.

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
                f"machine; download them with `seehear models pull {entry.name}`, or pass a file "
                "with --binder"
            )
    return row.binder, Path(wanted) if wanted else row.binder_source


def _refuse(part: str, entry: catalogue.ModelEntry, options: LoadOptions) -> None:
    """Check a licence before anything is downloaded or loaded."""
    if options.commercial:
        terms = {"name": f"{part}/{entry.name}", "licence": entry.licence}
        catalogue.refuse_non_commercial([terms])


def _loaders(
    sources: Mapping[str, str | Path], options: LoadOptions
) -> dict[Part, Callable[[], Backbone]]:
    """Functions that load each part from its source."""
    common: dict[str, Any] = {
        "device": options.device,
        "dtype": getattr(torch, options.dtype),
        "checkpointing": options.checkpointing,
        "lean": options.lean,
    }
    image_options = {k: v for k, v in options.clip.items() if k not in ("num_frames", "fps")}
    clip = dict(options.clip)
    if "motion" in sources:
        clip["motion"] = sources["motion"]
    if options.backbone is not None:
        name, place = joint_source(options)
        joint = cache(partial(backbones.load_joint, name, place, **common))
        return {
            "audio": lambda: joint().stream("audio"),
            "video": lambda: joint().stream("video"),
        }
    audio, video = sources["audio"], sources["video"]
    return {
        "audio": lambda: backbones.load(audio, "audio", **common),
        "video": lambda: backbones.load(video, "video", **common, **clip),
        "image": lambda: backbones.load(video, "video", num_frames=1, **common, **image_options),
    }


@lru_cache
def _sha256_once(path: Path, modified_ns: int) -> str:
    """SHA-256 of a file, cached by its path and modification time."""
    return file_sha256(path)


def _places_of(part: Part, model: Backbone) -> dict[str, Path]:
    """Folders of a model's weights, which can be in the hub's cache."""
    found: dict[str, Path] = {}
    joint = getattr(model, "checkpoint_path", None)
    if joint is not None:
        found["joint"] = joint
    checkpoint = getattr(model, "checkpoint", None)
    if checkpoint is not None:
        found["video" if part == "image" else part] = checkpoint.folder
    motion = getattr(model, "motion_path", None)
    if motion is not None:
        found["motion"] = motion
    return found
