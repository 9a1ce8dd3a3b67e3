"""Uploads: a quota of bytes per visitor and in all, and removal of what broken-off ones leave."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from seehear.web.refusals import Refusal
from seehear.web.sessions import MADE, Sessions

_CLOCK_S = 2.0  # file systems round times


@dataclass(eq=False)
class Upload:
    """A request that is being received."""

    secret: str  # of its visitor
    began_s: float  # on the clock of the file system
    num_bytes: int = 0  # so far


class Uploads:
    """The uploads that are being received. Used by the event loop alone, hence without a lock."""

    def __init__(self, visitors: Sessions, max_visitor_bytes: int, max_total_bytes: int):
        """Start without any upload.

        Args:
            visitors: Owners of the files that were received.
            max_visitor_bytes: Of the uploads and outputs of a visitor.
            max_total_bytes: Of all visitors.
        """
        self._visitors = visitors
        self._max_visitor_bytes, self._max_total_bytes = max_visitor_bytes, max_total_bytes
        self._running: set[Upload] = set()
        self._kept: dict[str, int] | None = None  # bytes by visitor; None: to be counted

    @contextmanager
    def receiving(self, secret: str, announced_bytes: int) -> Iterator[Upload]:
        """One request. Its files must have an owner when the block ends; others are deleted.

        Args:
            secret: The visitor.
            announced_bytes: Length of the body; 0 if unknown.

        Raises:
            Refusal: The announced bytes exceed a quota.
        """
        upload = Upload(secret, time.time() - _CLOCK_S)
        self._check(secret, announced_bytes)
        self._running.add(upload)
        try:
            yield upload
        finally:
            self._running.discard(upload)
            self._kept = None
            self._sweep()

    def count(self, upload: Upload, num_bytes: int) -> None:
        """Count received bytes.

        Raises:
            Refusal: They exceed a quota.
        """
        self._check(upload.secret, num_bytes)
        upload.num_bytes += num_bytes

    def _check(self, secret: str, num_bytes: int) -> None:
        """Refuse more bytes if they exceed a quota, together with those of running uploads."""
        if self._kept is None:
            self._kept = self._visitors.kept_bytes()
        mine = sum(upload.num_bytes for upload in self._running if upload.secret == secret)
        if self._kept.get(secret, 0) + mine + num_bytes > self._max_visitor_bytes:
            raise Refusal(
                413,
                f"expected at most {self._max_visitor_bytes / 2**20:g} MB of files per visitor; "
                "close this browser tab to delete yours, or upload smaller files",
            )
        everyone = sum(upload.num_bytes for upload in self._running)
        if sum(self._kept.values()) + everyone + num_bytes > self._max_total_bytes:
            raise Refusal(
                413,
                f"the files of all visitors take the {self._max_total_bytes / 2**20:g} MB of this "
                "server; try again later",
            )

    def _sweep(self) -> None:
        """Delete files without an owner. Those of running uploads are newer than their requests."""
        before_s = min((upload.began_s for upload in self._running), default=float("inf"))
        owned = self._visitors.all_uploads()
        for path in self._visitors.root.glob("*"):
            if path.name == MADE:
                continue
            files = list(path.iterdir()) if path.is_dir() else [path]
            for file in files:
                with suppress(OSError):
                    if file not in owned and file.is_file() and file.stat().st_mtime < before_s:
                        file.unlink()
            with suppress(OSError):  # not empty, or no folder
                path.rmdir()
