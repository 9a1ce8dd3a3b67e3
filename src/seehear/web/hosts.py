"""Names by which the server may be addressed, against DNS rebinding.

A foreign page can give its own host name the address 127.0.0.1. The browser then sends requests of
that page to this server, with the foreign name in the Host header.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable

from seehear.web.refusals import Refusal

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::\d{1,5})?", re.ASCII)


class Hosts:
    """The accepted values of the Host header."""

    def __init__(self, host: str, others: Iterable[str] = ()):
        """Accept the loopback names, the address of the server, and others.

        Args:
            host: The address that the server listens on. With 0.0.0.0 or ::, every IP address and
                this machine's name are accepted, since rebinding needs a name of its own.
            others: Further names, without port; "*" accepts all.
        """
        names = [*_LOOPBACK, host, *others]
        self._is_everywhere = host in ("0.0.0.0", "::", "")
        if self._is_everywhere:
            names += [socket.gethostname(), socket.getfqdn()]
        self._names = {name.lower().strip("[]").rstrip(".") for name in names}

    def check(self, values: list[str]) -> None:
        """Refuse a request by its Host headers.

        Raises:
            Refusal: Not exactly one header, or not a name of this server.
        """
        found = _HOST.fullmatch(values[0].lower()) if len(values) == 1 else None
        if found is None:
            raise Refusal(400, "expected one Host header with a name and a port")
        name = (found["six"] or found["name"]).rstrip(".")
        if "*" in self._names or name in self._names:
            return
        if self._is_everywhere and _is_address(name):
            return
        raise Refusal(
            421,
            f"this server is not known as {name[:100]}; use the address that it printed, or start "
            "it with --allow-host",
        )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
