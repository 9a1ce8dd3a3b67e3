"""Catalogue of known checkpoints: source, size and licence.

Folders and model IDs of the Hugging Face Hub that are not in the catalogue also load, if they
have one of these formats.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from seehear.errors import SettingsError, WeightsError

Part = Literal["audio", "video", "image"]  # models of a family; "image" generates one frame


Role = Literal[
    "audio",
    "image",
    "joint",
    "motion",
    "decoder",
    "binder",
    "image captioner",
    "audio captioner",
    "measure",  # feature networks of `seehear eval`
]


@dataclass(frozen=True)
class Licence:
    """A one-line summary of what a licence permits; not legal advice."""

    name: str
    allows_commercial: bool
    permits: str


LICENCES: Mapping[str, Licence] = {
    "apache-2.0": Licence("Apache-2.0", True, "any use, with the licence notice"),
    "mit": Licence("MIT", True, "any use, with the licence notice"),
    "bsd-3-clause": Licence("BSD-3-Clause", True, "any use, with the licence notice"),
    "cc-by-4.0": Licence("CC BY 4.0", True, "any use, with attribution"),
    "creativeml-openrail-m": Licence(
        "CreativeML OpenRAIL-M", True, "any use except those listed in its Attachment A"
    ),
    "cc-by-nc-sa-4.0": Licence(
        "CC BY-NC-SA 4.0", False, "no commercial use; attribution and share-alike"
    ),
}


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """A checkpoint of the catalogue: a repository on the hub or a single file."""

    name: str  # name in `seehear models`
    role: Role
    source: str  # a hub name, or the URL of a file
    licence: str  # a key of `LICENCES`
    parameters: int  # of the loaded networks; rounded for most published models
    bytes_: int  # approximate size of the download
    revision: str | None = None  # None is the newest
    # Published hash by file name; sometimes only its first digits, from the file name.
    sha256: Mapping[str, str] = field(default_factory=dict)
    takes: str = ""  # the command-line option for it
    # The file to download manually from the page `source`; empty: `source` is the file itself.
    manual_file: str = ""

    @property
    def terms(self) -> Licence:
        """Terms of the licence."""
        return LICENCES[self.licence]

    @property
    def is_file(self) -> bool:
        """Whether the source is the URL of a single file, not a name on the hub."""
        return self.source.startswith("https://")

    @property
    def file_name(self) -> str:
        """The last part of the URL, or the file to download manually."""
        return self.manual_file or self.source.rsplit("/", 1)[-1]


_OWN_MODEL = "--models pocket, or another model with a suitable licence"
_INSTEAD = {  # by the first part of a weight record's name
    "binder": "--models pocket (its binder has the licences Apache-2.0 and CC BY 4.0)",
    "captioner": "the binder's phrase bank: leave --captioner out",
}
_SD = "creativeml-openrail-m"
_M = 10**6


def _audioldm(size: str, parameters: int) -> ModelEntry:
    return ModelEntry(
        name=f"audioldm-{size}",
        role="audio",
        source=f"cvssp/audioldm-{size}",
        licence="cc-by-nc-sa-4.0",
        parameters=parameters,
        bytes_=4 * parameters,
        takes="--audio",
    )


def _stable_diffusion(name: str, source: str) -> ModelEntry:
    return ModelEntry(
        name=name, role="image", source=source, licence=_SD, parameters=1066 * _M,
        bytes_=4 * 1066 * _M, takes="--video",
    )  # fmt: skip


def _motion(version: str, parameters: int) -> ModelEntry:
    return ModelEntry(
        name=f"motion-{version}",
        role="motion",
        source=f"guoyww/animatediff-motion-adapter-{version}",
        licence="apache-2.0",
        parameters=parameters,
        bytes_=4 * parameters,
        takes="--motion",
    )


def _mm_diffusion(name: str, file: str, parameters: int) -> ModelEntry:
    return ModelEntry(
        name=f"mm-diffusion-{name}",
        role="joint",
        # Released on this page only. The repository is under MIT and names no other licence.
        source="https://drive.google.com/drive/folders/1Mno4A3BUXELAdX4m650CJ1VfuMVlkz5p",
        licence="mit",
        parameters=parameters,
        bytes_=4 * parameters,
        takes="" if name.endswith("-sr") else "--backbone",  # of the second stage: Python only
        manual_file=file,
    )


def _panns(rate: str, file: str, parameters: int) -> ModelEntry:
    return ModelEntry(
        name=f"panns-{rate}",
        role="measure",
        source=f"https://zenodo.org/records/3987831/files/{file}",
        licence="cc-by-4.0",
        parameters=parameters,  # with the stored spectrogram layers
        bytes_=4 * parameters,
        takes="--features",
    )


ENTRIES: tuple[ModelEntry, ...] = (
    _audioldm("s-full-v2", 421 * _M),
    _audioldm("s-full", 421 * _M),
    _audioldm("m-full", 652 * _M),
    _audioldm("l-full", 975 * _M),
    _stable_diffusion("sd-1.5", "stable-diffusion-v1-5/stable-diffusion-v1-5"),
    _stable_diffusion("realistic-vision-2", "SG161222/Realistic_Vision_V2.0"),
    _motion("v1-4", 417 * _M),
    _motion("v1-5", 417 * _M),
    _motion("v1-5-2", 453 * _M),
    _motion("v1-5-3", 417 * _M),
    _mm_diffusion("landscape", "Landscape.pt", 133_675_524),
    _mm_diffusion("aist", "AIST++.pt", 133_675_524),
    _mm_diffusion("landscape-sr", "Landscape_SR.pt", 311_027_910),
    _mm_diffusion("aist-sr", "AIST++_SR.pt", 311_027_910),
    ModelEntry(
        name="taesd", role="decoder", source="madebyollin/taesd", licence="mit",
        parameters=2_445_063, bytes_=10 * _M,
    ),
    ModelEntry(
        name="imagebind", role="binder",
        source="https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth",
        licence="cc-by-nc-sa-4.0", parameters=1_200_786_990, bytes_=4_803_148_000,
        takes="--binder",
    ),
    ModelEntry(
        name="blip", role="image captioner", source="Salesforce/blip-image-captioning-base",
        licence="bsd-3-clause", parameters=247 * _M, bytes_=990 * _M, takes="--captioner",
    ),
    ModelEntry(
        name="qwen3-vl", role="image captioner", source="Qwen/Qwen3-VL-2B-Instruct",
        licence="apache-2.0", parameters=2128 * _M, bytes_=2 * 2128 * _M, takes="--captioner",
    ),
    ModelEntry(
        name="qwen2-audio", role="audio captioner", source="Qwen/Qwen2-Audio-7B-Instruct",
        licence="apache-2.0", parameters=8397 * _M, bytes_=2 * 8397 * _M, takes="--captioner",
    ),
    _panns("16k", "Cnn14_16k_mAP=0.438.pth", 81_049_500),
    _panns("32k", "Cnn14_mAP=0.431.pth", 81_853_340),
    ModelEntry(
        name="vggish", role="measure",
        source="https://github.com/harritaylor/torchvggish/releases/download/v0.1/"
        "vggish-10086976.pth",
        licence="apache-2.0", parameters=72_141_184, bytes_=288_600_000, takes="--features",
        sha256={"vggish-10086976.pth": "10086976"},
    ),
    ModelEntry(
        name="i3d", role="measure",
        source="https://github.com/SongweiGe/TATS/raw/main/tats/fvd/i3d_pretrained_400.pt",
        licence="apache-2.0", parameters=12_711_881, bytes_=50_800_000, takes="--features",
    ),
    ModelEntry(
        name="clap", role="measure", source="laion/clap-htsat-unfused", licence="apache-2.0",
        parameters=153_492_890, bytes_=614_000_000, takes="--features",
    ),
)  # fmt: skip
BY_NAME: Mapping[str, ModelEntry] = {entry.name: entry for entry in ENTRIES}


def require_model(name: str) -> ModelEntry:
    """An entry by its name or source.

    Raises:
        WeightsError: The catalogue has no such entry.
    """
    found = find_model(name)
    if found is None:
        raise WeightsError(
            f"expected the name of a known model, got {name!r}; `seehear models list` shows all "
            "names, and --audio, --video and --motion take any folder or hub name"
        )
    return found


def find_model(source: str | Path) -> ModelEntry | None:
    """The entry with this name, source or file name; None if there is none."""
    text = str(source)
    if text in BY_NAME:
        return BY_NAME[text]
    for entry in ENTRIES:
        if (text == entry.source and not entry.manual_file) or (
            entry.is_file and Path(text).name == entry.file_name
        ):
            return entry
    return None


def licence_terms(licence: str | None) -> Licence | None:
    """Terms of a model card's licence tag; None if the tag is missing or unknown."""
    return LICENCES.get((licence or "").lower())


def refuse_non_commercial(weights: Iterable[Mapping[str, Any]]) -> None:
    """Check that the licences of all parts allow commercial use.

    Args:
        weights: Records of `Family.weights`: name and licence of every file.

    Raises:
        SettingsError: A licence forbids commercial use or is unknown. The message gives the part,
            the reason and an alternative.
    """
    for part in weights:
        terms = licence_terms(part["licence"])
        if terms is not None and terms.allows_commercial:
            continue
        if terms is not None:
            why = f"is under {terms.name}: {terms.permits}"
        elif part["licence"]:
            why = f"is under {part['licence']!r:.60}, which is not in the catalogue"
        else:
            why = "has no licence tag"
        instead = _INSTEAD.get(part["name"].split("/")[0], _OWN_MODEL)
        raise SettingsError(
            f"--commercial: expected licences that allow commercial use, {part['name']} {why}; "
            f"use {instead}"
        )
