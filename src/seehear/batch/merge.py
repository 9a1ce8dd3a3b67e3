"""Merge the output folders of several machines into one."""

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from seehear.batch.ledger import Ledger, Row, State
from seehear.errors import SettingsError
from seehear.media import replacing

STATES_TO_COPY: tuple[State, ...] = ("done", "failed")


@dataclass(frozen=True, kw_only=True)
class Merge:
    """What a merge did."""

    copied: int  # jobs
    known: int  # jobs that the target already had
    missing: tuple[Path, ...] = ()  # outputs of finished jobs, in no folder


def merged(folders: Sequence[Path], target: Path) -> Merge:
    """Copy the finished jobs of `folders`, files and ledger rows, to `target`.

    A failed job is copied only if it is done in no folder. A done job replaces the failure that an
    earlier merge copied. A done job without its output is left out.

    Raises:
        SettingsError: A folder has no ledger or a damaged one, an output is outside its folder, or
            two folders have different outputs of one job or of one name.
    """
    with ExitStack() as opened:
        ledgers = []
        for folder in folders:  # all are checked before anything is copied
            ledger = Ledger.checked(folder, is_new_allowed=False)
            opened.callback(ledger.close)
            ledgers.append((folder, ledger))
        target_ledger = Ledger.checked(target)
        opened.callback(target_ledger.close)
        return _merged(ledgers, target_ledger)


def _merged(ledgers: Sequence[tuple[Path, Ledger]], merged_ledger: Ledger) -> Merge:
    target = merged_ledger.folder
    known = {row.id: row for row in merged_ledger.rows()}
    owners = {_stem(row): row.id for row in known.values()}
    copied = same = 0
    missing: dict[str, Path] = {}  # by job
    for state in STATES_TO_COPY:
        for folder, ledger in ledgers:
            for row in ledger.rows(state):
                other = known.get(row.id)
                if other is not None:
                    _check_same(row, other, folder, target)
                    if state == "failed" or other.state == "done":
                        same += 1
                        continue
                if state == "done" and (lacking := _lacking(row, folder)) is not None:
                    missing.setdefault(row.id, lacking)
                    continue
                if (owner := owners.setdefault(_stem(row), row.id)) != row.id:
                    raise SettingsError(
                        f"{folder}: expected another output than {row.output} for {row.id}, which "
                        f"belongs to {owner} in {target}; merge them into different folders"
                    )
                if state == "done":
                    _copy(row, folder, target)
                merged_ledger.copy_in(row)
                known[row.id] = row
                copied += 1
    done = {row.id for row in known.values() if row.state == "done"}
    left = tuple(path for job, path in missing.items() if job not in done)
    return Merge(copied=copied, known=same, missing=left)


def _stem(row: Row) -> str:
    return Path(row.output).stem.casefold()


def _check_same(row: Row, other: Row, folder: Path, target: Path) -> None:
    if row.spec != other.spec or (
        row.state == other.state == "done" and row.sha256 != other.sha256
    ):
        raise SettingsError(
            f"{folder} and {target} have different outputs of {row.id}; merge them into different "
            "folders"
        )


def _files(row: Row) -> list[str]:
    """Output and manifest; the manifest is last."""
    names = {row.output, Path(row.output).with_suffix(".json").name}
    return sorted(names, key=lambda name: name.endswith(".json"))


def _lacking(row: Row, folder: Path) -> Path | None:
    """The first file of a finished job that is missing; None if it has all."""
    return next((folder / name for name in _files(row) if not (folder / name).is_file()), None)


def _copy(row: Row, folder: Path, target: Path) -> None:
    for name in _files(row):
        with replacing(target / name) as temporary:
            shutil.copyfile(folder / name, temporary)
