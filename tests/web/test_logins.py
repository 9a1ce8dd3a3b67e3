"""Pauses after failed logins."""

import time

import pytest

from seehear.web.logins import MAX_ADDRESSES, Logins
from seehear.web.refusals import Refusal


@pytest.fixture
def clock(monkeypatch):
    """The time in seconds, which a test sets."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def wait_s(logins, address):
    """Attempt to log in; 0, or the pause that is left."""
    try:
        logins.begin(address)
    except Refusal as refusal:
        return refusal.retry_s if refusal.status == 429 else None
    return 0


def test_the_pause_doubles_with_each_failure_up_to_five_minutes(clock):
    logins, pauses = Logins(), []
    for _ in range(13):
        pauses.append(wait_s(logins, "192.0.2.1"))
        if pauses[-1]:
            clock[0] += pauses[-1]
            assert wait_s(logins, "192.0.2.1") == 0
    assert pauses == [0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_a_login_and_an_hour_end_the_pause(clock):
    logins = Logins()
    for _ in range(3):
        wait_s(logins, "192.0.2.1")
    assert wait_s(logins, "192.0.2.1") == 2
    assert wait_s(logins, "192.0.2.2") == 0
    logins.succeed("192.0.2.1")
    for _ in range(3):
        assert wait_s(logins, "192.0.2.1") == 0
    clock[0] += 3601
    for _ in range(3):
        assert wait_s(logins, "192.0.2.1") == 0


def test_addresses_of_one_ipv6_network_count_as_one(clock):
    logins = Logins()
    for k in range(3):
        assert wait_s(logins, f"2001:db8::{k}") == 0
    assert wait_s(logins, "2001:db8::ffff") == 2
    assert wait_s(logins, "2001:db8:0:1::1") == 0


def test_the_table_of_addresses_is_bounded(clock):
    logins = Logins()
    for k in range(MAX_ADDRESSES + 10):
        logins.begin(f"address {k}")
    assert len(logins._failures) == MAX_ADDRESSES
