"""Options of streams that take effect (tcp(7)), and what TCP_INFO tells.

PYTEST_DONT_REWRITE

Owns how they are read where they are heeded, and the layout of TCP_INFO. Numbers, bounds and defaults stand in ``net/options.py``. Law: what
depends on the kernel and is not modelled is a constant (``docs/fidelity.md`` has them).
"""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from simsock.errors import Unsupported
from simsock.kernel.units import NS
from simsock.net.besides import refuse_stamps
from simsock.net.groups import refuse_of_stream
from simsock.net.options import (
    IP_MULTICAST_TTL,
    IP_TOS,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_TCP,
    IPV6_MULTICAST_HOPS,
    IPV6_MULTICAST_IF,
    IPV6_TCLASS,
    OPTIONS,
    SO_KEEPALIVE,
    SO_LINGER,
    SO_OOBINLINE,
    SO_RCVLOWAT,
    SOL_SOCKET,
    TCP_CONGESTION,
    TCP_KEEPCNT,
    TCP_KEEPIDLE,
    TCP_KEEPINTVL,
    TCP_LINGER2,
    TCP_MAXSEG,
    TCP_NOTSENT_LOWAT,
    TCP_SYNCNT,
    TCP_THIN_DUPACK,
    TCP_USER_TIMEOUT,
    Option,
)
from simsock.net.sockets import MTU, os_error
from simsock.net.tcp.congestion import INITIAL_SEGMENTS
from simsock.net.tcp.round_trip import RTO_FIRST_NS, RTO_FLOOR_NS
from simsock.net.tcp.urgent import make_odd

if TYPE_CHECKING:
    from simsock.net.tcp.stream import StreamSocket

MSS_MIN = 88
"""Linux's TCP_MIN_MSS."""
CONGESTION = b"reno"
"""What RFC 5681 is called there: the one congestion control there is."""
_OTHER_CONGESTION = {b"bbr", b"bic", b"cdg", b"cubic", b"dctcp", b"highspeed", b"htcp", b"hybla", b"illinois", b"lp", b"nv", b"scalable"} | {
    *(b"vegas", b"veno", b"westwood", b"yeah")
}
_NAME_BYTES = 16
_WITHOUT_ECN = 0xFC
"""Its two bits are the kernel's own."""
_FIN_TIMEOUT_MAX = 120
UNSENT_MAX = 0xFFFF_FFFF
"""TCP_NOTSENT_LOWAT of one that does not mind."""

Options = dict[tuple[int, int], "int | bytes"]


def _number(options: Options, number: int) -> int:
    value = options.get((IPPROTO_TCP, number), OPTIONS[IPPROTO_TCP, number].default)
    assert isinstance(value, int)
    return value


def keepalive_times(options: Options) -> tuple[int, int, int]:
    """(seconds idle before the first probe, seconds between probes, how many)."""
    return _number(options, TCP_KEEPIDLE), _number(options, TCP_KEEPINTVL), _number(options, TCP_KEEPCNT)


def keeps_alive(options: Options) -> bool:
    """Whether SO_KEEPALIVE is on."""
    return bool(options.get((SOL_SOCKET, SO_KEEPALIVE)))


def user_timeout_ns(options: Options) -> int:
    """TCP_USER_TIMEOUT, 0 for none."""
    return _number(options, TCP_USER_TIMEOUT) * 1_000_000


def syn_tries(options: Options) -> int:
    """How often a SYN is sent."""
    return _number(options, TCP_SYNCNT) + 1


def congestion_control(value: int | bytes) -> bytes:
    """What TCP_CONGESTION may be set to, as it is read back. Raises ENOENT for a name that nobody has, ``Unsupported`` for Linux's others."""
    assert isinstance(value, bytes)
    name = value.partition(b"\0")[0]
    if name in _OTHER_CONGESTION:
        raise Unsupported(f"setsockopt: TCP_CONGESTION {name.decode()!r} is not simulated; {CONGESTION.decode()!r} is")
    if name != CONGESTION:
        raise os_error(errno.ENOENT)
    return name.ljust(_NAME_BYTES, b"\0")


def stored(where: tuple[int, int], value: int | bytes) -> int | bytes:
    """How a stream stores an option that has no effect here. Raises for those that only datagrams have."""
    if where == (IPPROTO_IP, IP_MULTICAST_TTL):
        raise os_error(errno.EINVAL)
    if where in ((IPPROTO_IPV6, IPV6_MULTICAST_HOPS), (IPPROTO_IPV6, IPV6_MULTICAST_IF)):
        raise os_error(errno.ENOPROTOOPT)
    if where in ((IPPROTO_IP, IP_TOS), (IPPROTO_IPV6, IPV6_TCLASS)):
        return int(value) & _WITHOUT_ECN
    if where == (IPPROTO_TCP, TCP_LINGER2):
        return -1 if int(value) < 0 or int(value) > _FIN_TIMEOUT_MAX else value or OPTIONS[where].default
    return 0 if where == (IPPROTO_TCP, TCP_THIN_DUPACK) else value


def heed(stream: StreamSocket, option: Option, value: int | bytes) -> int | bytes:
    """Have an option that only streams heed take effect; returns what is read back. Raises for those that only datagrams have."""
    where = option.level, option.number
    if where == (SOL_SOCKET, SO_LINGER):
        assert isinstance(value, bytes)
        on, seconds = struct.unpack_from("ii", value)
        stream.linger_reset = bool(on) and not seconds
        stream.linger_ns = max(0, seconds) * NS if on else 0
        return struct.pack("ii", bool(on), seconds)
    if where == (SOL_SOCKET, SO_RCVLOWAT):
        most = max(1, stream.receive_bytes_max >> 1)
        stream.lowat = most if int(value) < 0 else min(int(value) or 1, most)
        if stream.lowat > 1:
            make_odd(stream)
        stream.wake_readers()
        return stream.lowat
    if where == (SOL_SOCKET, SO_OOBINLINE):
        stream.inline = bool(value)
    elif where == (IPPROTO_TCP, TCP_MAXSEG):
        if value and int(value) < MSS_MIN:
            raise os_error(errno.EINVAL)
        stream.segment_limit = int(value)
    elif where == (IPPROTO_TCP, TCP_NOTSENT_LOWAT):
        stream.unsent_max = (int(value) & UNSENT_MAX) or UNSENT_MAX
    elif where == (IPPROTO_TCP, TCP_CONGESTION):
        return congestion_control(value)
    else:
        refuse_of_stream(option)
        refuse_stamps(option, value)
        return stored(where, value)
    return value


_STATES = {
    "ESTABLISHED": 1,
    "SYN-SENT": 2,
    "SYN-RECEIVED": 3,
    "FIN-WAIT-1": 4,
    "FIN-WAIT-2": 5,
    "TIME-WAIT": 6,
    "CLOSED": 7,
    "CLOSE-WAIT": 8,
    "LAST-ACK": 9,
    "LISTEN": 10,
    "CLOSING": 11,
}
"""tcp_states.h's numbers."""
_INFO = struct.Struct("=8B24I")
_INFO_BYTES = 248
"""``struct tcp_info`` of Linux 6.18; what comes after its first 104 bytes is not counted here, and 0."""
_SACK_AND_SCALES = 0x02 | 0x04
_SCALES = 0x77
"""Window scales of both ends, as captures have them."""
_REORDERING = 3


def info(stream: StreamSocket) -> bytes:
    """TCP_INFO."""
    state, sender, mss = stream.state, stream.sender, stream.segment_bytes
    connected = state.connected
    rto_ns, rtt_ns, variation_ns = RTO_FIRST_NS, 0, 0
    window, threshold = INITIAL_SEGMENTS, 0x7FFF_FFFF
    unacknowledged = sacked = lost = again = 0
    if sender is not None:
        trip, segments = sender.round_trip, sender.segments
        rto_ns, rtt_ns, variation_ns = trip.timeout_ns, max(0, trip.smoothed_ns), trip.variation_ns
        window = max(1, sender.congestion.window // mss)
        threshold = min(threshold, sender.congestion.threshold // mss)
        unacknowledged = len(segments)
        sacked, lost = sum(segment.sacked for segment in segments), sum(segment.lost for segment in segments)
        again = sum(segment.again for segment in segments)
    elif connected:
        rtt_ns = stream.first_round_trip_ns or 0
        rto_ns, variation_ns = rtt_ns + max(RTO_FLOOR_NS, 2 * rtt_ns), rtt_ns // 2
    head = (_STATES[state.name], 0, 0, 0, 0, _SACK_AND_SCALES if connected else 0, _SCALES if connected else 0, state.name != "LISTEN")
    room = stream.receive_bytes_max
    counts = (*(rto_ns // 1000, 0, mss, mss if connected else 0, unacknowledged, sacked, lost, again, 0), *(0, 0, 0, 0), MTU if connected else 0, room)
    rest = (rtt_ns // 1000, variation_ns // 1000, threshold, window, mss if connected else 0, _REORDERING, 0, room, 0)
    return _INFO.pack(*head, *counts, *rest).ljust(_INFO_BYTES, b"\0")
