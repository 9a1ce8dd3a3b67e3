"""Mutations of lists of shots."""

import random
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.mutate import check_message, mutated_bytes

from seehear.errors import SeehearError
from seehear.pipeline.shot_list import checked, read_shots, shots_text

LIST = (
    b"from,to,prompt,veto\n0,2.5,a dog barks,\n2.5,1:02.25,,wind\n1:10,1:12,"
    b'"rain, then thunder",speech.wav\n0:2:00,125.125,\xc3\xa9,\n'
)
CELLS = (
    b"", b"-1", b"nan", b"inf", b"1e5", b"9" * 400, b"0.1", b"99:99:99", b":", b"1:", b"\xff",
    b"\0", b'"', b"\r", b"\n", b"a" * 200_000, b"\xed\xa0\x80", "１".encode(), b"../a.wav",
)  # fmt: skip
DURATION_S = 130.0


def cases(seed: int) -> Iterator[bytes]:
    """Lists with one to three cells replaced, or with damaged bytes."""
    rng = random.Random(seed)
    while True:
        rows = [row.split(b",") for row in LIST.splitlines()]
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            row = rng.choice(rows)
            row[rng.randrange(len(row))] = rng.choice(CELLS)
        if rng.random() < 0.2:
            rows += rows[1:] * rng.choice((1, 400))
        data = b"\n".join(b",".join(row) for row in rows)
        yield mutated_bytes(data, rng) if rng.random() < 0.5 else data


def check(data: bytes, folder: Path) -> None:
    """Read a list; shots must be in order and inside the video, and be the same when written."""
    path = folder / "shots.csv"
    path.write_bytes(data)
    try:
        shots = checked(read_shots(path), DURATION_S, "the list")
    except SeehearError as error:
        check_message(str(error))
        return
    assert all(0 <= shot.start_s < shot.end_s <= DURATION_S for shot in shots)
    path.write_text(shots_text(shots), encoding="utf-8")
    again = read_shots(path)
    assert [shot.prompt for shot in again] == [shot.prompt for shot in shots]
