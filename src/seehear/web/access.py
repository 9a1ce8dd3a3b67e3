"""ASGI middleware for access control: a visitor can read only their own files."""

import json
from collections.abc import Iterator, Mapping
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seehear.errors import SettingsError
from seehear.web.sessions import Sessions

COOKIE = "seehear-visitor"
MAX_BODY = 1_000_000  # bytes of a request that is not an upload
_API = "/gradio_api"
# The routes that the page needs. Gradio's other routes can list, proxy, record or edit.
_OPEN = (
    *("/assets/", "/static/", "/svelte/", "/login", "/logout", "/config", "/theme.css"),
    *("/favicon.ico", "/robots.txt", "/manifest.json", "/gradio_api/startup-events"),
)
_API_OPEN = ("/app_id", "/login_check", "/user", "/info", "/upload_progress", "/theme.css")
_API_JSON = ("/queue/join", "/run/", "/api/", "/cancel")  # JSON that may contain paths
# The browser blocks all requests of the page to other hosts.
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "frame-ancestors 'self'; form-action 'self'"
)


class AccessMiddleware:
    """Identifies visitors by a cookie and passes on requests for their own or shared files."""

    def __init__(self, app: ASGIApp, visitors: Sessions):
        self._app, self._visitors = app, visitors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        cookie: SimpleCookie = SimpleCookie(Request(scope).headers.get("cookie", ""))
        secret = cookie[COOKIE].value if COOKIE in cookie else ""
        refusal = None
        path: str = scope["path"]
        if path == "/" or path.startswith(_OPEN):
            send = _with_headers(send, None if secret else self._visitors.new_secret())
        elif not path.startswith(_API):
            refusal = (404, "page not found")
        elif len(secret) < 32:
            refusal = (403, "no cookie of this page; open the page first")
        else:
            try:
                refusal, receive, send = await self._api(scope, secret, receive, send)
            except SettingsError as error:
                refusal = (403, str(error))
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            status, reason = refusal
            await PlainTextResponse(reason, status)(scope, receive, send)

    async def _api(
        self, scope: Scope, secret: str, receive: Receive, send: Send
    ) -> tuple[tuple[int, str] | None, Receive, Send]:
        """The refusal, if any, of an API request, and the wrapped `receive` and `send`."""
        path = scope["path"].removeprefix(_API)
        if path.startswith("/file="):
            is_allowed = self._visitors.may_read(secret, path.removeprefix("/file="))
            return (None if is_allowed else (403, "no access to this file")), receive, send
        if path == "/upload":
            return None, receive, self._recording_uploads(secret, send)
        if path.startswith("/heartbeat/"):
            self._visitors.arrive(secret, path.removeprefix("/heartbeat/"))
            return None, receive, send
        if path == "/queue/data":
            query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
            session = query.get("session_hash", [""])[0]
            is_allowed = self._visitors.is_owner(secret, session)
            return (None if is_allowed else (403, "no access to this session")), receive, send
        if path.startswith(_API_JSON):
            return await self._checked_json(secret, receive, send)
        is_open = path.startswith(_API_OPEN)
        return (None if is_open else (404, "page not found")), receive, send

    async def _checked_json(
        self, secret: str, receive: Receive, send: Send
    ) -> tuple[tuple[int, str] | None, Receive, Send]:
        """Read a JSON body; the visitor must own its session and have access to its files."""
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return (400, "the connection closed before the end of the request"), receive, send
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MAX_BODY:
                return (413, "expected at most 1 MB of JSON; upload files instead"), receive, send
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            return (400, "expected a JSON body"), receive, send
        session = content.get("session_hash") if isinstance(content, dict) else None
        if isinstance(session, str):
            self._visitors.arrive(secret, session)
        for path in _paths_in(content):
            if not isinstance(path, str) or not self._visitors.may_read(secret, path):
                return (403, "no access to a file of this request"), receive, send
        return None, _with_body(body, receive), send

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
                    self._visitors.add_uploads(secret, [Path(path) for path in paths])
            await send(message)

        return send_and_record


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


def _with_body(body: bytes, receive: Receive) -> Receive:
    """Receive a body that was already read, then the messages after it."""
    is_received = False

    async def receive_body_first() -> Message:
        nonlocal is_received
        if is_received:
            return await receive()
        is_received = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_body_first


def _paths_in(content: Any) -> Iterator[Any]:
    """All file paths in a JSON value, at any depth."""
    stack = [content]
    while stack:
        item = stack.pop()
        if isinstance(item, Mapping):
            yield from (value for name, value in item.items() if name == "path" and value)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
