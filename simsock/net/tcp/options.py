"""Options of streams that take effect: keepalive, TCP_USER_TIMEOUT, TCP_SYNCNT (tcp(7)).

PYTEST_DONT_REWRITE

Owns their numbers, bounds and defaults, as Linux's do_tcp_setsockopt() has them.
"""

from __future__ import annotations

import errno
from typing import Any

from simsock.net.sockets import IPPROTO_TCP, SOL_SOCKET, os_error
from simsock.net.tcp.keepalive import COUNT, IDLE_S, INTERVAL_S

SO_KEEPALIVE = 9
TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT, TCP_USER_TIMEOUT = 4, 5, 6, 7, 18
SYN_RETRIES = 6
"""net.ipv4.tcp_syn_retries."""

_BOUNDS = {TCP_KEEPIDLE: (1, 32_767), TCP_KEEPINTVL: (1, 32_767), TCP_KEEPCNT: (1, 127), TCP_SYNCNT: (1, 127), TCP_USER_TIMEOUT: (0, (1 << 31) - 1)}

Options = dict[tuple[int, int], Any]


def check(level: int, name: int, value: Any) -> None:
    """Raises EINVAL for a value out of bounds."""
    if level == IPPROTO_TCP and name in _BOUNDS and isinstance(value, int):
        low, high = _BOUNDS[name]
        if not low <= value <= high:
            raise os_error(errno.EINVAL)


def keepalive_times(options: Options) -> tuple[int, int, int]:
    """(seconds idle before the first probe, seconds between probes, how many)."""
    read = options.get
    return read((IPPROTO_TCP, TCP_KEEPIDLE), IDLE_S), read((IPPROTO_TCP, TCP_KEEPINTVL), INTERVAL_S), read((IPPROTO_TCP, TCP_KEEPCNT), COUNT)


def keeps_alive(options: Options) -> bool:
    """Whether SO_KEEPALIVE is on."""
    return bool(options.get((SOL_SOCKET, SO_KEEPALIVE)))


def user_timeout_ns(options: Options) -> int:
    """TCP_USER_TIMEOUT, 0 for none."""
    return int(options.get((IPPROTO_TCP, TCP_USER_TIMEOUT), 0)) * 1_000_000


def syn_tries(options: Options) -> int:
    """How often a SYN is sent."""
    return int(options.get((IPPROTO_TCP, TCP_SYNCNT), SYN_RETRIES)) + 1
