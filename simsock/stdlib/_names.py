"""The resolver: ``getaddrinfo`` and its family.

Owns names of hosts and services. Does not know socket objects. Law: a name resolves to hosts of the world only; nothing asks the real
resolver. Simpler than reality: IPv4 addresses come before IPv6 ones.
"""

from __future__ import annotations

import re
import socket as _real
from functools import lru_cache
from operator import index
from typing import Any

from simsock.kernel import failures, session
from simsock.net.addresses import AF_INET, AF_INET6, ANY_V4, ANY_V6, LOOPBACK_V4, LOOPBACK_V6, canonical, is_v6, mapped, unmapped
from simsock.net.fabric import LOCALHOST, Fabric, Host, fabric_of
from simsock.net.interfaces import INTERFACES
from simsock.net.resolver import UNKNOWN
from simsock.stdlib._refusals import explain, unknown
from simsock.stdlib._services import SERVICES, service_at

# Plain integers: CPython's flag classes take microseconds to combine.
_AI_PASSIVE, _AI_NUMERICHOST, _AI_CANONNAME = int(_real.AI_PASSIVE), int(_real.AI_NUMERICHOST), int(_real.AI_CANONNAME)
_AI_V4MAPPED, _AI_NUMERICSERV = int(_real.AI_V4MAPPED), int(_real.AI_NUMERICSERV)

gaierror = _real.gaierror


def fabric() -> Fabric:
    """The net of the active world."""
    return fabric_of(session.kernel())


def current_host() -> Host:
    """The host that the current task runs on."""
    kernel = session.kernel()
    host: Host = kernel.current.host
    return host


def no_such_name(name: str) -> OSError:
    """EAI_NONAME."""
    return _refuse(_real.EAI_NONAME, "Name or service not known")


_LABEL_MAX = 63
_NUMBERS = re.compile(r"(0x[0-9a-f]+|[0-9]+)(\.(0x[0-9a-f]+|[0-9]+)){0,3}", re.IGNORECASE)


def literal(name: str) -> str | None:
    """The address that a text is, also in inet_aton(3)'s forms such as ``127.1``; None when it is none."""
    ip = canonical(name)
    if ip is None and _NUMBERS.fullmatch(name):
        try:
            return _real.inet_ntoa(_real.inet_aton(name))
        except OSError:
            return None
    return ip


def _ask(name: str) -> list[str]:
    """Ask the world's resolver, which may be slow or fail as a test has ordered."""
    net, kernel = fabric(), session.kernel()
    ordered = net.resolver.order_for(name)
    if ordered is not None:
        order, fault = ordered
        if order.delay_ns:
            fault.times += 1
            kernel.sleep(order.delay_ns)
        if order.fail and (order.chance >= 1 or kernel.tape.stream(f"resolver {name.lower()} {order.fail}").chance(order.chance)):
            fault.times += 1
            if order.fail == UNKNOWN:
                raise no_such_name(name)
            raise _refuse(_real.EAI_AGAIN, "Temporary failure in name resolution")
        if order.addresses:
            fault.times += 1
            return list(order.addresses)
    host = net.known(name)
    if host is None:
        error = no_such_name(name)
        explain(error, unknown(net, name))
        raise error
    net.asked.add(host.name)
    return list(host.addresses)


def resolve(name: Any, families: tuple[int, ...] = (AF_INET, AF_INET6)) -> list[str]:
    """The addresses of a host name or address literal, of the families asked for, IPv4 first. Raises ``gaierror``."""
    if isinstance(name, (bytes, bytearray)):
        name = bytes(name).decode("ascii")
    if not name.isascii() or len(name) > _LABEL_MAX:
        name = name.encode("idna").decode("ascii")
    ip = literal(name)
    if ip is not None:
        found = [ip if AF_INET6 in families else unmapped(ip)]
    elif name.lower() == LOCALHOST or name.lower().endswith("." + LOCALHOST):
        found = [LOOPBACK_V4, LOOPBACK_V6]
    else:
        session.kernel().log.append((session.kernel().now, session.kernel().current.path, "resolve", name))
        found = _ask(name)
    answer = [ip for ip in found if (AF_INET6 if is_v6(ip) else AF_INET) in families]
    if not answer:
        raise _refuse(_real.EAI_ADDRFAMILY, "Address family for hostname not supported")
    return answer


def _refuse(number: int, text: str) -> OSError:
    failures.tell(number)
    return gaierror(number, text)


def _service(port: Any) -> Any:
    """The service as an integer, or as text that names one; None for no service. CPython's and glibc's checks."""
    if isinstance(port, int):
        if port >= 0:
            return port & 0xFFFF
        port = str(port)
    if isinstance(port, str):
        port = port.encode()
    if port is None or isinstance(port, bytes):
        text = (port or b"0").decode(errors="surrogateescape").strip()
        return (int(text) & 0xFFFF) if text.removeprefix("+").isdigit() else text
    raise OSError("Int or String expected")


_KINDS = ((_real.SOCK_STREAM, 6, "tcp"), (_real.SOCK_DGRAM, 17, "udp"), (_real.SOCK_DGRAM, 136, "udplite"), (_real.SOCK_RAW, 0, ""))
"""What glibc's getaddrinfo() offers: UDP-Lite to who asks for it, raw sockets take every protocol, and no service."""
_FLAGS = 0x3FF | 0x400
"""The flags that glibc knows."""


@lru_cache(maxsize=1024)
def _kinds(service: Any, given: bool, type: int, proto: int, flags: int) -> list[tuple[Any, int, int]]:
    """(socket type, protocol, port) of the rows for each address."""
    wanted = []
    for entry in _KINDS:
        if type in (0, entry[0]) and (proto == entry[1] or (proto == 0 and entry[1] != 136) or (entry[1] == 0 and (type or proto not in (6, 17, 136)))):
            wanted.append(entry)
    if not wanted:
        raise _refuse(_real.EAI_SOCKTYPE, "ai_socktype not supported")
    if isinstance(service, str) and flags & _AI_NUMERICSERV:
        raise _refuse(_real.EAI_NONAME, "Name or service not known")
    rows = []
    for kind, protocol, name in wanted:
        port = service if isinstance(service, int) else SERVICES.get(name, {}).get(service)
        if port is None or (protocol == 0 and given and (type or proto)):
            continue
        rows.append((kind, protocol or proto, port))
    if not rows:
        raise _refuse(_real.EAI_SERVICE, "Servname not supported for ai_socktype")
    return rows


def _scope(host: str) -> int:
    """The interface of an address such as ``fe80::1%eth0``."""
    _, _, name = host.partition("%")
    if not name:
        return 0
    if name.isdigit():
        return int(name)
    if name not in INTERFACES:
        raise no_such_name(host)
    return INTERFACES[name]


def getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> list[tuple[Any, Any, int, str, Any]]:
    """The addresses under which ``host`` and ``port`` can be reached, as (family, type, proto, canonical name, address)."""
    kernel = session.kernel()
    kernel.point()
    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode("ascii")
    elif host is not None and not isinstance(host, str):
        raise TypeError("getaddrinfo() argument 1 must be string or None")
    service = _service(port)
    family, type, flags = int(family), int(type), int(flags)
    if flags & ~_FLAGS:
        raise _refuse(_real.EAI_BADFLAGS, "Bad value for ai_flags")
    if family not in (0, AF_INET, AF_INET6):
        raise _refuse(_real.EAI_FAMILY, "ai_family not supported")
    if host is None and port is None:
        raise no_such_name("")
    kinds = _kinds(service, port is not None, type, proto, flags)
    scope = 0
    if host is None:
        # glibc's orders, odd as they are.
        found = [ANY_V4, ANY_V6] if flags & _AI_PASSIVE else [LOOPBACK_V6, LOOPBACK_V4]
        found = [ip for ip in found if family in (0, AF_INET6 if is_v6(ip) else AF_INET)]
    elif not host:
        raise no_such_name(host)
    else:
        if flags & _AI_NUMERICHOST and literal(host) is None:
            raise no_such_name(host)
        scope = _scope(host) if "%" in host else 0
        mapping = flags & _AI_V4MAPPED and family == AF_INET6
        found = resolve(host, (family,) if family and not mapping else (AF_INET, AF_INET6))
        if mapping:
            found = [ip for ip in found if is_v6(ip)] or [mapped(ip) for ip in found]
    name = host if flags & _AI_CANONNAME and isinstance(host, str) else ""
    rows = []
    for ip in found:
        af = _real.AF_INET6 if is_v6(ip) else _real.AF_INET
        for kind, protocol, number in kinds:
            rows.append((af, kind, protocol, name, (mapped(unmapped(ip)), number, 0, scope) if is_v6(ip) else (ip, number)))
            name = ""
    return rows


def gethostbyname(hostname: Any, /) -> str:
    """The IPv4 address of a host."""
    session.kernel().point()
    if not isinstance(hostname, (str, bytes, bytearray)):
        raise TypeError(f"gethostbyname() argument 1 must be str, bytes or bytearray, not {type(hostname).__name__}")
    if hostname == "<broadcast>":
        return "255.255.255.255"
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


def getnameinfo(sockaddr: Any, flags: int, /) -> tuple[str, str]:
    """(host, service) of an address, as names or, with ``NI_NUMERICHOST`` and ``NI_NUMERICSERV``, as numbers."""
    session.kernel().point()
    if not isinstance(sockaddr, tuple):
        raise TypeError("getnameinfo() argument 1 must be a tuple")
    if not 2 <= len(sockaddr) <= 4:
        raise TypeError("getnameinfo(): illegal sockaddr argument")
    number = index(sockaddr[1])
    if len(sockaddr) > 2 and not 0 <= sockaddr[2] <= 0xFFFFF:
        raise OverflowError("getnameinfo(): flowinfo must be 0-1048575.")
    ip = literal(sockaddr[0])
    if ip is None:
        raise no_such_name(sockaddr[0])
    if number < 0:
        raise _refuse(_real.EAI_SERVICE, "Servname not supported for ai_socktype")
    if not is_v6(ip) and len(sockaddr) != 2:
        raise OSError("IPv4 sockaddr must be 2 tuple")
    name = None if flags & _real.NI_NUMERICHOST else fabric().name_of(ip)
    if name is None and flags & _real.NI_NAMEREQD:
        raise no_such_name(ip)
    number &= 0xFFFF
    service = None if flags & _real.NI_NUMERICSERV else service_at(number, "udp" if flags & _real.NI_DGRAM else "tcp")
    return name or ip, service or str(number)
