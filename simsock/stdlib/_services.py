"""Names of services, protocols and interfaces: what the system reads from files and from the kernel, in short fixed tables.

Owns ``getservbyname`` and its relatives. Knows no hosts. Law: nothing is read from this machine.
"""

from __future__ import annotations

from operator import index

from simsock.kernel import session
from simsock.net.interfaces import INTERFACES
from simsock.net.sockets import os_error

_TCP = (
    "qotd 17, ftp-data 20, ftp 21, ssh 22, telnet 23, smtp 25, mail 25, gopher 70, finger 79, http 80, www 80, pop3 110, pop-3 110, auth 113, nntp 119, "
    "netbios-ssn 139, imap2 143, imap 143, bgp 179, microsoft-ds 445, submissions 465, smtps 465, exec 512, login 513, shell 514, printer 515, "
    "submission 587, rsync 873, ftps 990, telnets 992, imaps 993, pop3s 995, socks 1080, mysql 3306, xmpp-client 5222, postgresql 5432, amqps 5671, "
    "amqp 5672, x11 6000, redis 6379, http-alt 8080, webcache 8080, git 9418"
)
_UDP = "tftp 69, ntp 123, syslog 514"
_BOTH = "echo 7, discard 9, daytime 13, time 37, domain 53, kerberos 88, sunrpc 111, snmp 161, ldap 389, https 443, ldaps 636, domain-s 853, nfs 2049, sip 5060"


def _read(table: str) -> dict[str, int]:
    return {name: int(port) for name, port in (entry.split() for entry in table.split(", "))}


SERVICES = {"tcp": _read(_BOTH) | _read(_TCP), "udp": _read(_BOTH) | _read(_UDP)}
"""Ports by protocol and name, from IANA's registry; of several names for one port the first is the one that is told."""
PROTOCOLS = {"ip": 0, "icmp": 1, "tcp": 6, "udp": 17, "ipv6": 41, "ipv6-icmp": 58, "sctp": 132, "udplite": 136}


def service_at(port: int, protocol: str) -> str | None:
    """The name of a port, or None."""
    return next((name for name, number in SERVICES.get(protocol, {}).items() if number == port), None)


def getservbyname(servicename: str, protocolname: str | None = None, /) -> int:
    """The port of a service of the table."""
    for protocol in (protocolname,) if protocolname is not None else ("tcp", "udp"):
        port = SERVICES.get(protocol, {}).get(servicename)
        if port is not None:
            return port
    raise OSError("service/proto not found")


def getservbyport(port: int, protocolname: str | None = None, /) -> str:
    """The service of a port of the table."""
    port = index(port)
    if not 0 <= port <= 0xFFFF:
        raise OverflowError("getservbyport: port must be 0-65535.")
    for protocol in (protocolname,) if protocolname is not None else ("tcp", "udp"):
        name = service_at(port, protocol)
        if name is not None:
            return name
    raise OSError("port/proto not found")


def getprotobyname(protocolname: str, /) -> int:
    """The number of a protocol."""
    number = PROTOCOLS.get(protocolname)
    if number is None:
        raise OSError("protocol not found")
    return number


def if_nameindex() -> list[tuple[int, str]]:
    """(number, name) of every interface of a host."""
    session.kernel().point()
    return [(number, name) for name, number in INTERFACES.items()]


def if_nametoindex(oname: str | bytes, /) -> int:
    """The number of an interface. Raises ``OSError`` when there is no such one."""
    name = oname.decode(errors="surrogateescape") if isinstance(oname, bytes) else oname
    if not isinstance(name, str):
        raise TypeError(f"expected str, bytes or os.PathLike object, not {type(name).__name__}")
    if name not in INTERFACES:
        raise OSError("no interface with this name")
    return INTERFACES[name]


def if_indextoname(if_index: int, /) -> str:
    """The name of an interface. Raises ENXIO when there is no such one."""
    number = index(if_index)
    if not -(1 << 63) <= number < 1 << 64:
        raise OverflowError("Python int too large to convert to C long")
    for name, known in INTERFACES.items():
        if known == number:
            return name
    raise os_error(6)
