"""Who may ask for what, tried against the real server as somebody without a browser would."""

import json
import os
import time
import uuid

import pytest

httpx = pytest.importorskip("httpx", reason="httpx comes with gradio, which is not installed")

from tests.web.server import ROOT, started  # noqa: E402

CLIP = (ROOT / "examples" / "rooster.mp4").read_bytes()

pytestmark = pytest.mark.slow  # a real server, and minutes of it


_OPEN = []


def client(url):
    """A connection that is closed when the test is over."""
    _OPEN.append(httpx.Client(base_url=url, timeout=60))
    return _OPEN[-1]


@pytest.fixture(autouse=True)
def connections():
    yield
    while _OPEN:
        _OPEN.pop().close()


class Caller:
    """A visitor who knows Gradio's routes."""

    def __init__(self, server):
        self.server = server
        self.http = client(server.url)
        self.session = uuid.uuid4().hex[:11]
        self.http.get("/")
        self.config = self.http.get("/config").json()

    def upload(self, name="clip.mp4", content=CLIP):
        files = {"files": (name, content, "video/mp4")}
        return self.http.post("/gradio_api/upload", files=files)

    def file(self, path):
        return self.http.get(f"/gradio_api/file={path}").status_code

    def button(self, index):
        """The number of the function behind the k-th queued button."""
        found = [d["id"] for d in self.config["dependencies"] if d["queue"] is not False]
        return found[index]

    def make(self, given, steps=2, button=0):
        data = None if given is None else {"path": str(given), "meta": {"_type": "gradio.FileData"}}
        fields = ["v2a", data, "rain", False, 0, 1.0, steps, "default", "pocket", 4.0]
        return self.join(self.button(button), fields)

    def join(self, fn_index, data):
        body = {"fn_index": fn_index, "data": data, "session_hash": self.session}
        return self.http.post("/gradio_api/queue/join", json=body)

    def outputs(self, until="process_completed"):
        """What the queue tells until the job is over."""
        told = []
        url = f"/gradio_api/queue/data?session_hash={self.session}"
        with self.http.stream("GET", url) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    told.append(json.loads(line.removeprefix("data: ")))
                    if told[-1]["msg"] == until:
                        break
        return told


@pytest.fixture
def caller(server):
    return Caller(server)


def made_files(server):
    return [path for path in server.files() if "made" in path.parts]


def test_what_a_visitor_gives_and_gets_is_nobody_elses(server, caller):
    other = Caller(server)
    (given,) = caller.upload(content=CLIP + b"mine").json()
    assert caller.file(given) == 200
    assert other.file(given) == 403
    assert other.make(given).status_code == 403  # nor can it be named as an input

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
def test_no_other_file_of_the_server_can_be_read_or_given(server, caller, path):
    named = path.format(
        root=server.folder(), examples=ROOT / "examples", package=ROOT / "src" / "seehear"
    )
    assert caller.file(named) in (403, 404)
    assert caller.make(named).status_code == 403


def test_the_examples_are_everybodys(caller):
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


def test_without_the_cookie_of_the_page_nothing_is_done(server):
    stranger = client(server.url)
    files = {"files": ("a.mp4", CLIP)}
    assert stranger.post("/gradio_api/upload", files=files).status_code == 403
    assert stranger.post("/gradio_api/queue/join", json={}).status_code == 403
    assert stranger.get("/gradio_api/file=/etc/passwd").status_code == 403


def test_a_session_is_one_visitors(server, caller):
    other = Caller(server)
    (given,) = caller.upload().json()
    assert caller.make(given).status_code == 200
    other.session = caller.session
    assert other.make(None).status_code == 403
    data = other.http.get(f"/gradio_api/queue/data?session_hash={caller.session}")
    assert data.status_code == 403
    caller.outputs()


@pytest.mark.parametrize(
    "name", ["../../x.mp4", "/etc/x.mp4", "..", ".", "a/../../b.mp4", "x" * 400]
)
def test_a_trick_in_a_name_leads_nowhere_else(server, caller, name):
    before = set(server.temporary.iterdir())
    answer = caller.upload(name)
    if answer.status_code == 200:
        (path,) = answer.json()
        assert os.path.realpath(path).startswith(str(server.folder()) + "/")
    else:
        assert answer.status_code in (400, 500)
    assert set(server.temporary.iterdir()) == before
    assert caller.upload().status_code == 200


def test_too_large_an_upload_is_refused_and_leaves_nothing(server, caller):
    before = set(server.files())
    assert caller.upload(content=bytes(2 * 2**20)).status_code == 413
    assert set(server.files()) == before


def test_a_request_too_large_to_be_one_of_the_page_is_refused(caller):
    body = {"data": ["x" * 2_000_000], "fn_index": 0, "session_hash": caller.session}
    assert caller.http.post("/gradio_api/queue/join", json=body).status_code == 413
    nested = b"[" * 100_000
    assert caller.http.post("/gradio_api/queue/join", content=nested).status_code == 400


def test_when_a_page_is_closed_its_files_go_and_its_run_ends(server, caller):
    before = set(server.files())  # of visitors whose pages were never open
    url = f"/gradio_api/heartbeat/{caller.session}"
    with caller.http.stream("GET", url) as heartbeat:
        beats = heartbeat.iter_lines()  # whoever drops this hangs up
        next(beats)
        (given,) = caller.upload(content=CLIP + b"gone").json()
        (clip,) = caller.upload("left.mp4").json()
        assert caller.make(clip, steps=100).status_code == 200
        until = time.monotonic() + 60
        while not (mine := {p for p in made_files(server) if "preview" in p.name} - before):
            assert time.monotonic() < until
            time.sleep(0.1)
    until = time.monotonic() + 30
    while os.path.exists(given) or os.path.exists(clip) or mine & set(server.files()):
        assert time.monotonic() < until, "files outlive their page"
        time.sleep(0.1)
    # The run has ended: the next one of somebody else's does not wait for 100 steps.
    other = Caller(server)
    (theirs,) = other.upload().json()
    began = time.monotonic()
    other.make(theirs)
    other.outputs()
    assert time.monotonic() - began < 25


def test_the_queue_has_an_end(tmp_path):
    with started(tmp_path, "--max-waiting", "1", "--auth", "me:secret") as server:
        folder = server.folder()
        # Without name and password nothing is done, with them it is.
        stranger = client(server.url)
        stranger.get("/")
        assert stranger.post("/gradio_api/upload", files={"files": ("a", b"a")}).status_code == 401
        login = stranger.post("/login", data={"username": "me", "password": "wrong"})
        assert login.status_code == 400
        members = []
        for _ in range(3):
            member = client(server.url)
            member.get("/")
            data = {"username": "me", "password": "secret"}
            assert member.post("/login", data=data).status_code == 200
            members.append(member)
        config = members[0].get("/config").json()
        button = next(d["id"] for d in config["dependencies"] if d["queue"] is not False)
        statuses = []
        for k, member in enumerate(members):
            (given,) = member.post("/gradio_api/upload", files={"files": ("a.mp4", CLIP)}).json()
            file = {"path": given, "meta": {"_type": "gradio.FileData"}}
            fields = ["v2a", file, "rain", False, 0, 1.0, 100, "default", "pocket", 4.0]
            body = {"fn_index": button, "data": fields, "session_hash": f"session{k}"}
            statuses.append(member.post("/gradio_api/queue/join", json=body).status_code)
            time.sleep(1)
        assert statuses == [200, 200, 503]
    # Ended by a signal in the middle of a run, it leaves nothing behind.
    assert server.process.returncode == 0
    assert not folder.exists()
