"""ASGI middleware for access control: a visitor can read only their own files."""

import asyncio
import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seehear.errors import SettingsError
from seehear.web.bodies import (
    MAX_BODY,
    announced_bytes,
    body_of,
    header,
    json_of,
    paths_in,
    query_of,
    with_body,
)
from seehear.web.calls import Calls
from seehear.web.hosts import Hosts
from seehear.web.logins import Logins
from seehear.web.refusals import Refusal
from seehear.web.sessions import Sessions
from seehear.web.uploads import Uploads

COOKIE = "seehear-visitor"
MAX_PATH = 4096  # characters of an address
MAX_NAME = 255  # bytes of a part of it
MAX_PAUSE_S = 60  # between two parts of a body
DRAIN_S = 10.0
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_API = "/gradio_api"
# The routes that the page needs. Gradio's other routes can list, proxy, record or edit.
_OPEN = (
    *("/assets/", "/static/", "/svelte/", "/login", "/logout", "/config", "/theme.css"),
    *("/favicon.ico", "/robots.txt", "/manifest.json", "/gradio_api/startup-events"),
)
_API_OPEN = ("/app_id", "/login_check", "/user", "/info", "/upload_progress", "/theme.css")
_API_CALLS = ("/queue/join", "/run/", "/api/")  # JSON with the values of the page's fields
# The browser blocks all requests of the page to other hosts.
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "frame-ancestors 'self'; form-action 'self'"
)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the middleware checks requests against."""

    visitors: Sessions
    uploads: Uploads
    calls: Calls
    hosts: Hosts
    logins: Logins = field(default_factory=Logins)


class AccessMiddleware:
    """Identifies visitors by a cookie and passes on requests for their own or shared files."""

    def __init__(self, app: ASGIApp, rules: Rules):
        self._app, self._rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        has_begun = has_ended = False

        async def receive_and_note() -> Message:
            nonlocal has_ended
            if has_ended:  # waits for the end of the connection
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), MAX_PAUSE_S)
            except TimeoutError:
                raise Refusal(408, f"no data for {MAX_PAUSE_S} s; send the request again") from None
            has_ended = not message.get("more_body", False)
            return message

        async def send_and_note(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._checked(scope, receive_and_note, send_and_note)
        except Refusal as refusal:
            if has_begun:
                raise
            if refusal.status == 413 and not has_ended:
                await _drain(receive)
            await _refuse(refusal, scope, receive, send)
        except SettingsError as error:
            if has_begun:
                raise
            await _refuse(Refusal(403, str(error)), scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; raises Refusal instead."""
        path: str = scope["path"]
        self._rules.hosts.check(
            [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        )
        if len(path) > MAX_PATH or _CONTROL.search(path):
            raise Refusal(400, f"expected an address of at most {MAX_PATH} printable characters")
        if any(len(part.encode()) > MAX_NAME for part in path.split("/")):
            raise Refusal(404, "page not found")  # no file system has such a name
        query = query_of(scope)
        secret = _secret(scope)
        if path.rstrip("/") == "/login" and scope["method"] == "POST":
            await self._login(scope, receive, send)
        elif path == "/" or path.startswith(_OPEN):
            await self._open(scope, secret, receive, send)
        elif not path.startswith(_API):
            raise Refusal(404, "page not found")
        elif len(secret) < 32:
            raise Refusal(403, "no cookie of this page; open the page first")
        elif path == f"{_API}/upload":
            await self._upload(scope, secret, receive, send)
        else:
            await self._api(scope, query, secret, receive, send)

    async def _open(self, scope: Scope, secret: str, receive: Receive, send: Send) -> None:
        """The page and its parts; a new visitor gets a cookie."""
        body = await body_of(scope, receive) if scope["method"] == "POST" else b""
        if announced_bytes(scope) > MAX_BODY:
            raise Refusal(413, "expected at most 1 MB")
        new_secret = None if secret else self._rules.visitors.new_secret()
        await self._app(scope, with_body(body, receive), _with_headers(send, new_secret))

    async def _login(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A login; each failure of an address makes its next pause longer."""
        address = scope["client"][0] if scope.get("client") else ""
        body = await body_of(scope, receive)
        self._rules.logins.begin(address)

        async def send_and_note(message: Message) -> None:
            # Without a password Gradio redirects.
            if message["type"] == "http.response.start" and message["status"] < 400:
                self._rules.logins.succeed(address)
            await send(message)

        secret = None if _secret(scope) else self._rules.visitors.new_secret()
        await self._app(scope, with_body(body, receive), _with_headers(send_and_note, secret))

    async def _upload(self, scope: Scope, secret: str, receive: Receive, send: Send) -> None:
        """Receive files within the quotas, and record their owner."""
        uploads = self._rules.uploads
        with uploads.receiving(secret, announced_bytes(scope)) as upload:

            async def counted() -> Message:
                message = await receive()
                uploads.count(upload, len(message.get("body", b"")))
                return message

            try:
                await self._app(scope, counted, self._recording_uploads(secret, send))
            except TypeError as error:
                if "GradioUploadFile" not in str(error):
                    raise
                raise Refusal(400, "expected files in the field 'files', got text") from error
            except ClientDisconnect as error:
                raise Refusal(400, "the connection closed before the end of the upload") from error

    async def _api(
        self, scope: Scope, query: dict[str, str], secret: str, receive: Receive, send: Send
    ) -> None:
        """A request for a route of Gradio."""
        path, visitors = scope["path"].removeprefix(_API), self._rules.visitors
        if path.startswith(_API_CALLS) or path == "/cancel":
            content, receive = await self._json(scope, secret, receive)
            if path != "/cancel":
                self._rules.calls.check(content)
            if path.startswith(("/run/", "/api/")):
                send = _with_status_of_values(send)
            await self._app(scope, receive, send)
            return
        if announced_bytes(scope):
            raise Refusal(400, "expected a request without a body")
        if path.startswith("/file="):
            if not visitors.may_read(secret, path.removeprefix("/file=")):
                raise Refusal(403, "no access to this file")
        elif path.startswith("/heartbeat/"):
            visitors.arrive(secret, path.removeprefix("/heartbeat/"))
        elif path == "/queue/data":
            if not visitors.is_owner(secret, query.get("session_hash", "")):
                raise Refusal(403, "no access to this session")
        elif not path.startswith(_API_OPEN):
            raise Refusal(404, "page not found")
        await self._app(scope, receive, send)

    async def _json(
        self, scope: Scope, secret: str, receive: Receive
    ) -> tuple[dict[str, Any], Receive]:
        """Read a JSON body; the visitor must own its session and have access to its files."""
        if header(scope, b"content-type").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(400, "expected the content type application/json")
        body = await body_of(scope, receive)
        content = json_of(body)
        session = content.get("session_hash")
        if not isinstance(session, str):
            raise Refusal(400, "expected a session_hash in the JSON")
        self._rules.visitors.arrive(secret, session)
        for path in paths_in(content):
            if not isinstance(path, str) or not path:
                raise Refusal(400, "expected the path of an uploaded file, got none")
            if not self._rules.visitors.may_read(secret, path):
                raise Refusal(403, "no access to a file of this request")
        return content, with_body(body, receive)

    def _recording_uploads(self, secret: str, send: Send) -> Send:
        """Record the paths in the response to an upload."""
        parts: list[bytes] = []
        status = 0

        async def send_and_record(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))
                if not message.get("more_body", False) and status == 200:
                    paths = json.loads(b"".join(parts))
                    self._rules.visitors.add_uploads(secret, [Path(path) for path in paths])
            await send(message)

        return send_and_record


def _secret(scope: Scope) -> str:
    """The secret of the visitor's cookie; "" without a cookie."""
    cookie: SimpleCookie = SimpleCookie()
    with suppress(CookieError):
        cookie.load(header(scope, b"cookie"))
    return cookie[COOKIE].value if COOKIE in cookie else ""


async def _drain(receive: Receive) -> None:
    """Receive the rest of a request for a while: browsers read no answer before its end."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            while (await receive()).get("more_body", False):
                pass


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with a sentence."""
    retry = {} if refusal.retry_s is None else {"Retry-After": str(refusal.retry_s)}
    await PlainTextResponse(refusal.reason, refusal.status, retry)(scope, receive, send)


def _with_headers(send: Send, secret: str | None) -> Send:
    """Add the policy headers and, for a new visitor, a cookie that scripts cannot read."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = _POLICY
            headers["Referrer-Policy"] = "no-referrer"
            if secret is not None:
                cookie = f"{COOKIE}={secret}; Path=/; HttpOnly; SameSite=Strict"
                headers.append("Set-Cookie", cookie)
        await send(message)

    return send_with_headers


def _with_status_of_values(send: Send) -> Send:
    """Answer 400 where a field refuses its value, which Gradio answers with 500.

    Gradio's own errors have a title, other exceptions do not.
    """
    start: Message = {}
    parts: list[bytes] = []

    async def send_with_status(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start" and message["status"] == 500:
            start = message
            return
        if start and message["type"] == "http.response.body":
            parts.append(message.get("body", b""))
            if message.get("more_body", False):
                return
            body = b"".join(parts)
            if b'"title"' in body:
                start = {**start, "status": 400}
            await send(start)
            message = {"type": "http.response.body", "body": body}
        await send(message)

    return send_with_status
