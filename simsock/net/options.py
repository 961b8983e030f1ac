"""Socket options: one table of what each is, and what it does here.

Owns levels, numbers, names, kinds, bounds, defaults, and one of four effects. Does not know sockets: what is heeded stands where it is done. Laws:

* an option that is not in the table is ``Unsupported``, unless Linux does not know its number either: then it is ``ENOPROTOOPT``, as there;
* ``stored`` is only what no program in a world could notice: there is no machine behind it (priorities, debugging), or what it asks for is so anyway;
* ``refused`` may be read, as what Linux says of one that nobody set, and set to just that.
"""

from __future__ import annotations

from typing import Literal

from simsock.tuples import NamedTuple

SOL_SOCKET, IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IPV6, IPPROTO_UDPLITE = 1, 0, 6, 17, 41, 136

SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_BROADCAST, SO_SNDBUF, SO_RCVBUF, SO_KEEPALIVE, SO_OOBINLINE = 2, 3, 4, 6, 7, 8, 9, 10
SO_LINGER, SO_REUSEPORT = 13, 15
SO_RCVLOWAT, SO_BINDTODEVICE = 18, 25
SO_PASSCRED, SO_PEERCRED, SO_RCVTIMEO, SO_SNDTIMEO, SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN = 16, 17, 20, 21, 30, 38, 39
IP_TOS, IP_MTU_DISCOVER, IP_MTU, IP_BIND_ADDRESS_NO_PORT, IP_MULTICAST_IF, IP_MULTICAST_TTL, IP_MULTICAST_LOOP = 1, 10, 14, 24, 32, 33, 34
IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, MCAST_JOIN_GROUP, MCAST_LEAVE_GROUP, IP_MULTICAST_ALL = 35, 36, 42, 45, 49
TCP_MAXSEG, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT, TCP_LINGER2, TCP_INFO, TCP_CONGESTION = 2, 4, 5, 6, 7, 8, 11, 13
TCP_THIN_DUPACK, TCP_USER_TIMEOUT, TCP_NOTSENT_LOWAT = 17, 18, 25
UDPLITE_SEND_CSCOV, UDPLITE_RECV_CSCOV = 10, 11
IPV6_MULTICAST_IF, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_LOOP, IPV6_JOIN_GROUP, IPV6_LEAVE_GROUP = 17, 18, 19, 20, 21
IPV6_MTU_DISCOVER, IPV6_MTU, IPV6_V6ONLY, IPV6_MULTICAST_ALL, IPV6_DONTFRAG, IPV6_TCLASS = 23, 24, 26, 29, 62, 67
"""asm-generic/socket.h's, in.h's, tcp.h's and in6.h's numbers."""

Effect = Literal["heeded", "stored", "refused", "read"]
"""``read``: it tells something, and cannot be set."""
Kind = Literal["switch", "number", "bytes"]
"""``switch``: read back as 0 or 1 whatever it was set to."""

_INT_MAX = (1 << 31) - 1
_ANY = (-_INT_MAX - 1, _INT_MAX)


class Option(NamedTuple):
    """One option."""

    level: int
    number: int
    name: str
    effect: Effect
    kind: Kind = "switch"
    default: int = 0
    low: int = _ANY[0]
    high: int = _ANY[1]
    size: int = 4
    """How many bytes a value has at least."""
    only: str = ""
    """For which sockets it is: ``"unix"``; empty for all that know the level."""
    resets: bool = False
    """-1 stands for the default."""
    order: bool = False
    """It is done, and leaves nothing to be read back."""

    @property
    def unset(self) -> int | bytes:
        """What is read of one that nobody has set."""
        return bytes(self.size) if self.kind == "bytes" else self.default


_SOCKET: tuple[Option, ...] = (
    Option(SOL_SOCKET, 1, "SO_DEBUG", "stored"),
    Option(SOL_SOCKET, 2, "SO_REUSEADDR", "heeded"),
    Option(SOL_SOCKET, 3, "SO_TYPE", "read"),
    Option(SOL_SOCKET, 4, "SO_ERROR", "read"),
    Option(SOL_SOCKET, 5, "SO_DONTROUTE", "stored"),
    Option(SOL_SOCKET, 6, "SO_BROADCAST", "heeded"),
    Option(SOL_SOCKET, 7, "SO_SNDBUF", "heeded", "number"),
    Option(SOL_SOCKET, 8, "SO_RCVBUF", "heeded", "number"),
    Option(SOL_SOCKET, 9, "SO_KEEPALIVE", "heeded"),
    Option(SOL_SOCKET, 10, "SO_OOBINLINE", "heeded"),
    Option(SOL_SOCKET, 12, "SO_PRIORITY", "stored", "number"),
    Option(SOL_SOCKET, 13, "SO_LINGER", "heeded", "bytes", size=8),
    Option(SOL_SOCKET, 15, "SO_REUSEPORT", "heeded"),
    Option(SOL_SOCKET, 16, "SO_PASSCRED", "heeded", only="unix"),
    Option(SOL_SOCKET, 17, "SO_PEERCRED", "read", "bytes", size=12),
    Option(SOL_SOCKET, 18, "SO_RCVLOWAT", "heeded", "number", 1),
    Option(SOL_SOCKET, 19, "SO_SNDLOWAT", "read", "number", 1),
    Option(SOL_SOCKET, 20, "SO_RCVTIMEO", "heeded", "bytes", size=16),
    Option(SOL_SOCKET, 21, "SO_SNDTIMEO", "heeded", "bytes", size=16),
    Option(SOL_SOCKET, 25, "SO_BINDTODEVICE", "heeded", "bytes", size=0),
    Option(SOL_SOCKET, 26, "SO_ATTACH_FILTER", "refused", "bytes", size=0),
    Option(SOL_SOCKET, 29, "SO_TIMESTAMP", "heeded"),
    Option(SOL_SOCKET, 30, "SO_ACCEPTCONN", "read"),
    Option(SOL_SOCKET, 34, "SO_PASSSEC", "stored", only="unix"),
    Option(SOL_SOCKET, 35, "SO_TIMESTAMPNS", "heeded"),
    Option(SOL_SOCKET, 36, "SO_MARK", "stored", "number"),
    Option(SOL_SOCKET, 37, "SO_TIMESTAMPING", "refused", "number"),
    Option(SOL_SOCKET, 38, "SO_PROTOCOL", "read"),
    Option(SOL_SOCKET, 39, "SO_DOMAIN", "read"),
    Option(SOL_SOCKET, 40, "SO_RXQ_OVFL", "refused"),
    Option(SOL_SOCKET, 41, "SO_WIFI_STATUS", "refused"),
    Option(SOL_SOCKET, 42, "SO_PEEK_OFF", "refused", "number", -1),
    Option(SOL_SOCKET, 43, "SO_NOFCS", "refused"),
    Option(SOL_SOCKET, 44, "SO_LOCK_FILTER", "refused"),
    Option(SOL_SOCKET, 45, "SO_SELECT_ERR_QUEUE", "stored"),
    Option(SOL_SOCKET, 46, "SO_BUSY_POLL", "stored", "number", low=0),
    Option(SOL_SOCKET, 47, "SO_MAX_PACING_RATE", "refused", "number", -1),
    Option(SOL_SOCKET, 49, "SO_INCOMING_CPU", "stored", "number", -1),
    Option(SOL_SOCKET, 56, "SO_INCOMING_NAPI_ID", "read"),
    Option(SOL_SOCKET, 60, "SO_ZEROCOPY", "refused"),
    Option(SOL_SOCKET, 63, "SO_TIMESTAMP_NEW", "heeded"),
    Option(SOL_SOCKET, 64, "SO_TIMESTAMPNS_NEW", "heeded"),
    Option(SOL_SOCKET, 69, "SO_PREFER_BUSY_POLL", "stored"),
    Option(SOL_SOCKET, 76, "SO_PASSPIDFD", "refused", only="unix"),
)

_IP: tuple[Option, ...] = (
    Option(IPPROTO_IP, 1, "IP_TOS", "heeded", "number"),
    Option(IPPROTO_IP, 2, "IP_TTL", "heeded", "number", 64, 1, 255, resets=True),
    Option(IPPROTO_IP, 4, "IP_OPTIONS", "refused", "bytes", size=0),
    Option(IPPROTO_IP, 6, "IP_RECVOPTS", "stored"),
    Option(IPPROTO_IP, 7, "IP_RETOPTS", "stored"),
    Option(IPPROTO_IP, 8, "IP_PKTINFO", "heeded"),
    Option(IPPROTO_IP, 10, "IP_MTU_DISCOVER", "heeded", "number", 1, 0, 5),
    Option(IPPROTO_IP, 11, "IP_RECVERR", "refused"),
    Option(IPPROTO_IP, 12, "IP_RECVTTL", "heeded"),
    Option(IPPROTO_IP, 13, "IP_RECVTOS", "heeded"),
    Option(IPPROTO_IP, 14, "IP_MTU", "read", "number"),
    Option(IPPROTO_IP, 15, "IP_FREEBIND", "refused"),
    Option(IPPROTO_IP, 18, "IP_PASSSEC", "stored"),
    Option(IPPROTO_IP, 19, "IP_TRANSPARENT", "refused"),
    Option(IPPROTO_IP, 20, "IP_RECVORIGDSTADDR", "heeded"),
    Option(IPPROTO_IP, 21, "IP_MINTTL", "refused", "number"),
    Option(IPPROTO_IP, 23, "IP_CHECKSUM", "refused"),
    Option(IPPROTO_IP, 24, "IP_BIND_ADDRESS_NO_PORT", "heeded"),
    Option(IPPROTO_IP, 25, "IP_RECVFRAGSIZE", "refused"),
    Option(IPPROTO_IP, 26, "IP_RECVERR_RFC4884", "refused"),
    Option(IPPROTO_IP, 32, "IP_MULTICAST_IF", "heeded", "bytes", size=4),
    Option(IPPROTO_IP, 33, "IP_MULTICAST_TTL", "heeded", "number", 1, 0, 255, resets=True),
    Option(IPPROTO_IP, 34, "IP_MULTICAST_LOOP", "heeded", default=1),
    Option(IPPROTO_IP, 35, "IP_ADD_MEMBERSHIP", "heeded", "bytes", size=0, order=True),
    Option(IPPROTO_IP, 36, "IP_DROP_MEMBERSHIP", "heeded", "bytes", size=0, order=True),
    Option(IPPROTO_IP, 37, "IP_UNBLOCK_SOURCE", "refused", "bytes", size=12, order=True),
    Option(IPPROTO_IP, 38, "IP_BLOCK_SOURCE", "refused", "bytes", size=12, order=True),
    Option(IPPROTO_IP, 39, "IP_ADD_SOURCE_MEMBERSHIP", "refused", "bytes", size=12, order=True),
    Option(IPPROTO_IP, 40, "IP_DROP_SOURCE_MEMBERSHIP", "refused", "bytes", size=12, order=True),
    Option(IPPROTO_IP, 42, "MCAST_JOIN_GROUP", "heeded", "bytes", size=136, order=True),
    Option(IPPROTO_IP, 45, "MCAST_LEAVE_GROUP", "heeded", "bytes", size=136, order=True),
    Option(IPPROTO_IP, 49, "IP_MULTICAST_ALL", "heeded", "number", 1, 0, 1),
    Option(IPPROTO_IP, 50, "IP_UNICAST_IF", "refused", "number"),
    Option(IPPROTO_IP, 51, "IP_LOCAL_PORT_RANGE", "refused", "number"),
    Option(IPPROTO_IP, 52, "IP_PROTOCOL", "read"),
)

_TCP: tuple[Option, ...] = (
    Option(IPPROTO_TCP, 1, "TCP_NODELAY", "stored"),
    Option(IPPROTO_TCP, 2, "TCP_MAXSEG", "heeded", "number", 536, 0, 32_767),
    Option(IPPROTO_TCP, 3, "TCP_CORK", "stored"),
    Option(IPPROTO_TCP, 4, "TCP_KEEPIDLE", "heeded", "number", 7200, 1, 32_767),
    Option(IPPROTO_TCP, 5, "TCP_KEEPINTVL", "heeded", "number", 75, 1, 32_767),
    Option(IPPROTO_TCP, 6, "TCP_KEEPCNT", "heeded", "number", 9, 1, 127),
    Option(IPPROTO_TCP, 7, "TCP_SYNCNT", "heeded", "number", 6, 1, 127),
    Option(IPPROTO_TCP, 8, "TCP_LINGER2", "stored", "number", 60),
    Option(IPPROTO_TCP, 9, "TCP_DEFER_ACCEPT", "refused", "number"),
    Option(IPPROTO_TCP, 10, "TCP_WINDOW_CLAMP", "refused", "number"),
    Option(IPPROTO_TCP, 11, "TCP_INFO", "read", "bytes", size=0),
    Option(IPPROTO_TCP, 12, "TCP_QUICKACK", "stored", default=1),
    Option(IPPROTO_TCP, 13, "TCP_CONGESTION", "heeded", "bytes", size=1),
    Option(IPPROTO_TCP, 14, "TCP_MD5SIG", "refused", "bytes", size=0, order=True),
    Option(IPPROTO_TCP, 16, "TCP_THIN_LINEAR_TIMEOUTS", "refused"),
    Option(IPPROTO_TCP, 17, "TCP_THIN_DUPACK", "stored", "number", 0, 0, 1),
    Option(IPPROTO_TCP, 18, "TCP_USER_TIMEOUT", "heeded", "number", 0, 0),
    Option(IPPROTO_TCP, 19, "TCP_REPAIR", "refused"),
    Option(IPPROTO_TCP, 23, "TCP_FASTOPEN", "stored", "number", low=0),
    Option(IPPROTO_TCP, 25, "TCP_NOTSENT_LOWAT", "heeded", "number"),
    Option(IPPROTO_TCP, 27, "TCP_SAVE_SYN", "refused", "number"),
    Option(IPPROTO_TCP, 30, "TCP_FASTOPEN_CONNECT", "refused"),
    Option(IPPROTO_TCP, 31, "TCP_ULP", "refused", "bytes", size=0),
    Option(IPPROTO_TCP, 34, "TCP_FASTOPEN_NO_COOKIE", "stored", "number", 0, 0, 1),
    Option(IPPROTO_TCP, 36, "TCP_INQ", "refused"),
    Option(IPPROTO_TCP, 37, "TCP_TX_DELAY", "refused", "number"),
    Option(IPPROTO_TCP, 43, "TCP_IS_MPTCP", "read"),
)

_UDP: tuple[Option, ...] = (
    Option(IPPROTO_UDP, 1, "UDP_CORK", "refused"),
    Option(IPPROTO_UDP, UDPLITE_SEND_CSCOV, "UDPLITE_SEND_CSCOV", "heeded", "number"),
    Option(IPPROTO_UDP, UDPLITE_RECV_CSCOV, "UDPLITE_RECV_CSCOV", "heeded", "number"),
    Option(IPPROTO_UDP, 100, "UDP_ENCAP", "refused", "number"),
    Option(IPPROTO_UDP, 101, "UDP_NO_CHECK6_TX", "stored"),
    Option(IPPROTO_UDP, 102, "UDP_NO_CHECK6_RX", "stored"),
    Option(IPPROTO_UDP, 103, "UDP_SEGMENT", "refused", "number"),
    Option(IPPROTO_UDP, 104, "UDP_GRO", "stored"),
)

_IPV6: tuple[Option, ...] = (
    Option(IPPROTO_IPV6, 2, "IPV6_2292PKTINFO", "heeded"),
    Option(IPPROTO_IPV6, 8, "IPV6_2292HOPLIMIT", "heeded"),
    Option(IPPROTO_IPV6, 11, "IPV6_FLOWINFO", "refused"),
    Option(IPPROTO_IPV6, 16, "IPV6_UNICAST_HOPS", "heeded", "number", 64, 0, 255, resets=True),
    Option(IPPROTO_IPV6, 17, "IPV6_MULTICAST_IF", "heeded", "number"),
    Option(IPPROTO_IPV6, 18, "IPV6_MULTICAST_HOPS", "heeded", "number", 1, 0, 255, resets=True),
    Option(IPPROTO_IPV6, 19, "IPV6_MULTICAST_LOOP", "heeded", "number", 1, 0, 1),
    Option(IPPROTO_IPV6, 20, "IPV6_JOIN_GROUP", "heeded", "bytes", size=20, order=True),
    Option(IPPROTO_IPV6, 21, "IPV6_LEAVE_GROUP", "heeded", "bytes", size=20, order=True),
    Option(IPPROTO_IPV6, 23, "IPV6_MTU_DISCOVER", "heeded", "number", 1, 0, 5),
    Option(IPPROTO_IPV6, 24, "IPV6_MTU", "read", "number"),
    Option(IPPROTO_IPV6, 25, "IPV6_RECVERR", "refused"),
    Option(IPPROTO_IPV6, 26, "IPV6_V6ONLY", "heeded"),
    Option(IPPROTO_IPV6, 27, "IPV6_JOIN_ANYCAST", "refused", "bytes", size=20, order=True),
    Option(IPPROTO_IPV6, 29, "IPV6_MULTICAST_ALL", "heeded", default=1),
    Option(IPPROTO_IPV6, 30, "IPV6_ROUTER_ALERT_ISOLATE", "refused"),
    Option(IPPROTO_IPV6, 33, "IPV6_FLOWINFO_SEND", "refused"),
    Option(IPPROTO_IPV6, 42, "MCAST_JOIN_GROUP", "heeded", "bytes", size=136, order=True),
    Option(IPPROTO_IPV6, 45, "MCAST_LEAVE_GROUP", "heeded", "bytes", size=136, order=True),
    Option(IPPROTO_IPV6, 49, "IPV6_RECVPKTINFO", "heeded"),
    Option(IPPROTO_IPV6, 51, "IPV6_RECVHOPLIMIT", "heeded"),
    Option(IPPROTO_IPV6, 53, "IPV6_RECVHOPOPTS", "stored"),
    Option(IPPROTO_IPV6, 56, "IPV6_RECVRTHDR", "stored"),
    Option(IPPROTO_IPV6, 58, "IPV6_RECVDSTOPTS", "stored"),
    Option(IPPROTO_IPV6, 60, "IPV6_RECVPATHMTU", "refused"),
    Option(IPPROTO_IPV6, 62, "IPV6_DONTFRAG", "heeded"),
    Option(IPPROTO_IPV6, 66, "IPV6_RECVTCLASS", "heeded"),
    Option(IPPROTO_IPV6, 67, "IPV6_TCLASS", "heeded", "number", 0, 0, 255, resets=True),
    Option(IPPROTO_IPV6, 70, "IPV6_AUTOFLOWLABEL", "stored", default=1),
    Option(IPPROTO_IPV6, 73, "IPV6_MINHOPCOUNT", "refused", "number"),
    Option(IPPROTO_IPV6, 76, "IPV6_UNICAST_IF", "refused", "number"),
    Option(IPPROTO_IPV6, 77, "IPV6_RECVFRAGSIZE", "refused"),
    Option(IPPROTO_IPV6, 78, "IPV6_FREEBIND", "refused"),
)

OPTIONS = {(option.level, option.number): option for option in (*_SOCKET, *_IP, *_TCP, *_UDP, *_IPV6)}
"""Every option by level and number."""
OPTIONS.update({(IPPROTO_UDPLITE, option.number): option for option in _UDP})  # two names of one level

_LINUX = {
    SOL_SOCKET: {*range(1, 22), *range(25, 31), *range(32, 54), *range(55, 78), *range(80, 84)} - {22, 23, 24, 54, 58, 78, 79, 81},
    IPPROTO_IP: {*range(1, 27), *range(32, 53)},
    IPPROTO_TCP: {*range(1, 47)} - {15, *range(38, 43)},
    IPPROTO_UDP: {1, 10, 11, *range(100, 105)},
    IPPROTO_UDPLITE: {1, 10, 11, *range(100, 105)},
    IPPROTO_IPV6: {*range(1, 7), 8, 11, *range(16, 36), *range(42, 63), *range(64, 71), *range(72, 79), 80} - {52, 63},
}
"""The numbers that Linux knows; getsockopt(2) or setsockopt(2) says ENOPROTOOPT of others."""


def known_to_linux(level: int, number: int) -> bool:
    """Whether it means something on Linux, though perhaps nothing here."""
    return number in _LINUX.get(level, ())


def known_level(level: int) -> bool:
    """Whether there are options of this level."""
    return level in _LINUX
