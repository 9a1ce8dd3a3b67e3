"""Local checkpoints of the catalogue: download, find and verify them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import torch
from huggingface_hub.file_download import http_get
from safetensors import SafetensorError, safe_open

from seehear.errors import WeightsError
from seehear.hashes import file_sha256
from seehear.models.cache import (
    CAPTIONER_FILES,
    CHECKPOINT_FILES,
    HUB_ERRORS,
    NETWORK_FILES,
    SAFE_SUFFIX,
    cache_dir,
    weight_files,
)
from seehear.models.catalogue import ModelEntry
from seehear.models.weights import download, read_state_dict

# ImageBind's text tower uses CLIP's vocabulary, which is not in ImageBind's weight file.
CLIP_VOCABULARY = "openai/clip-vit-large-patch14"
VOCABULARY_FILES = ("vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json")
_FETCH_ERRORS: tuple[type[Exception], ...] = (*HUB_ERRORS, RuntimeError)
_SHA256 = re.compile(r"^[0-9a-f]{64}$")
_GIGABYTE = 1e9


def files_of(entry: ModelEntry) -> tuple[str, ...]:
    """Patterns of the files to download from the repository."""
    if entry.role in ("motion", "decoder"):
        return NETWORK_FILES
    return CHECKPOINT_FILES if entry.role in ("audio", "image") else CAPTIONER_FILES


def download_notice(entry: ModelEntry) -> str:
    """Size, source and licence of a download, in one line."""
    return (
        f"{entry.name}: about {entry.bytes_ / _GIGABYTE:.2f} GB from {entry.source}; licence "
        f"{entry.terms.name}: {entry.terms.permits}"
    )


def pull(entry: ModelEntry, *, folder: Path | None = None, revision: str | None = None) -> Path:
    """Download a checkpoint with a progress bar; an interrupted download is resumed.

    Args:
        entry: Entry of the catalogue.
        folder: Folder for plain files; None is the hub's cache, or `cache_dir` for single files.
        revision: A commit, branch or tag instead of the catalogue's.

    Returns:
        The folder, or the path of a single-file checkpoint.

    Raises:
        WeightsError: The download failed.
    """
    if not entry.is_file:
        wanted = revision or entry.revision
        return download(entry.source, files_of(entry), revision=wanted, folder=folder)
    target = (folder or cache_dir() / entry.name) / entry.file_name
    if entry.manual_file and not target.is_file():
        raise WeightsError(
            f"{entry.name}: {entry.manual_file} is on a page that a program cannot download from; "
            f"open {entry.source} in a browser and save the file as {target}"
        )
    _fetch_file(entry, target)
    if entry.name == "imagebind":
        download(CLIP_VOCABULARY, VOCABULARY_FILES, folder=target.parent)
    return target


def _fetch_file(entry: ModelEntry, target: Path) -> None:
    """Download one file. A partial file has the suffix .part until it is complete."""
    if target.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".part")
    try:
        with partial.open("ab") as file:
            http_get(
                entry.source,
                file,
                resume_size=file.tell(),
                displayed_filename=entry.file_name,
            )
    except _FETCH_ERRORS as error:
        response = getattr(error, "response", None)
        status = getattr(response, "status_code", None)
        if response is not None and status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            # The partial file is complete; the server reports the full size ("bytes */123").
            full_size = response.headers.get("Content-Range", "").rpartition("/")[2]
            size = partial.stat().st_size
            if full_size in ("", "*", str(size)):
                partial.replace(target)
                return
            raise WeightsError(
                f"{partial}: expected at most {full_size} bytes of {entry.source}, got {size}; "
                "delete it and run the command again"
            ) from error
        raise WeightsError(
            f"{entry.source}: download failed ({type(error).__name__}); check the connection and "
            f"run the command again, which resumes from {partial}"
        ) from error
    partial.replace(target)


@dataclass(frozen=True)
class Verdict:
    """Result of the check of one weight file."""

    path: Path
    is_fine: bool
    detail: str


def verify(place: Path, entry: ModelEntry | None = None) -> Iterator[Verdict]:
    """Check that every weight file is complete, and that it has the published hash if known.

    Args:
        place: A file or a folder.
        entry: Expected checkpoint, if it is in the catalogue.

    Raises:
        WeightsError: There is no weight file.
    """
    paths = [place] if place.is_file() else _all_weights(place)
    if not paths:
        raise WeightsError(
            f"{place}: expected weight files, found none; download or copy them again"
        )
    for path in paths:
        yield _verdict(path, entry, _listed_hash(path, place))


def _all_weights(place: Path) -> list[Path]:
    folders = [place, *sorted(p for p in place.rglob("*") if p.is_dir())] if place.is_dir() else []
    return [path for folder in folders for path in weight_files(folder)]


def _listed_hash(path: Path, place: Path) -> str | None:
    """The hash of a file in the folder's SHA256SUMS (format of `sha256sum`); None without one."""
    table = place / "SHA256SUMS"
    if not table.is_file():
        return None
    rows = (line.split(maxsplit=1) for line in table.read_text().splitlines() if line.strip())
    listed = {name.lstrip("*"): digest for digest, name in rows}
    return listed.get(path.relative_to(place).as_posix())


def _verdict(path: Path, entry: ModelEntry | None, listed: str | None) -> Verdict:
    try:
        parameters = count_parameters(path)
    except WeightsError as error:
        return Verdict(path, False, str(error))
    detail = f"{parameters / 1e6:.1f} M parameters"
    if entry is not None and entry.is_file and parameters != entry.parameters:
        return Verdict(path, False, f"{detail}, expected {entry.parameters / 1e6:.1f} M")
    published = entry.sha256.get(path.name) if entry else None
    wanted = published or listed or _hash_by_cache(path)
    if wanted is None:
        return Verdict(path, True, f"{detail}; no published hash to compare with")
    if not file_sha256(path).startswith(wanted):
        return Verdict(
            path, False, f"{detail}; SHA-256 differs from the published {wanted[:12]}..."
        )
    return Verdict(path, True, f"{detail}; SHA-256 as published")


def _hash_by_cache(path: Path) -> str | None:
    """The hash of a file in the hub's cache, which links to large files named by their hash."""
    name = path.resolve().name
    return name if path.is_symlink() and _SHA256.match(name) else None


def count_parameters(path: Path) -> int:
    """Number of parameters in a weight file, read from the header of a safetensors file.

    Raises:
        WeightsError: The file is truncated or does not contain named tensors.
    """
    if path.suffix != SAFE_SUFFIX:
        return sum(tensor.numel() for tensor in read_state_dict(path).values())
    try:
        with safe_open(path, "pt") as file:
            shapes = [file.get_slice(key).get_shape() for key in file.keys()]  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path}: expected a complete safetensors file ({error}); download or copy it again"
        ) from error
    return sum(torch.Size(shape).numel() for shape in shapes)
