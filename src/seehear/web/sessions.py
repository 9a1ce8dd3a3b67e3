"""Whose files are whose: a folder for every run, readable by one visitor, gone when they leave."""

import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from seehear.errors import SettingsError

MAX_IDLE_S = 24 * 3600.0  # of a page that neither does anything nor says that it was closed


@dataclass
class _Session:
    """One open page."""

    folder: Path
    seen_s: float  # on the monotonic clock, when it last did something


@dataclass
class _Visitor:
    """One browser: the secret in its cookie stands for it."""

    sessions: dict[str, _Session] = field(default_factory=dict)
    uploads: set[Path] = field(default_factory=set)


class Sessions:
    """Everybody whose page is open, and the files that they gave or had made.

    A visitor is a browser, known by a secret that only it has; a session is one of its open pages.
    Names of folders are random, so they cannot be guessed, and whoever knows one still needs the
    secret. Safe to use from several threads.
    """

    def __init__(self, root: Path, shared: Iterable[Path] = ()):
        """Start without any visitor.

        Args:
            root: An empty folder; all of it is deleted in the end.
            shared: Files that every visitor may read.
        """
        self.root = root.resolve()
        self._shared = frozenset(path.resolve() for path in shared)
        self._visitors: dict[str, _Visitor] = {}
        self._lock = threading.Lock()

    @staticmethod
    def new_secret() -> str:
        """What to know a browser by: 256 random bits."""
        return secrets.token_urlsafe(32)

    def arrive(self, secret: str, session: str) -> None:
        """A page opened, or does something.

        Raises:
            SettingsError: The session is another visitor's.
        """
        with self._lock:
            if self._owner(session) not in (None, secret):
                raise SettingsError("this session belongs to somebody else; reload the page")
            visitor = self._visitors.setdefault(secret, _Visitor())
            now_s = time.monotonic()
            if session in visitor.sessions:
                visitor.sessions[session].seen_s = now_s
            else:
                folder = self.root / "made" / secrets.token_urlsafe(16)
                visitor.sessions[session] = _Session(folder, now_s)

    def is_owner(self, secret: str, session: str) -> bool:
        """Whether a session is this visitor's."""
        with self._lock:
            return self._owner(session) == secret

    def add_uploads(self, secret: str, paths: Iterable[Path]) -> None:
        """Remember who uploaded files."""
        with self._lock:
            visitor = self._visitors.setdefault(secret, _Visitor())
            visitor.uploads |= {path.resolve() for path in paths}

    def new_folder(self, session: str) -> Path:
        """An empty folder for one run of a session.

        Raises:
            SettingsError: The page has been closed.
        """
        with self._lock:
            owner = self._owner(session)
            if owner is None:
                raise SettingsError("this page was closed; reload it")
            self._forget_idle(session)
            folder = self._visitors[owner].sessions[session].folder / secrets.token_urlsafe(16)
            folder.mkdir(parents=True, mode=0o700)
            return folder

    def may_read(self, secret: str, path: str | Path) -> bool:
        """Whether a file is the visitor's own, given or made, or everybody's."""
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

    def without_places(self, sentence: str) -> str:
        """The sentence with files named, but not where the server keeps them."""
        places = {self.root, *(path.parent for path in self._shared)}
        known = "|".join(re.escape(str(place)) for place in places)
        return re.sub(rf"(?:{known})/(?:[^/\s]+/)*", "", sentence)

    def leave(self, session: str) -> None:
        """A page was closed: what was made there goes, and with a visitor's last page the rest."""
        with self._lock:
            self._leave(session)

    def close(self) -> None:
        """Delete everything."""
        with self._lock:
            self._visitors.clear()
            shutil.rmtree(self.root, ignore_errors=True)

    def _forget_idle(self, but: str) -> None:
        """Let pages go that did nothing for a day, all but one. The caller holds the lock."""
        oldest_s = time.monotonic() - MAX_IDLE_S
        pages = [page for visitor in self._visitors.values() for page in visitor.sessions.items()]
        for session, page in pages:
            if page.seen_s < oldest_s and session != but:
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
        # Equal files of two visitors may lie in one place.
        kept = {path for other in self._visitors.values() for path in other.uploads}
        for path in visitor.uploads - kept:
            path.unlink(missing_ok=True)

    def _owner(self, session: str) -> str | None:
        return next((s for s, v in self._visitors.items() if session in v.sessions), None)
