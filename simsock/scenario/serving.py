"""The server of a scenario, of whatever kind it is: a class, a handler, or a function that makes one or serves by itself.

Owns how each is brought to run on its host. Does not know clients, nor what is expected. Laws:

* the file's address is the host's; a port of 0 is any, and where the server listens is looked for then;
* a function that does not come to listen is the server's failure, and not the file's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.net.addresses import AF_INET6, is_any
from simsock.scenario.loading import SERVER_METHODS
from simsock.world.hoping import called

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.scenario.loading import Cast
    from simsock.scenario.schema import Plan
    from simsock.world.hosts import Host
    from simsock.world.simulation import Simulation

PATIENCE = "60s"
"""How long a function may take to come to listen, in virtual time."""


class Running:
    """A server that nobody can be asked about: where it is. ``server`` is None."""

    def __init__(self, host: Host, address: tuple[str, int]) -> None:
        self.host = host
        self.address = self.server_address = address
        self.server = None


def serve(plan: Plan, sim: Simulation, cast: Cast, port: int) -> Any:
    """Start the server of ``plan`` on its host, and return once clients can come."""
    name = plan.table("server")["host"]
    if cast.function is not None:
        return _by_function(sim, cast.function, sim.host(name), port)
    if cast.server_class is None:
        return sim.serve(cast.handler, host=name, port=port)
    if cast.handler is not None:
        return sim.serve(cast.server_class, cast.handler, host=name, port=port)
    host = sim.host(name)
    wants_v6 = getattr(cast.server_class, "address_family", None) == AF_INET6
    ip = next((ip for ip in host.addresses if (":" in ip) == wants_v6), None)
    if ip is None:
        raise plan.problem("server.host", name, f"it has no address for {cast.server_class.__name__}: {', '.join(host.addresses)}")
    with host:
        server = cast.server_class((ip, port))
    return sim.serve(server, host=host)


def _by_function(sim: Simulation, function: Callable[[tuple[str, int]], Any], host: Host, port: int) -> Any:
    """Call it in a task on the host. It returns a server, which is served then, or something listens when it has returned or goes on."""
    address = (next((ip for ip in host.addresses if ":" not in ip), host.addresses[0]), port)
    before = set(_listeners(host))
    told = f"the server's function {called(function)}"
    task = sim._running().spawn(function, (address,), base=getattr(function, "__name__", "server"), host=host._host, daemon=True)
    try:
        sim.run_until(lambda: task.done or set(_listeners(host)) - before, PATIENCE)
    except TimeoutError:
        raise AssertionError(f"{told}: nothing listens on host {host.name!r} after {PATIENCE}") from None
    sim.settle()  # one that makes a server has returned it by now, and one that starts a thread is served by that
    server = task.result() if task.done else None
    if all(callable(getattr(server, name, None)) for name in SERVER_METHODS):
        return sim.serve(server, host=host)
    listener = next((found for found in _listeners(host) if found not in before), None)
    if listener is None:
        raise AssertionError(
            f"{told} returned {server!r:.60}, and nothing listens on host {host.name!r}. Expected a server ({', '.join(SERVER_METHODS)}), or a listener"
        )
    return Running(host, _reached_at(host, listener))


def _listeners(host: Host) -> list[Any]:
    """Sockets that wait for clients: those that listen, and, behind them, bound ones of datagrams."""
    net = host._host
    return [*(sock for sock in net.tcp.bound() if sock.listening), *net.udp.bound()]


def _reached_at(host: Host, listener: Any) -> tuple[str, int]:
    ip, port = listener.local[:2]
    if is_any(ip):
        ip = next((own for own in host.addresses if (":" in own) == (listener.family == AF_INET6)), host.addresses[0])
    return ip, port


__all__ = ["Running", "serve"]
