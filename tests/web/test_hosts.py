"""Names by which the server may be addressed."""

import pytest

from seehear.web.hosts import Hosts
from seehear.web.refusals import Refusal


def status(hosts, *values):
    try:
        hosts.check(list(values))
    except Refusal as refusal:
        return refusal.status
    return 200


@pytest.mark.parametrize("value", ["localhost", "localhost:7860", "127.0.0.1:1", "[::1]:7860"])
def test_loopback_names_are_accepted(value):
    assert status(Hosts("127.0.0.1"), value) == 200
    assert status(Hosts("192.168.1.5"), value) == 200


def test_other_names_are_accepted_only_if_allowed():
    assert status(Hosts("127.0.0.1"), "music.example") == 421
    assert status(Hosts("127.0.0.1", ["music.example"]), "Music.Example.:443") == 200
    assert status(Hosts("127.0.0.1", ["music.example"]), "evil-music.example") == 421
    assert status(Hosts("127.0.0.1", ["*"]), "music.example") == 200
    assert status(Hosts("192.168.1.5"), "192.168.1.5:7860") == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_server_for_all_machines_accepts_addresses_but_no_names(host):
    assert status(Hosts(host), "192.168.1.5:7860") == 200
    assert status(Hosts(host), "[fe80::1]") == 200
    assert status(Hosts(host), "rebound.example") == 421


@pytest.mark.parametrize(
    "values", [(), ("",), ("localhost", "localhost"), ("a b",), ("localhost:x",), ("a@localhost",)]
)
def test_anything_but_one_host_is_refused(values):
    assert status(Hosts("127.0.0.1", ["*"]), *values) == 400
