"""A client that stops sending does not keep a connection open."""

import asyncio

import pytest

gradio = pytest.importorskip("gradio", reason="gradio is not installed")

from seehear.web import access  # noqa: E402
from seehear.web.calls import Calls  # noqa: E402
from seehear.web.hosts import Hosts  # noqa: E402
from seehear.web.sessions import Sessions  # noqa: E402
from seehear.web.uploads import Uploads  # noqa: E402


@pytest.mark.parametrize("path", ["/gradio_api/queue/join", "/gradio_api/upload", "/login"])
def test_a_body_that_stops_arriving_is_refused(tmp_path, monkeypatch, path):
    monkeypatch.setattr(access, "MAX_PAUSE_S", 0.05)
    sent = []

    async def app(scope, receive, send):
        while (await receive()).get("more_body", False):
            pass

    async def run():
        parts = iter([{"type": "http.request", "body": b"--x", "more_body": True}])

        async def receive():
            for message in parts:
                return message
            await asyncio.sleep(20)

        async def send(message):
            sent.append(message)

        headers = [
            (b"host", b"localhost:1"),
            (b"cookie", f"{access.COOKIE}={'a' * 64}".encode()),
            (b"content-type", b"application/json"),
            (b"content-length", b"100"),
        ]
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
        visitors = Sessions(tmp_path)
        rules = access.Rules(
            visitors=visitors,
            uploads=Uploads(visitors, 10**6, 10**6),
            calls=Calls(gradio.Blocks()),
            hosts=Hosts("127.0.0.1"),
        )
        await asyncio.wait_for(access.AccessMiddleware(app, rules)(scope, receive, send), 10)

    asyncio.run(run())
    assert sent[0]["status"] == 408
    assert b"no data for" in sent[1]["body"]
