"""In front of the server: who may ask for what. A file is for the visitor whose it is, alone."""

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
# All that the page needs. Gradio has more routes: they list, proxy, record or edit.
_OPEN = (
    *("/assets/", "/static/", "/svelte/", "/login", "/logout", "/config", "/theme.css"),
    *("/favicon.ico", "/robots.txt", "/manifest.json", "/gradio_api/startup-events"),
)
_API_OPEN = ("/app_id", "/login_check", "/user", "/info", "/upload_progress", "/theme.css")
_API_JSON = ("/queue/join", "/run/", "/api/", "/cancel")  # requests that may name files
# Whatever a component may come to try: nothing is loaded from or sent to another machine.
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "frame-ancestors 'self'; form-action 'self'"
)


class AccessMiddleware:
    """Middleware that knows visitors by a cookie and lets through what is theirs or everybody's."""

    def __init__(self, app: ASGIApp, visitors: Sessions):
        self._app, self._visitors = app, visitors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a refusal, or pass the request on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        cookie: SimpleCookie = SimpleCookie(Request(scope).headers.get("cookie", ""))
        secret = cookie[COOKIE].value if COOKIE in cookie else ""
        refusal = None
        path: str = scope["path"]
        if path == "/" or path.startswith(_OPEN):
            send = _greeting(send, None if secret else self._visitors.new_secret())
        elif not path.startswith(_API):
            refusal = (404, "there is no such page")
        elif len(secret) < 32:
            refusal = (403, "open the page first: a browser is known by its cookie")
        else:
            try:
                refusal, receive, send = await self._api(scope, secret, receive, send)
            except SettingsError as error:
                refusal = (403, str(error))
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            status, sentence = refusal
            await PlainTextResponse(sentence, status)(scope, receive, send)

    async def _api(
        self, scope: Scope, secret: str, receive: Receive, send: Send
    ) -> tuple[tuple[int, str] | None, Receive, Send]:
        """Whether a visitor may do this, and what to receive and send with instead."""
        path = scope["path"].removeprefix(_API)
        if path.startswith("/file="):
            is_theirs = self._visitors.may_read(secret, path.removeprefix("/file="))
            return (None if is_theirs else (403, "this file is not yours")), receive, send
        if path == "/upload":
            return None, receive, self._noting_uploads(secret, send)
        if path.startswith("/heartbeat/"):
            self._visitors.arrive(secret, path.removeprefix("/heartbeat/"))
            return None, receive, send
        if path == "/queue/data":
            query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
            session = query.get("session_hash", [""])[0]
            is_theirs = self._visitors.is_owner(secret, session)
            return (None if is_theirs else (403, "this session is not yours")), receive, send
        if path.startswith(_API_JSON):
            return await self._checked_json(secret, receive, send)
        is_open = path.startswith(_API_OPEN)
        return (None if is_open else (404, "there is no such page")), receive, send

    async def _checked_json(
        self, secret: str, receive: Receive, send: Send
    ) -> tuple[tuple[int, str] | None, Receive, Send]:
        """Read a request's JSON: its session and every file that it names must be theirs."""
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return (400, "the request broke off"), receive, send
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MAX_BODY:
                return (413, "the request is too large; upload files instead"), receive, send
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            return (400, "expected JSON"), receive, send
        session = found.get("session_hash") if isinstance(found, dict) else None
        if isinstance(session, str):
            self._visitors.arrive(secret, session)
        for named in _paths_in(found):
            if not isinstance(named, str) or not self._visitors.may_read(secret, named):
                return (403, "a file that is named here is not yours"), receive, send
        return None, _once(body, receive), send

    def _noting_uploads(self, secret: str, send: Send) -> Send:
        """Remember the paths that an upload is answered with."""
        parts: list[bytes] = []
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))
                if not message.get("more_body", False) and status == 200:
                    paths = json.loads(b"".join(parts))
                    self._visitors.add_uploads(secret, [Path(path) for path in paths])
            await send(message)

        return noting


def _greeting(send: Send, secret: str | None) -> Send:
    """Answer with the policy and, to a new visitor, a cookie that scripts cannot read."""

    async def greeting(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = _POLICY
            headers["Referrer-Policy"] = "no-referrer"
            if secret is not None:
                cookie = f"{COOKIE}={secret}; Path=/; HttpOnly; SameSite=Strict"
                headers.append("Set-Cookie", cookie)
        await send(message)

    return greeting


def _once(body: bytes, receive: Receive) -> Receive:
    """Receive a body that was read already, and then whatever comes."""
    is_given = False

    async def again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _paths_in(found: Any) -> Iterator[Any]:
    """Every file that a request names, at any depth."""
    waiting = [found]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            yield from (value for name, value in item.items() if name == "path" and value)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
