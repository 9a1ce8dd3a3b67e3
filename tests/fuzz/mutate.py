"""Seeded mutations of bytes and of JSON records."""

import copy
import json
from collections.abc import Iterator
from random import Random
from typing import Any

VALUES = (
    None, True, -1, 0, 3, 10**9, 10**30, 1e-308, 1e308, float("nan"), float("inf"), "", "x" * 300,
    "a" * 200_000, "\udcff", "\0", [], [[]], {}, {"x": 1}, "../../etc/passwd", "/etc/passwd",
)  # fmt: skip


def check_message(message: str) -> None:
    """A message is one sentence or two on one line."""
    assert len(message) < 1000, message
    assert "\n" not in message.strip(), message


def mutated_bytes(data: bytes, rng: Random) -> bytes:
    """One to four cuts, bit flips, deletions, copies or extreme numbers."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if len(result) < 8:
            break
        rng.choice(_BYTE_MUTATIONS)(result, rng)
    return bytes(result)


def mutated_record(record: Any, rng: Random) -> Any:
    """A nested record with one to three values replaced, removed or renamed."""
    record = copy.deepcopy(record)
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = [place for place in _places(record) if place]
        if not places:
            break
        *parents, key = rng.choice(places)
        parent = record
        for name in parents:
            parent = parent[name]
        kind = rng.randrange(4)
        if kind == 0:
            del parent[key]
        elif kind == 1 and isinstance(parent, dict):
            parent[f"zz_{key}"] = parent.pop(key)
        else:
            parent[key] = rng.choice(VALUES)
    return record


def mutated_json(record: Any, rng: Random) -> bytes:
    """The text of a mutated record; some texts are cut, nested deeply or have damaged bytes."""
    text = json.dumps(mutated_record(record, rng)).encode()
    kind = rng.random()
    if kind < 0.05:
        return text[: rng.randrange(len(text))]
    if kind < 0.1:
        return mutated_bytes(text, rng)
    if kind < 0.12:
        return b"[" * 100_000 + text + b"]" * 100_000
    return text


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a nested record."""
    yield path
    children = value.items() if isinstance(value, dict) else ()
    children = enumerate(value) if isinstance(value, list) else children
    for key, child in children:
        yield from _places(child, (*path, key))


def _cut(data: bytearray, rng: Random) -> None:
    del data[rng.randrange(1, len(data)) :]


def _flip_bits(data: bytearray, rng: Random) -> None:
    for _ in range(rng.choice((1, 4, 16, 64, 256))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _change_header(data: bytearray, rng: Random) -> None:
    for _ in range(rng.choice((1, 4, 16))):
        data[rng.randrange(min(len(data), 512))] = rng.randrange(256)


def _part(data: bytearray, rng: Random, largest: float) -> slice:
    start = rng.randrange(len(data))
    return slice(start, start + rng.randrange(1, 2 + int(len(data) * largest)))


def _delete(data: bytearray, rng: Random) -> None:
    del data[_part(data, rng, 0.25)]


def _repeat(data: bytearray, rng: Random) -> None:
    part = _part(data, rng, 0.25)
    data[part.start : part.start] = data[part]


def _fill(data: bytearray, rng: Random) -> None:
    part = _part(data, rng, 0.125)
    data[part] = bytes([rng.choice((0, 255))]) * len(data[part])


def _set_number(data: bytearray, rng: Random) -> None:
    start = rng.randrange(len(data) - 4)
    number = rng.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF))
    data[start : start + 4] = number.to_bytes(4, rng.choice(("big", "little")))


def _copy(data: bytearray, rng: Random) -> None:
    piece = data[_part(data, rng, 0.125)]
    start = rng.randrange(len(data))
    data[start : start + len(piece)] = piece


_BYTE_MUTATIONS = (
    _cut, _flip_bits, _change_header, _delete, _repeat, _fill, _set_number, _copy,
)  # fmt: skip
