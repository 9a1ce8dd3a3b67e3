"""Merge the output folders of several machines into one."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from seehear.batch.ledger import Ledger, Row
from seehear.errors import SettingsError
from seehear.media import replacing


def merged(folders: Sequence[Path], target: Path) -> tuple[int, int]:
    """Copy the finished jobs of `folders`, files and ledger rows, to `target`.

    A failed job is copied only if it is done in no folder. A done job replaces the failure that an
    earlier merge copied.

    Returns:
        The number of copied jobs, and the number of jobs that `target` already had.

    Raises:
        SettingsError: A folder has no ledger, or two folders have different outputs of one job.
    """
    ledgers = [(folder, Ledger(folder, is_new_allowed=False)) for folder in folders]
    merged_ledger = Ledger(target)
    known = {row.id: row for row in merged_ledger.rows()}
    copied = same = 0
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
                merged_ledger.copy_in(row)
                known[row.id] = row
                copied += 1
    for _, ledger in ledgers:
        ledger.close()
    merged_ledger.close()
    return copied, same


def _check_same(row: Row, other: Row, folder: Path, target: Path) -> None:
    if row.spec != other.spec or (
        row.state == other.state == "done" and row.sha256 != other.sha256
    ):
        raise SettingsError(
            f"{folder} and {target} have different outputs of {row.id}; merge them into different "
            "folders"
        )


def _copy(row: Row, folder: Path, target: Path) -> None:
    names = {row.output, Path(row.output).with_suffix(".json").name}
    for name in sorted(names, key=lambda name: name.endswith(".json")):  # manifest last
        if not (folder / name).is_file():
            raise SettingsError(
                f"{folder / name}: expected an output of a finished job, found no file"
            )
        with replacing(target / name) as temporary:
            shutil.copyfile(folder / name, temporary)
