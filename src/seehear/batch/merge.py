"""Bring the outputs of several folders, made on several machines, into one."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from seehear.batch.ledger import Ledger, Row
from seehear.errors import SettingsError
from seehear.media import replacing


def merged(folders: Sequence[Path], target: Path) -> tuple[int, int]:
    """Copy what is done in `folders`, files and rows, to `target`; failures only if nobody did it.

    What failed when it was merged before, and was done since, takes the failure's place.

    Returns:
        How many jobs were taken over, and how many were there already.

    Raises:
        SettingsError: A folder is no batch, or two hold different outputs of the same name.
    """
    ledgers = [(folder, Ledger(folder, is_new_allowed=False)) for folder in folders]
    into = Ledger(target)
    known = {row.id: row for row in into.rows()}
    taken = same = 0
    for state in ("done", "failed"):
        for folder, ledger in ledgers:
            for row in ledger.rows(state):
                other = known.get(row.id)
                if other is not None:
                    _check_same(row, other, folder, target)
                    if state == "failed" or other.state == "done":
                        same += 1
                        continue
                if state == "done":
                    _copy(row, folder, target)
                into.copy_in(row)
                known[row.id] = row
                taken += 1
    for _, ledger in ledgers:
        ledger.close()
    into.close()
    return taken, same


def _check_same(row: Row, other: Row, folder: Path, target: Path) -> None:
    if row.spec != other.spec or (
        row.state == other.state == "done" and row.sha256 != other.sha256
    ):
        raise SettingsError(
            f"{folder} and {target} hold different outputs of {row.id}; merge them into different "
            "folders"
        )


def _copy(row: Row, folder: Path, target: Path) -> None:
    names = {row.output, Path(row.output).with_suffix(".json").name}
    for name in sorted(names, key=lambda name: name.endswith(".json")):  # the manifest last
        if not (folder / name).is_file():
            raise SettingsError(f"{folder / name}: the ledger says it is there, but it is not")
        with replacing(target / name) as temporary:
            shutil.copyfile(folder / name, temporary)
