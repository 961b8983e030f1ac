"""Names and addresses as Python's socket module takes and gives them.

Owns the checking of address tuples (CPython's socketmodule.c, ``getsockaddrarg``), the resolver (``getaddrinfo`` and its family) and the
form in which endpoints are reported. Does not know socket objects. Law: a name resolves to hosts of the world only; nothing asks the real
resolver. Simpler than reality: IPv4 addresses come before IPv6 ones, services are those in a short table.
"""

from __future__ import annotations

import socket as _real
from typing import Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.net.addresses import AF_INET, AF_INET6, ANY_V4, ANY_V6, LOOPBACK_V4, LOOPBACK_V6, Endpoint, canonical, is_v6, mapped, unmapped
from simsock.net.fabric import LOCALHOST, Fabric, Host

SERVICES = {"ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "http": 80, "pop3": 110, "ntp": 123, "imap2": 143, "https": 443, "syslog": 514}

_KINDS: list[tuple[Any, int]] = [(_real.SOCK_STREAM, int(_real.IPPROTO_TCP)), (_real.SOCK_DGRAM, int(_real.IPPROTO_UDP)), (_real.SOCK_RAW, 0)]
# Plain integers: CPython's flag classes take microseconds to combine.
_AI_PASSIVE, _AI_NUMERICHOST, _AI_CANONNAME = int(_real.AI_PASSIVE), int(_real.AI_NUMERICHOST), int(_real.AI_CANONNAME)

gaierror = _real.gaierror


def fabric() -> Fabric:
    """The net of the active world."""
    net: Fabric = session.kernel().state["net"]
    return net


def current_host() -> Host:
    """The host that the current task runs on."""
    kernel = session.kernel()
    host: Host = kernel.current.host
    return host


def no_such_name(name: str) -> OSError:
    """EAI_NONAME."""
    return gaierror(_real.EAI_NONAME, "Name or service not known")


def resolve(name: Any, families: tuple[int, ...] = (AF_INET, AF_INET6)) -> list[str]:
    """The addresses of a host name or address literal, of the families asked for, IPv4 first. Raises ``gaierror``."""
    if isinstance(name, (bytes, bytearray)):
        name = bytes(name).decode("ascii")
    ip = canonical(name)
    if ip is not None:
        found = [ip]
    elif name.lower() == LOCALHOST or name.lower().endswith("." + LOCALHOST):
        found = [LOOPBACK_V4, LOOPBACK_V6]
    else:
        session.kernel().log.append((session.kernel().now, session.kernel().current.path, "resolve", name))
        host = fabric().known(name)
        if host is None:
            raise no_such_name(name)
        found = list(host.addresses)
    answer = [ip for ip in found if (AF_INET6 if is_v6(ip) else AF_INET) in families]
    if not answer:
        raise gaierror(_real.EAI_ADDRFAMILY, "Address family for hostname not supported")
    return answer


def endpoint(family: int, address: Any, what: str) -> Endpoint:
    """The endpoint of a Python address; names are resolved, ``""`` is the wildcard. Errors as CPython raises them."""
    kind = "AF_INET6" if family == AF_INET6 else "AF_INET"
    if not isinstance(address, tuple):
        raise TypeError(f"{what}(): {kind} address must be tuple, not {type(address).__name__}")
    sizes = (2, 3, 4) if family == AF_INET6 else (2,)
    if len(address) not in sizes:
        shape = "(host, port[, flowinfo[, scopeid]])" if family == AF_INET6 else "(host, port)"
        raise TypeError(f"{kind} address must be a pair {shape}" if family == AF_INET else f"{kind} address must be a tuple {shape}")
    host, port = address[0], address[1]
    if not isinstance(host, (str, bytes, bytearray)):
        raise TypeError(f"str, bytes or bytearray expected, not {type(host).__name__}")
    if not hasattr(port, "__index__"):
        raise TypeError(f"'{type(port).__name__}' object cannot be interpreted as an integer")
    port = port.__index__()
    if not 0 <= port <= 0xFFFF:
        raise OverflowError(f"{what}(): port must be 0-65535.")
    if len(address) > 2 and not 0 <= address[2] <= 0xFFFFF:
        raise OverflowError(f"{what}(): flowinfo must be 0-1048575.")
    if not host:
        return (ANY_V6 if family == AF_INET6 else ANY_V4), port
    if host == "<broadcast>":
        return "255.255.255.255", port
    # Inside the net a mapped address is the IPv4 address that it stands for.
    return unmapped(resolve(host, (family,))[0]), port


def reported(family: int, found: Endpoint | None) -> Any:
    """An endpoint as ``getsockname`` and friends return it: a pair, or four values for IPv6."""
    if family == AF_INET6:
        ip, port = found or (ANY_V6, 0)
        return (mapped(ip), port, 0, 0)
    if family == AF_INET:
        ip, port = found or (ANY_V4, 0)
        return (unmapped(ip), port)
    return ""


def _port(service: Any) -> int:
    if service is None or service == "" or service == b"":
        return 0
    text = str(service) if isinstance(service, int) else service.decode() if isinstance(service, bytes) else service
    if not isinstance(text, str):
        raise OSError("Int or String expected")
    if text.isdigit():
        return int(text) & 0xFFFF
    if text in SERVICES:
        return SERVICES[text]
    raise gaierror(_real.EAI_SERVICE, "Servname not supported for ai_socktype")


def getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> list[tuple[Any, Any, int, str, Any]]:
    """The addresses under which ``host`` and ``port`` can be reached, as (family, type, proto, canonical name, address)."""
    kernel = session.kernel()
    kernel.point()
    number = _port(port)
    if host is None:
        if port is None:
            raise no_such_name("")
        # glibc's orders, odd as they are.
        found = [ANY_V4, ANY_V6] if flags & _AI_PASSIVE else [LOOPBACK_V6, LOOPBACK_V4]
        found = [ip for ip in found if family in (0, AF_INET6 if is_v6(ip) else AF_INET)]
    else:
        if flags & _AI_NUMERICHOST and canonical(host if isinstance(host, str) else host.decode()) is None:
            raise no_such_name(host)
        found = resolve(host, (family,) if family else (AF_INET, AF_INET6))
    kinds = [kind for kind in _KINDS if type in (0, kind[0]) and proto in (0, kind[1])]
    if not kinds:
        raise gaierror(_real.EAI_SOCKTYPE, "ai_socktype not supported")
    name = host if flags & _AI_CANONNAME and isinstance(host, str) else ""
    rows = []
    for ip in found:
        af = _real.AF_INET6 if is_v6(ip) else _real.AF_INET
        address: tuple[Any, ...] = (ip, number, 0, 0) if is_v6(ip) else (ip, number)
        for kind, protocol in kinds:
            rows.append((af, kind, protocol, name, address))
            name = ""
    return rows


def gethostbyname(hostname: str) -> str:
    """The IPv4 address of a host."""
    session.kernel().point()
    return resolve(hostname or ANY_V4, (AF_INET,))[0]


def gethostbyname_ex(hostname: str) -> tuple[str, list[str], list[str]]:
    """(name, aliases, IPv4 addresses) of a host."""
    session.kernel().point()
    return hostname, [], resolve(hostname, (AF_INET,))


def gethostbyaddr(ip_address: str) -> tuple[str, list[str], list[str]]:
    """(name, aliases, addresses) of the host with an address or name. Raises ``herror`` when nobody has it."""
    session.kernel().point()
    ip = resolve(ip_address)[0]
    name = fabric().name_of(ip)
    if name is None:
        raise _real.herror(1, "Unknown host")
    return name, [], [ip]


def gethostname() -> str:
    """The name of the host that the current task runs on."""
    return current_host().name


def getfqdn(name: str = "") -> str:
    """The full name of a host; here that is its name."""
    name = name.strip()
    if not name or name in (ANY_V4, ANY_V6):
        return gethostname()
    try:
        return gethostbyaddr(name)[0]
    except OSError:
        return name


def getnameinfo(sockaddr: tuple[Any, ...], flags: int) -> tuple[str, str]:
    """(host, service) of an address, as names or, with ``NI_NUMERICHOST`` and ``NI_NUMERICSERV``, as numbers."""
    session.kernel().point()
    ip = canonical(sockaddr[0])
    if ip is None:
        raise gaierror(_real.EAI_NONAME, "Name or service not known")
    name = None if flags & _real.NI_NUMERICHOST else fabric().name_of(ip)
    if name is None and flags & _real.NI_NAMEREQD:
        raise gaierror(_real.EAI_NONAME, "Name or service not known")
    number = sockaddr[1]
    service = None if flags & _real.NI_NUMERICSERV else next((text for text, port in SERVICES.items() if port == number), None)
    return name or ip, service or str(number)


def getservbyname(servicename: str, protocolname: str = "tcp") -> int:
    """The port of a service of the short table."""
    if servicename in SERVICES and protocolname in ("tcp", "udp"):
        return SERVICES[servicename]
    raise OSError("service/proto not found")


def getservbyport(port: int, protocolname: str = "tcp") -> str:
    """The service of a port of the short table."""
    for text, number in SERVICES.items():
        if number == port and protocolname in ("tcp", "udp"):
            return text
    raise OSError("port/proto not found")


def unsupported_family(family: Any) -> Unsupported:
    """The error for a family that is not simulated."""
    return Unsupported(f"socket: address family {family!r} is not simulated yet; AF_INET and AF_INET6 are")
