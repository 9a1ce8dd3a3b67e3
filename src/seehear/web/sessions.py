"""Ownership of files: each run has a folder that one visitor can read until they leave."""

import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from seehear.errors import SettingsError

MAX_IDLE_S = 24 * 3600.0  # then a page without activity is closed
MAX_PAGES = 100  # of one visitor
MAX_VISITORS = 10_000
MADE = "made"  # folder of all outputs
_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_BLOCK = 4096  # bytes that the smallest file takes


@dataclass
class _Session:
    """One open page."""

    folder: Path
    seen_s: float  # time of its last activity on the monotonic clock


@dataclass
class _Visitor:
    """One browser, identified by the secret in its cookie."""

    sessions: dict[str, _Session] = field(default_factory=dict)
    uploads: set[Path] = field(default_factory=set)


class Sessions:
    """The visitors with an open page, and their uploads and outputs.

    A visitor is a browser, identified by a secret. A session is one of its open pages. Folder names
    are random and cannot be guessed, and reading a known folder still needs the secret. Safe to use
    from several threads.
    """

    def __init__(
        self, root: Path, shared: Iterable[Path] = (), max_visitor_bytes: int | None = None
    ):
        """Start without any visitor.

        Args:
            root: An empty folder; `close` deletes it.
            shared: Files that every visitor may read.
            max_visitor_bytes: Of the uploads and outputs of a visitor; beyond that, no run starts.
                None: unlimited.
        """
        self.root = root.resolve()
        self._shared = frozenset(path.resolve() for path in shared)
        self._max_visitor_bytes = max_visitor_bytes
        self._visitors: dict[str, _Visitor] = {}
        self._lock = threading.Lock()

    @staticmethod
    def new_secret() -> str:
        """A secret of 256 random bits for a new visitor."""
        return secrets.token_urlsafe(32)

    def arrive(self, secret: str, session: str) -> None:
        """Record activity of a page, and create its session if it is new.

        Raises:
            SettingsError: The session belongs to another visitor, its name is not one of a page, or
                the visitor has too many pages.
        """
        if not _SESSION.fullmatch(session):
            raise SettingsError("expected the session of a page; reload the page")
        with self._lock:
            if self._owner(session) not in (None, secret):
                raise SettingsError("this session belongs to another visitor; reload the page")
            if secret not in self._visitors and len(self._visitors) >= MAX_VISITORS:
                self._close_idle(session)
                if len(self._visitors) >= MAX_VISITORS:
                    raise SettingsError("too many visitors; try again later")
            visitor = self._visitors.setdefault(secret, _Visitor())
            now_s = time.monotonic()
            if session in visitor.sessions:
                visitor.sessions[session].seen_s = now_s
            elif len(visitor.sessions) >= MAX_PAGES:
                raise SettingsError(f"expected at most {MAX_PAGES} open browser tabs; close some")
            else:
                folder = self.root / MADE / secrets.token_urlsafe(16)
                visitor.sessions[session] = _Session(folder, now_s)

    def is_owner(self, secret: str, session: str) -> bool:
        """Whether a session belongs to this visitor."""
        with self._lock:
            return self._owner(session) == secret

    def add_uploads(self, secret: str, paths: Iterable[Path]) -> None:
        """Record the owner of uploaded files."""
        with self._lock:
            visitor = self._visitors.setdefault(secret, _Visitor())
            visitor.uploads |= {path.resolve() for path in paths}

    def new_folder(self, session: str) -> Path:
        """An empty folder for one run of a session.

        Raises:
            SettingsError: The page has been closed, or the visitor's files are too large.
        """
        with self._lock:
            owner = self._owner(session)
            if owner is None:
                raise SettingsError("this browser tab was closed; reload it")
            most = self._max_visitor_bytes
            if most is not None and _bytes_of(self._visitors[owner]) > most:
                raise SettingsError(
                    f"expected at most {most / 2**20:g} MB of files per visitor;"
                    " close this browser tab to delete yours"
                )
            self._close_idle(session)
            folder = self._visitors[owner].sessions[session].folder / secrets.token_urlsafe(16)
            folder.mkdir(parents=True, mode=0o700)
            return folder

    def may_read(self, secret: str, path: str | Path) -> bool:
        """Whether a file is an upload or output of the visitor, or shared."""
        try:
            found = Path(path).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):
            return False
        if found in self._shared:
            return True
        with self._lock:
            visitor = self._visitors.get(secret)
            if visitor is None or not found.is_file():
                return False
            return found in visitor.uploads or any(
                found.is_relative_to(page.folder) for page in visitor.sessions.values()
            )

    def kept_bytes(self) -> dict[str, int]:
        """Bytes of the uploads and outputs by visitor."""
        with self._lock:
            return {secret: _bytes_of(visitor) for secret, visitor in self._visitors.items()}

    def all_uploads(self) -> set[Path]:
        """The uploads of all visitors."""
        with self._lock:
            return {path for visitor in self._visitors.values() for path in visitor.uploads}

    def without_places(self, message: str) -> str:
        """A message without the server's folders; file names stay."""
        folders = {self.root, *(path.parent for path in self._shared)}
        pattern = "|".join(re.escape(str(folder)) for folder in folders)
        return re.sub(rf"(?:{pattern})/(?:[^/\s]+/)*", "", message)

    def leave(self, session: str) -> None:
        """Delete the outputs of a closed page, and the uploads with the visitor's last page."""
        with self._lock:
            self._leave(session)

    def close(self) -> None:
        """Delete everything."""
        with self._lock:
            self._visitors.clear()
            shutil.rmtree(self.root, ignore_errors=True)

    def _close_idle(self, kept: str) -> None:
        """Close idle pages except one. The caller holds the lock."""
        oldest_s = time.monotonic() - MAX_IDLE_S
        pages = [page for visitor in self._visitors.values() for page in visitor.sessions.items()]
        for session, page in pages:
            if page.seen_s < oldest_s and session != kept:
                self._leave(session)

    def _leave(self, session: str) -> None:
        owner = self._owner(session)
        if owner is None:
            return
        visitor = self._visitors[owner]
        shutil.rmtree(visitor.sessions.pop(session).folder, ignore_errors=True)
        if visitor.sessions:
            return
        del self._visitors[owner]
        # Gradio stores equal uploads of two visitors as one file.
        still_used = {path for other in self._visitors.values() for path in other.uploads}
        for path in visitor.uploads - still_used:
            path.unlink(missing_ok=True)

    def _owner(self, session: str) -> str | None:
        return next((s for s, v in self._visitors.items() if session in v.sessions), None)


def _bytes_of(visitor: _Visitor) -> int:
    """Bytes of a visitor's files."""
    outputs = (path for page in visitor.sessions.values() for path in page.folder.rglob("*"))
    return sum(_size(path) for path in (*visitor.uploads, *outputs))


def _size(path: Path) -> int:
    """Bytes of a file or folder; 0 if it was deleted meanwhile."""
    try:
        return max(_BLOCK, path.lstat().st_size)
    except OSError:
        return 0
