"""Mutations of job files: `cases` yields them, `check` reads one with the product's reader."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

from seehear.batch.job_list import Entry, entries_of
from seehear.errors import SeehearError
from seehear.pipeline.request import Request

ROWS = (
    {"input": "clips/dog.mp4", "task": "v2a", "prompt": "a dog barks", "seed": 3, "id": "a"},
    {"input": "sea.jpg", "task": "i2a", "duration_s": 2.5, "lufs": "-20", "output": "s.wav"},
    {"task": "joint", "prompt": "a train, passing by", "id": "train", "steps": 20, "upscale": 2},
    {"input": "clips/dog.mp4", "seed": 4, "lr": 0.1, "sync": 0.5, "mix": True, "preset": "default"},
    {
        "input": "é.mp4",
        "audio_prompt": "rain",
        "negative": "music",
        "veto": "wind.wav",
        "like": "a.jpg",
        "max_duration_s": 60,
        "picture_prompt": "ab",
    },
)
COLUMNS = sorted(
    {name for row in ROWS for name in row} | {"video_prompt", "sound_prompt", "source"}
)
VALUES = (
    None, True, False, -1, 0, 1, 1.5, 10**9, 10**20, 10**400, 1e-308, 1e308, float("nan"),
    float("inf"), float("-inf"), "", " ", "nan", "x" * 300, "a" * 200_000, "\ud800", "\udcff",
    "a\0b", "\0", "..", ".", "/", "../../etc/passwd", "/tmp/a.mp4", "a/b.mp4", "C:\\a.mp4",
    "ledger.sqlite", ".work", "a\nb", "\r", '"', "'", ",", "\u2028", "\ufeff", "🙂", "01", "1e5",
    "+1", "１", "0x10", "true", [], [[]], {}, {"x": 1}, "v2a", "i2a", "a2v", "joint", "off",
)  # fmt: skip
PIECES = (
    b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\r", b"\n", b'"', b",", b"{", b"}", b"[", b"]",
    b"\\ud800", b"NaN", b"1e999", b"9" * 5000, b"[" * 5000, b'{"a":' * 5000, b"\xef\xbb\xbf",
)  # fmt: skip
COMMON = Request(task="v2a", seed=7)


def cases(seed: int) -> Iterator[bytes]:
    """Mutated lists, endless and the same for one seed. The first byte says CSV or JSON."""
    rng = random.Random(seed)
    while True:
        rows = [dict(row) for row in rng.sample(ROWS, rng.randint(1, len(ROWS)))]
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            _change(rng.choice(rows), rng)
        is_csv = rng.random() < 0.5
        content = (_csv(rows) if is_csv else _jsonl(rows)).encode("utf-8", "surrogatepass")
        if rng.random() < 0.4:
            content = _damaged(content, rng)
        yield (b"c" if is_csv else b"j") + content


def _change(row: dict, rng: random.Random) -> None:
    name = rng.choice(COLUMNS)
    if rng.random() < 0.1:
        row.pop(rng.choice(sorted(row)), None)
    elif rng.random() < 0.1:
        row[str(rng.choice(VALUES))] = 1
    else:
        row[name] = rng.choice(VALUES)


def _csv(rows: list[dict]) -> str:
    names = sorted({name for row in rows for name in row})
    cells = [names] + [[row.get(name) for name in names] for row in rows]
    return "\n".join(",".join("" if c is None else _quoted(str(c)) for c in line) for line in cells)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n\r') else text


def _jsonl(rows: list[dict]) -> str:
    return "\n".join(json.dumps(row) for row in rows)


def _damaged(content: bytes, rng: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        place = rng.randrange(len(data) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            data[place:place] = rng.choice(PIECES)
        elif kind == 1:
            del data[place : place + rng.randint(1, 40)]
        elif kind == 2 and place < len(data):
            data[place] ^= 1 << rng.randrange(8)
        else:
            data[place:place] = data[place : place + rng.randint(1, 80)]
    return bytes(data)


def check(data: bytes, folder: Path) -> None:
    """Read a case; anything but entries inside the folder or a `SeehearError` raises."""
    path = folder / ("jobs.csv" if data[:1] == b"c" else "jobs.jsonl")
    path.write_bytes(data[1:])
    try:
        entries = entries_of(path, COMMON)
    except SeehearError as error:
        message = str(error)
    else:
        message = ""
        for entry in entries:
            _check_entry(entry)
    assert len(message) < 2000
    message.encode()


def _check_entry(entry: Entry) -> None:
    assert Path(entry.output).name == entry.output
    assert Entry.from_json_line(entry.to_json_line()) == entry
    entry.id.encode()
    entry.listed()
