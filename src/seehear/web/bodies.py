"""Bodies and queries of requests: bounded, and without what parsers read differently."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import Message, Receive, Scope

from seehear.web.refusals import Refusal

MAX_BODY = 1_000_000  # bytes of a request that is not an upload
MAX_DEPTH = 32  # of JSON; the page sends 6 levels
MAX_QUERY = 20  # parameters


def header(scope: Scope, name: bytes) -> str:
    """The first header of that name; "" without one."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def announced_bytes(scope: Scope) -> int:
    """The Content-Length; 0 if the body is sent in chunks, or there is none.

    Raises:
        Refusal: Not a number.
    """
    text = header(scope, b"content-length") or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Refusal(400, "expected a number of bytes as Content-Length")
    return int(text)


def query_of(scope: Scope) -> dict[str, str]:
    """The parameters of the query.

    Raises:
        Refusal: A parameter is repeated, since libraries differ in which value they use.
    """
    text = scope.get("query_string", b"").decode("latin-1")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_QUERY)
    except ValueError:
        raise Refusal(400, f"expected at most {MAX_QUERY} parameters in the address") from None
    query = dict(pairs)
    if len(query) < len(pairs):
        raise Refusal(400, "expected each parameter of the address once")
    return query


async def body_of(scope: Scope, receive: Receive) -> bytes:
    """Read a body of at most 1 MB.

    Raises:
        Refusal: It is larger, whether announced or not, or breaks off.
    """
    too_large = Refusal(413, "expected at most 1 MB; upload files instead")
    if announced_bytes(scope) > MAX_BODY:
        raise too_large
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "the connection closed before the end of the request")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY:
            raise too_large
    return bytes(body)


def with_body(body: bytes, receive: Receive) -> Receive:
    """Receive a body that was already read, then the messages after it."""
    is_received = False

    async def receive_body_first() -> Message:
        nonlocal is_received
        if is_received:
            return await receive()
        is_received = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_body_first


def json_of(body: bytes) -> dict[str, Any]:
    """Parse the JSON object of a request.

    Raises:
        Refusal: Not a JSON object, nested too deeply, with NaN, an infinite number or a repeated
            key, or text with an unpaired surrogate.
    """
    try:
        content = json.loads(body, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):  # ValueError includes UnicodeDecodeError
        raise Refusal(400, "expected a JSON object in UTF-8 with finite numbers") from None
    if not isinstance(content, dict):
        raise Refusal(400, "expected a JSON object")
    for value, depth in _walk(content):
        if depth > MAX_DEPTH:
            raise Refusal(400, f"expected JSON of at most {MAX_DEPTH} levels")
        if isinstance(value, float) and not math.isfinite(value):
            raise Refusal(400, "expected finite numbers in the JSON")
        if isinstance(value, int) and abs(value) >= 2**63:
            raise Refusal(400, "expected numbers below 2^63 in the JSON")
        if isinstance(value, str) and not _is_unicode(value):
            raise Refusal(400, "expected Unicode text in the JSON, got an unpaired surrogate")
    return content


def paths_in(content: Any) -> Iterator[Any]:
    """All values that name a file in a JSON value, at any depth."""
    for value, _ in _walk(content):
        if isinstance(value, Mapping) and "path" in value:
            yield value["path"]


def _walk(content: Any) -> Iterator[tuple[Any, int]]:
    """All keys and values of a JSON value with their depth."""
    stack = [(content, 1)]
    while stack:
        value, depth = stack.pop()
        yield value, depth
        if isinstance(value, Mapping):
            stack.extend((key, depth) for key in value)
            stack.extend((item, depth + 1) for item in value.values())
        elif isinstance(value, list):
            stack.extend((item, depth + 1) for item in value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("repeated key")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
