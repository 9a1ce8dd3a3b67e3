"""Reads single files out of Debian packages, zip files and Qt resource files."""

import io
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path


def members_of_deb(deb: Path, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    """Yields (path, content) for each wanted file of a Debian package.

    A path may lead into a zip or Qt resource file inside the package: "a/b.zip!c/d.ogg".

    Raises:
        FileNotFoundError: The package lacks a wanted file.
    """
    inside: dict[str, set[str]] = {}  # file in the package -> paths inside it, if it is a container
    for path in wanted:
        outer, _, inner = path.partition("!")
        inside.setdefault(outer, set())
        if inner:
            inside[outer].add(inner)
    found = set()
    unpack = ["dpkg-deb", "--fsys-tarfile", str(deb)]
    with (
        subprocess.Popen(unpack, stdout=subprocess.PIPE) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as tar,
    ):
        for member in tar:
            outer = member.name.removeprefix("./")
            if outer not in inside or not member.isfile():
                continue
            content = tar.extractfile(member).read()
            if not inside[outer]:
                found.add(outer)
                yield outer, content
                continue
            for inner, part in _members_of_container(outer, content):
                if inner in inside[outer]:
                    found.add(f"{outer}!{inner}")
                    yield f"{outer}!{inner}", part
    if missing := sorted(wanted - found):
        raise FileNotFoundError(
            f"{deb.name}: expected {missing[0]} (one of {len(missing)}) inside, it is not there; "
            "fetch the version that training.fetch names"
        )


def _members_of_container(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    if name.endswith(".rcc"):
        yield from members_of_qt_resource(content)
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for info in archive.infolist():
            if info.filename.endswith((".ogg", ".wav")):
                yield info.filename, archive.read(info)


def members_of_qt_resource(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yields (path, content) for each uncompressed file in a Qt binary resource (.rcc).

    A header names the offsets of three tables: a tree of fixed-size nodes, the data (length, then
    bytes) and the names (length in UTF-16 units, hash, text). All numbers are big-endian.

    Raises:
        ValueError: The content does not start with Qt's magic word.
    """
    if content[:4] != b"qres":
        raise ValueError(f"expected a Qt resource that starts with b'qres', got {content[:4]!r}")
    version, tree, data, names = struct.unpack_from(">4I", content, 4)
    node_bytes = 22 if version >= 2 else 14  # version 2 adds a time stamp

    def name_at(offset: int) -> str:
        (length,) = struct.unpack_from(">H", content, names + offset)
        start = names + offset + 6
        return content[start : start + 2 * length].decode("utf-16-be")

    def walk(node: int, folder: str) -> Iterator[tuple[str, bytes]]:
        at = tree + node * node_bytes
        name_offset, flags = struct.unpack_from(">IH", content, at)
        path = f"{folder}/{name_at(name_offset)}".lstrip("/") if node else ""
        if flags & 2:  # a folder: number of children, index of the first
            count, first = struct.unpack_from(">2I", content, at + 6)
            for child in range(first, first + count):
                yield from walk(child, path)
        elif not flags & 5:  # 1: zlib, 4: zstd; sounds are compressed already and stored plainly
            start = data + struct.unpack_from(">I", content, at + 10)[0]
            (length,) = struct.unpack_from(">I", content, start)
            yield path, content[start + 4 : start + 4 + length]

    yield from walk(0, "")
