"""Failed logins of an address are followed by growing pauses."""

import ipaddress
import math
import time

from seehear.web.refusals import Refusal

FREE_FAILURES = 3  # then the pause is 2 s, and doubles with each failure
MAX_PAUSE_S = 300.0
FORGET_S = 3600.0  # after the last failure
MAX_ADDRESSES = 10_000


class Logins:
    """Counts the failed logins of each address."""

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, float]] = {}  # number, time of the last one

    def begin(self, address: str) -> None:
        """Count an attempt as failed until `succeed`, so that parallel attempts count too.

        Raises:
            Refusal: The pause after the last failure is not over.
        """
        now_s, key = time.monotonic(), _network(address)
        number, last_s = self._failures.get(key, (0, now_s))
        if now_s - last_s > FORGET_S:
            number = 0
        left_s = last_s + _pause_s(number) - now_s
        if left_s > 0:
            wait_s = math.ceil(left_s)
            raise Refusal(429, f"too many failed logins; try again in {wait_s} s", wait_s)
        self._failures.pop(key, None)
        self._failures[key] = (number + 1, now_s)  # at the end: the oldest is first
        if len(self._failures) > MAX_ADDRESSES:
            del self._failures[next(iter(self._failures))]

    def succeed(self, address: str) -> None:
        """Forget the failures of an address."""
        self._failures.pop(_network(address), None)


def _pause_s(failures: int) -> float:
    if failures < FREE_FAILURES:
        return 0.0
    return min(MAX_PAUSE_S, 2.0 ** min(failures - FREE_FAILURES + 1, 20))


def _network(address: str) -> str:
    """The address, or the /64 network of an IPv6 address, which one machine can use as a whole."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
