"""Access control of the real server, tested with plain HTTP requests."""

import json
import os
import socket
import time
import uuid
from contextlib import ExitStack

import pytest

httpx = pytest.importorskip("httpx", reason="httpx comes with gradio, which is not installed")

from tests.web.server import ROOT, started  # noqa: E402

from seehear.pipeline.manifest import to_json  # noqa: E402
from seehear.pipeline.presets import preset_for  # noqa: E402

CLIP = (ROOT / "examples" / "rooster.mp4").read_bytes()

pytestmark = pytest.mark.slow  # a real server, and minutes of it


class Caller:
    """A visitor that calls Gradio's routes."""

    def __init__(self, server):
        self.server = server
        self.http = httpx.Client(base_url=server.url, timeout=60)
        self.session = uuid.uuid4().hex[:11]
        self.http.get("/")
        self.config = self.http.get("/config").json()

    def upload(self, name="clip.mp4", content=CLIP):
        files = {"files": (name, content, "video/mp4")}
        return self.http.post("/gradio_api/upload", files=files)

    def file(self, path):
        return self.http.get(f"/gradio_api/file={path}").status_code

    def button(self, index):
        """The id of the function of the k-th queued button."""
        found = [d["id"] for d in self.config["dependencies"] if d["queue"] is not False]
        return found[index]

    def make(self, input_file, steps=2, button=0):
        data = (
            None
            if input_file is None
            else {"path": str(input_file), "meta": {"_type": "gradio.FileData"}}
        )
        fields = ["v2a", data, "rain", False, 0, 1.0, steps, "default", "pocket", 4.0]
        return self.join(self.button(button), fields)

    def join(self, fn_index, data):
        body = {"fn_index": fn_index, "data": data, "session_hash": self.session}
        return self.http.post("/gradio_api/queue/join", json=body)

    def outputs(self, until="process_completed"):
        """The events of the queue until the job has finished."""
        events = []
        url = f"/gradio_api/queue/data?session_hash={self.session}"
        with self.http.stream("GET", url) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    events.append(json.loads(line.removeprefix("data: ")))
                    if events[-1]["msg"] == until:
                        break
        return events


@pytest.fixture
def call(server):
    """Creates visitors, and closes their connections."""
    opened = []

    def open_():
        opened.append(Caller(server))
        return opened[-1]

    yield open_
    for caller in opened:
        caller.http.close()


@pytest.fixture
def caller(call):
    return call()


@pytest.fixture
def stranger(server):
    """A client that has not opened the page."""
    with httpx.Client(base_url=server.url) as http:
        yield http


def made_files(server):
    return [path for path in server.files() if "made" in path.parts]


def test_only_the_owner_can_read_uploads_and_outputs(server, call):
    caller, other = call(), call()
    (input_file,) = caller.upload(content=CLIP + b"mine").json()
    assert caller.file(input_file) == 200
    assert other.file(input_file) == 403
    assert other.make(input_file).status_code == 403  # it is no valid input either

    (mine,) = caller.upload().json()
    assert caller.make(mine).status_code == 200
    caller.outputs()
    made = [path for path in made_files(server) if path.name.startswith("clip")]
    assert {path.suffix for path in made} == {".mp4", ".wav", ".json", ".png"}
    for path in made:
        assert caller.file(path) == 200
        assert other.file(path) == 403


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../../../../etc/passwd",
        "{root}",
        "{root}/made",
        "{root}/made/../../../../../../etc/passwd",
        "{examples}/../pyproject.toml",
        "{examples}",
        "{package}/data/pocket/README.md",
        "/proc/self/environ",
        "http://127.0.0.1:1/",
        "https://example.com/x.mp4",
        "file:///etc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "\\0",
    ],
)
def test_other_files_of_the_server_can_be_neither_read_nor_used_as_input(server, caller, path):
    named = path.format(
        root=server.folder(), examples=ROOT / "examples", package=ROOT / "src" / "seehear"
    )
    assert caller.file(named) in (403, 404)
    assert caller.make(named).status_code == 403


def test_every_visitor_can_read_the_examples(caller):
    assert caller.file(ROOT / "examples" / "rooster.mp4") == 200


@pytest.mark.parametrize(
    "route",
    [
        "/gradio_api/proxy=https://example.com/",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/deep_link?session_hash=x",
        "/gradio_api/openapi.json",
        "/gradio_api/runs",
        "/gradio_api/run-history/buckets",
        "/gradio_api/vibe-code/",
        "/gradio_api/call/made/x",
        "/gradio_api/token",
        "/monitoring",
        "/docs",
        "/openapi.json",
        "/custom_component/a/b/c/d",
    ],
)
def test_routes_that_the_page_does_not_need_are_closed(caller, route):
    assert caller.http.get(route).status_code == 404


@pytest.mark.parametrize(
    ("route", "status"),
    [
        ("/assets/" + "x" * 300, 404),
        ("/" + "x/" * 3000, 400),
        ("/static/a%00b", 400),
        ("/config?" + "a=1&" * 30, 400),
        ("/gradio_api/file=", 403),
        ("/gradio_api/file=" + "x" * 300, 404),
        ("/gradio_api/heartbeat/a%2Fb", 403),
    ],
)
def test_odd_addresses_are_refused(caller, route, status):
    assert caller.http.get(route).status_code == status


def test_requests_without_the_cookie_are_refused(stranger):
    files = {"files": ("a.mp4", CLIP)}
    assert stranger.post("/gradio_api/upload", files=files).status_code == 403
    assert stranger.post("/gradio_api/queue/join", json={}).status_code == 403
    assert stranger.get("/gradio_api/file=/etc/passwd").status_code == 403


def test_a_session_belongs_to_one_visitor(call):
    caller, other = call(), call()
    (input_file,) = caller.upload().json()
    assert caller.make(input_file).status_code == 200
    other.session = caller.session
    assert other.make(None).status_code == 403
    data = other.http.get(f"/gradio_api/queue/data?session_hash={caller.session}")
    assert data.status_code == 403
    caller.outputs()


@pytest.mark.parametrize(
    "name", ["../../x.mp4", "/etc/x.mp4", "..", ".", "a/../../b.mp4", "x" * 400]
)
def test_upload_names_cannot_leave_the_servers_folder(server, caller, name):
    before = set(server.temporary.iterdir())
    answer = caller.upload(name)
    if answer.status_code == 200:
        (path,) = answer.json()
        assert os.path.realpath(path).startswith(str(server.folder()) + "/")
    else:
        assert answer.status_code == 400
    assert set(server.temporary.iterdir()) == before
    assert caller.upload().status_code == 200


def test_an_upload_of_text_in_place_of_files_is_refused(caller):
    boundary = b"--x\r\nContent-Disposition: form-data; name=files\r\n\r\ntext\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    url = "/gradio_api/upload"
    assert caller.http.post(url, content=boundary, headers=headers).status_code == 400


def test_an_upload_that_is_too_large_is_refused_and_leaves_no_file(server, caller):
    before = set(server.files())
    assert caller.upload(content=bytes(2 * 2**20)).status_code == 413
    assert not set(server.files()) - before


def test_a_json_request_that_is_too_large_is_refused(caller):
    body = {"data": ["x" * 2_000_000], "fn_index": 0, "session_hash": caller.session}
    assert caller.http.post("/gradio_api/queue/join", json=body).status_code == 413
    nested = b"[" * 100_000
    assert caller.http.post("/gradio_api/queue/join", content=nested).status_code == 400


def join_raw(caller, body):
    headers = {"Content-Type": "application/json"}
    return caller.http.post("/gradio_api/queue/join", content=body, headers=headers)


@pytest.mark.parametrize(
    "change",
    [
        '"fn_index": NaN',
        '"fn_index": 1e999',
        '"fn_index": -1',
        '"fn_index": 10000',
        '"fn_index": 8, "data": []',  # the function that only cancels others
        '"fn_index": true',
        '"fn_index": "4"',
        '"fn_index": null',
        '"fn_index": 99999999999999999999999',
        '"fn_index": 4, "data": [NaN]',
        '"fn_index": 4, "data": [Infinity]',
        '"fn_index": 4, "data": []',
        '"fn_index": 4, "data": {}',
        '"fn_index": 4, "fn_index": 4',
        '"fn_index": 4, "session_hash": "another"',
        '"fn_index": 6, "data": [{"path": ""}, null]',
        '"fn_index": 6, "data": [{"path": null}, null]',
        '"fn_index": 6, "data": [{"path": ["/etc/passwd"]}, null]',
        '"fn_index": 6, "data": ["/etc/passwd", null]',
        '"fn_index": 6, "data": ["\\ud800", null]',
        '"fn_index": 4, "data": ' + "[" * 900 + "]" * 900,
        '"fn_index": 4, "data": ' + "[" * 100_000,
    ],
)
def test_json_that_gradio_cannot_read_is_refused(caller, change):
    caller.button(0)
    body = f'{{"session_hash": "{caller.session}", {change}}}'
    assert join_raw(caller, body).status_code == 400


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b'{"a"', b"1", b'"x"'])
def test_a_body_that_is_no_json_object_is_refused(caller, body):
    assert join_raw(caller, body).status_code == 400
    assert caller.http.post("/gradio_api/queue/join", content=b"{}").status_code == 400  # no type


def test_a_value_that_a_field_refuses_is_the_visitors_fault(caller):
    ids = {d["api_name"]: d["id"] for d in caller.config["dependencies"]}
    for name, data in (
        ("fields_of", ["no task"]),
        ("fields_of", [None]),
        ("steps_of", ["v2a", "no preset"]),
        ("player_for", [{"path": str(ROOT / "examples" / "rooster.mp4")}]),
    ):
        body = {"fn_index": ids[name], "data": data, "session_hash": caller.session}
        answer = caller.http.post(f"/gradio_api/run/{name}", json=body)
        assert answer.status_code == 400, answer.text
    body = {"fn_index": ids["steps_of"], "data": ["v2a", "default"], "session_hash": caller.session}
    assert caller.http.post("/gradio_api/run/steps_of", json=body).json()["data"] == [30]


@pytest.mark.parametrize(
    "query",
    [
        "session_hash={mine}&session_hash={theirs}",
        "session_hash={theirs}&session_hash={mine}",
        "session_hash={mine}&session%5Fhash={theirs}",
        "session_hash={mine}&session_hash=",
    ],
)
def test_a_repeated_parameter_is_refused(call, query):
    caller, other = call(), call()
    for visitor in (caller, other):
        (path,) = visitor.upload().json()
        visitor.make(path)
    query = query.format(mine=caller.session, theirs=other.session)
    assert caller.http.get(f"/gradio_api/queue/data?{query}").status_code == 400
    assert caller.http.get("/gradio_api/upload_progress?upload_id=a&upload_id=b").status_code == 400
    assert "process_completed" in json.dumps(other.outputs())
    caller.outputs()


def test_a_body_with_the_session_of_another_visitor_is_refused(call):
    caller, other = call(), call()
    (path,) = caller.upload().json()
    caller.make(path, steps=20)
    body = {"session_hash": caller.session, "fn_index": caller.button(0), "event_id": "x"}
    assert other.http.post("/gradio_api/cancel", json=body).status_code == 403
    body["data"] = []
    assert other.http.post("/gradio_api/run/stopped", json=body).status_code == 403
    twice = json.dumps(body)[:-1] + f', "session_hash": "{other.session}"}}'
    assert join_raw(other, twice).status_code == 400
    assert "Done." in json.dumps(caller.outputs())


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("LOCALHOST", 200),
        ("[::1]:{port}", 200),
        ("rebound.example:{port}", 421),
        ("127.0.0.1.rebound.example", 421),
        ("192.0.2.1:{port}", 421),
        ("", 400),
        ("localhost:{port}@rebound.example", 400),
        ("localhost, rebound.example", 400),
    ],
)
def test_the_host_header_must_name_this_server(server, stranger, host, status):
    host = host.format(port=server.url.rsplit(":", 1)[1])
    assert stranger.get("/", headers={"Host": host}).status_code == status


def test_a_visitor_can_upload_only_as_much_as_the_quota(server, call):
    caller, other = call(), call()
    before = set(server.files())
    mb = [bytes([k]) * 900_000 for k in range(8)]  # the server allows 1 MB a file, 5 MB a visitor

    files = [("files", (f"{k}.mp4", mb[k])) for k in range(8)]
    answer = caller.http.post("/gradio_api/upload", files=files)
    assert answer.status_code == 413
    assert "expected at most 5 MB of files per visitor" in answer.text
    assert not set(server.files()) - before

    def in_chunks():
        for content in mb:
            yield b"--x\r\nContent-Disposition: form-data; name=files; filename=a\r\n\r\n"
            yield content + b"\r\n"
        yield b"--x--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    url = "/gradio_api/upload"
    assert caller.http.post(url, content=in_chunks(), headers=headers).status_code == 413
    assert not set(server.files()) - before

    statuses = [caller.upload(f"{k}.mp4", mb[k]).status_code for k in range(8)]
    assert statuses == [200] * 5 + [413] * 3
    assert len(set(server.files()) - before) == 5
    assert other.upload(content=CLIP + b"!").status_code == 200


def test_an_upload_that_breaks_off_leaves_no_file(server, caller):
    def files():
        return {path for path in server.files() if "made" not in path.parts}

    before = files()
    host, port = server.url.removeprefix("http://").split(":")
    cookie = "; ".join(f"{name}={value}" for name, value in caller.http.cookies.items())
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"POST /gradio_api/upload HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookie}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 900000\r\n\r\n"
            "--x\r\nContent-Disposition: form-data; name=files; filename=a.mp4\r\n\r\n".encode()
            + bytes(100_000)
        )
        until = time.monotonic() + 20
        while not files() - before:
            assert time.monotonic() < until, "the upload has no file"
            time.sleep(0.05)
    while files() - before:
        assert time.monotonic() < until, "a file is left"
        time.sleep(0.05)


def test_closing_a_page_deletes_its_files_and_ends_its_run(server, call):
    caller = call()
    url = f"/gradio_api/heartbeat/{caller.session}"
    with caller.http.stream("GET", url) as heartbeat:
        beats = heartbeat.iter_lines()  # the stream is closed with its iterator
        next(beats)
        (input_file,) = caller.upload(content=CLIP + b"gone").json()
        (clip,) = caller.upload("other.mp4").json()
        before = set(server.files())
        assert caller.make(clip, steps=100).status_code == 200
        until = time.monotonic() + 60
        while not (mine := set(made_files(server)) - before):
            assert time.monotonic() < until
            time.sleep(0.1)
    until = time.monotonic() + 30
    while os.path.exists(input_file) or os.path.exists(clip) or mine & set(server.files()):
        assert time.monotonic() < until, "files outlive their page"
        time.sleep(0.1)
    # The run has ended: the next visitor's run does not wait for 100 steps.
    other = call()
    (theirs,) = other.upload().json()
    began = time.monotonic()
    other.make(theirs)
    other.outputs()
    assert time.monotonic() - began < 25


def test_a_json_does_not_let_a_visitor_read_the_servers_files(caller):
    (clip,) = caller.upload().json()
    caller.make(clip)
    caller.outputs()
    entry = {"file": "passwd", "path": "/etc/passwd", "sha256": "0" * 64}
    record = {
        "schema_version": 1, "task": "v2a", "inputs": [entry], "seed": 0, "versions": {},
        "weights": [], "outputs": [], "samples_sha256": "0" * 64, "caption": "x",
        "settings": {"models": "pocket", "loaded": {"binder": "/etc"}},
    }  # fmt: skip

    def response():
        (path,) = caller.upload("a.json", json.dumps(record).encode()).json()
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        assert caller.join(caller.button(2), [file, None]).status_code == 200
        return json.dumps(caller.outputs())

    assert "custom models or load options" in response()
    record["settings"] = _settings()
    events = response()
    assert "xpected the input file as well; drop passwd" in events
    assert "root:" not in events


def _settings():
    return {
        "models": "pocket",
        "duration_s": 1.0,
        "preset": to_json(preset_for("v2a", "default")),
    }


def test_password_full_queue_and_a_signal_during_a_run(tmp_path):
    with (
        started(tmp_path, "--max-waiting", "1", "--auth", "me:secret") as server,
        ExitStack() as opened,
    ):
        folder = server.folder()

        def member(password):
            http = opened.enter_context(httpx.Client(base_url=server.url, timeout=60))
            http.get("/")
            login = http.post("/login", data={"username": "me", "password": password})
            return http, login.status_code

        def upload(http):
            return http.post("/gradio_api/upload", files={"files": ("a.mp4", CLIP)})

        refused, status = member("wrong")
        assert status == 400
        assert upload(refused).status_code == 401

        # Bodies are bounded before the login, whether their length is announced or not.
        chunks = (b"x" * 100_000 for _ in range(30))
        for content in (b"username=" + b"x" * 2_000_000, chunks):
            assert refused.post("/login", content=content).status_code == 413

        answers = []
        for k in range(3):
            http, status = member("secret")
            assert status == 200
            config = http.get("/config").json()
            button = next(d["id"] for d in config["dependencies"] if d["queue"] is not False)
            file = {"path": upload(http).json()[0], "meta": {"_type": "gradio.FileData"}}
            fields = ["v2a", file, "rain", False, 0, 1.0, 100, "default", "pocket", 4.0]
            body = {"fn_index": button, "data": fields, "session_hash": f"session{k}"}
            answers.append(http.post("/gradio_api/queue/join", json=body))
            time.sleep(1)  # the first starts, the second is queued
        assert [answer.status_code for answer in answers] == [200, 200, 503]
        assert "Queue is full" in answers[2].text

        # After three failed logins in a row even the right password has to wait.
        assert [member("wrong")[1] for _ in range(4)] == [400, 400, 400, 429]
        assert member("secret")[1] == 429
        time.sleep(2.1)
        assert member("secret")[1] == 200
    # After a signal during a run, no files are left.
    assert server.process.returncode == 0
    assert not folder.exists()
