"""Mutations of requests to the page. An answer with status 500, or an exception, is a fault."""

import atexit
import json
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "rooster.mp4"
Case = dict[str, Any]  # method, url, headers and body (text in latin-1)

_FILE = {"path": str(EXAMPLE), "meta": {"_type": "gradio.FileData"}}
_FIELDS = ["v2a", _FILE, "rain", False, 0, 1.0, 2, "default", "pocket", 4.0]
# By the number of the function, see `seehear.web.page`.
_DATA: dict[int, list[Any]] = {
    0: ["a2v"],
    1: ["v2a", "latents"],
    2: [_FILE],
    3: ["a2v"],
    6: [None, None],
    7: [],
    8: [],
}
_PATHS = (
    *("/", "/config", "/theme.css", "/login_check", "/robots.txt", "/gradio_api/info"),
    *("/gradio_api/app_id", "/gradio_api/user", "/gradio_api/startup-events", "/logout"),
    # Not an upload_progress of an unknown upload: Gradio answers after 3 s.
    *("/gradio_api/upload_progress", "/gradio_api/file=/etc/passwd"),
    *("/gradio_api/queue/data?session_hash=none", "/static/img/logo.svg", "/assets/none.js"),
    f"/gradio_api/file={EXAMPLE}",
)
_VALUES = (
    *(None, True, False, 0, -1, 1.5, 2**31, 2**63, -(2**63) - 1, 10**30, 1e308, "", "a", "\0", "é"),
    *([], {}, [[]], [None], {"path": ""}, {"path": None}, {"path": "/etc/passwd"}, {"path": [""]}),
    *({"path": str(EXAMPLE)}, {"url": "http://127.0.0.1:1/"}, "x" * 1000, "../../etc/passwd"),
    *({"__type__": "update"}, {"_type": "gradio.FileData"}, "v2a", "default", "\ud800", "1e999"),
)
_TOKENS = (
    *("NaN", "Infinity", "-Infinity", "1e999", "[" * 900, "[" * 20_000, "{}", "null", '"\\ud800"'),
    *("%00", "%2e%2e%2f", "%ff", "&a=1&a=2", "?", "#", "//", "\\", "\r\n", ":", ";", "=", "\x80"),
    *("--x", "\r\n\r\n", "gradio_api/", "session_hash=1&session_hash=2", '"path": ""', " ", "\t"),
)


def cases(seed: int) -> Iterator[bytes]:
    """Endless mutations of good requests, the same for the same seed."""
    _client()  # the first request would wait for the start of the page
    chance = random.Random(seed)
    while True:
        case = _good(chance)
        for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
            chance.choice(_MUTATIONS)(chance, case)
        yield json.dumps(case).encode()


def check(data: bytes, folder: Path) -> None:
    """Send a request to the page, which is served by this process.

    Args:
        data: A case.
        folder: Not used: the server has its own.

    Raises:
        AssertionError: The answer has status 500, or none came.
        Exception: The page raised it.
    """
    case = json.loads(data)
    client = _client()
    headers = {name: value.encode("latin-1", "replace") for name, value in case["headers"].items()}
    body = case["body"].encode("latin-1", "replace")
    try:
        with client.stream(case["method"], case["url"], headers=headers, content=body) as answer:
            status = answer.status_code
    except _refused_by_client():
        return  # no client can send this address or header
    assert status < 500 or status == 503, f"{case['method']} {case['url']:.200}: {status}"


def _good(chance: random.Random) -> Case:
    kind = chance.choice(("run", "run", "join", "cancel", "upload", "login", "get", "get"))
    session = "fuzz" + str(chance.randrange(5))
    if kind == "get":
        return {"method": "GET", "url": chance.choice(_PATHS), "headers": {}, "body": ""}
    if kind == "login":
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        body = "username=me&password=wrong"
        return {"method": "POST", "url": "/login", "headers": form, "body": body}
    if kind == "upload":
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        body = (
            "--x\r\nContent-Disposition: form-data; name=files; filename=a.mp4\r\n"
            "Content-Type: video/mp4\r\n\r\ncontent\r\n--x--\r\n"
        )
        return {"method": "POST", "url": "/gradio_api/upload", "headers": form, "body": body}
    index = chance.choice(sorted(_DATA))
    content: dict[str, Any] = {"fn_index": index, "session_hash": session, "trigger_id": 3}
    if kind == "cancel":
        content["event_id"] = "0" * 32
    else:
        content |= {"data": _DATA[index], "event_data": None}
    if kind == "join":
        # A run would take seconds; a missing file ends it at once.
        content |= {"fn_index": 4, "data": [_FIELDS[0], None, *_FIELDS[2:]]}
    url = {"run": "run/predict", "join": "queue/join", "cancel": "cancel"}[kind]
    return {
        "method": "POST",
        "url": f"/gradio_api/{url}",
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(content),
    }


def _change_value(chance: random.Random, case: Case) -> None:
    """Replace, remove or add one value of the JSON."""
    try:
        content = json.loads(case["body"])
    except (ValueError, RecursionError):
        return
    places = list(_places(content))
    if not places:
        return
    holder, key = chance.choice(places)
    action = chance.randrange(4)
    if action == 0:
        del holder[key]
    elif action == 1 and isinstance(holder, list):
        holder.insert(key, chance.choice(_VALUES))
    elif action == 1:
        holder[chance.choice(("path", "url", "meta", "data", "session_hash", "x"))] = chance.choice(
            _VALUES
        )
    else:
        holder[key] = chance.choice(_VALUES)
    case["body"] = json.dumps(content)


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    """Every (list or object, key) of a JSON value."""
    if isinstance(content, list | dict):
        keys = list(range(len(content))) if isinstance(content, list) else list(content)
        for key in keys:
            yield content, key
            yield from _places(content[key])


def _spliced(chance: random.Random, text: str) -> str:
    """Text in which a part is replaced by a token, removed, repeated or changed by a letter."""
    start = chance.randrange(len(text) + 1)
    end = min(len(text), start + chance.choice((0, 1, 2, 8, 40)))
    part = chance.choice(
        (
            chance.choice(_TOKENS), "", text[start:end] * 2, chr(chance.randrange(256)),
            text[end : end + 20],
        )
    )  # fmt: skip
    return text[:start] + part + text[end:]


def _splice_body(chance: random.Random, case: Case) -> None:
    case["body"] = _spliced(chance, case["body"])


def _splice_url(chance: random.Random, case: Case) -> None:
    case["url"] = "/" + _spliced(chance, case["url"]).lstrip("/")


def _quote_url(chance: random.Random, case: Case) -> None:
    case["url"] = "/" + quote(_spliced(chance, case["url"]), safe="/?=&").lstrip("/")


def _change_method(chance: random.Random, case: Case) -> None:
    case["method"] = chance.choice(("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"))


def _change_header(chance: random.Random, case: Case) -> None:
    name = chance.choice(("Content-Type", "Host", "Content-Length", "Cookie", "Range", "Origin"))
    usual = {
        "Content-Type": "multipart/form-data; boundary=", "Host": "localhost:1",
        "Content-Length": "10", "Cookie": "seehear-visitor=x", "Range": "bytes=0-5",
        "Origin": "http://localhost",
    }  # fmt: skip
    value = case["headers"].get(name, usual[name])
    case["headers"][name] = _spliced(chance, value).replace("\r", "").replace("\n", "")


_MUTATIONS: tuple[Callable[[random.Random, Case], None], ...] = (
    *(_change_value,) * 4,
    *(_splice_body,) * 2,
    *(_splice_url, _quote_url, _change_method, _change_header),
)


def _refused_by_client() -> tuple[type[Exception], ...]:
    """What the client raises for a request that it cannot write."""
    import h11
    import httpx

    return (
        httpx.InvalidURL, httpx.UnsupportedProtocol,
        httpx.LocalProtocolError, h11.LocalProtocolError,
    )  # fmt: skip


@cache
def _client() -> Any:
    """A visitor of the page, which a thread of this process serves until the end."""
    import httpx

    from seehear.web.model_pool import ModelPool
    from seehear.web.server import ServerConfig, serving

    open_ = ExitStack()
    config = ServerConfig(port=None, max_upload_mb=1)
    address = open_.enter_context(serving(config, ModelPool(("pocket",))))
    client = open_.enter_context(httpx.Client(base_url=address, timeout=60.0))
    atexit.register(open_.close)
    client.get("/")
    assert client.cookies, "the page gives no cookie"
    return client
