"""Discovery by multicast: an SSDP search with plain sockets and asyncio responders, and zeroconf (``-m programs``)."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time

import pytest

import simsock

SSDP = ("239.255.255.250", 1900)
SEARCH = b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: ssdp:discover\r\nMX: 3\r\nST: ssdp:all\r\n\r\n"


class Device(asyncio.DatagramProtocol):
    """Answers a search after a while, as MX says."""

    def __init__(self, name, delay):
        self.name, self.delay = name, delay

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        if data.startswith(b"M-SEARCH"):
            answer = f"HTTP/1.1 200 OK\r\nUSN: {self.name}\r\n\r\n".encode()
            asyncio.get_running_loop().call_later(self.delay, self.transport.sendto, answer, address)


def device(name, delay, seconds):
    """A device that is there for so long."""

    async def serve():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", SSDP[1]))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("4s4s", socket.inet_aton(SSDP[0]), socket.inet_aton("0.0.0.0")))
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: Device(name, delay), sock=sock)
        await asyncio.sleep(seconds)
        transport.close()

    asyncio.run(serve())


def search(patience):
    """Who answers a search in time."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, struct.pack("b", 2))
        sock.sendto(SEARCH, SSDP)
        deadline = time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            sock.settimeout(left)
            try:
                data, (host, _) = sock.recvfrom(1500)
            except TimeoutError:
                break
            found.append((data.split(b"USN: ")[1].split(b"\r\n")[0].decode(), host))
    return found


def test_devices_on_several_hosts_answer_a_search_over_every_link(run_everywhere):
    def program(sim):
        threads = []
        for number, name in enumerate(("printer", "television", "lamp")):
            with sim.host(name):
                threads.append(threading.Thread(target=device, args=(name, number, 10)))
                threads[-1].start()
        time.sleep(1)
        with sim.host("client"):
            found = search(5)
        for thread in threads:
            thread.join()
        return [(name, host == socket.gethostbyname(name)) for name, host in found]

    assert run_everywhere(program) == [("printer", True), ("television", True), ("lamp", True)]


@pytest.mark.programs
def test_zeroconf_finds_a_service_on_another_host(sim):
    import zeroconf

    found = []

    class Listener(zeroconf.ServiceListener):
        def add_service(self, zc, kind, name):
            found.append((name, zc.get_service_info(kind, name).port))

        def update_service(self, *args):
            """Nothing changes."""

        remove_service = update_service

    with sim.host("printer") as host:
        address = host.addresses[0]
        printer = zeroconf.Zeroconf(interfaces=[address], ip_version=zeroconf.IPVersion.V4Only)
        printer.register_service(
            zeroconf.ServiceInfo("_ipp._tcp.local.", "P._ipp._tcp.local.", addresses=[socket.inet_aton(address)], port=631, server="p.local.")
        )
    with sim.host("laptop") as host:
        laptop = zeroconf.Zeroconf(interfaces=[host.addresses[0]], ip_version=zeroconf.IPVersion.V4Only)
        zeroconf.ServiceBrowser(laptop, "_ipp._tcp.local.", Listener())
    sim.sleep(5)
    laptop.close(), printer.close()
    assert found == [("P._ipp._tcp.local.", 631)]


@pytest.mark.programs
def test_ifaddr_tells_the_interfaces_of_the_host_that_asks(run):
    import ifaddr

    def program(sim):
        from ifaddr import get_adapters  # a name that is held from before is the same function

        told = {}
        for name in ("printer", "laptop"):
            with sim.host(name) as host:
                told[name] = [(adapter.name, adapter.index, [(ip.ip, ip.network_prefix) for ip in adapter.ips]) for adapter in get_adapters()]
                told[name][1][2].append(host.addresses)
        return told

    before = [adapter.name for adapter in ifaddr.get_adapters()]
    told = run(program)
    assert [adapter.name for adapter in ifaddr.get_adapters()] == before
    for lo, (name, index, [v4, v6, (own_v4, own_v6)]) in told.values():
        assert lo == ("lo", 1, [("127.0.0.1", 8), (("::1", 0, 0), 128)])
        assert (name, index, v4, v6) == ("eth0", 2, (own_v4, 8), ((own_v6, 0, 0), 64))
    assert told["printer"] != told["laptop"]


def test_what_tells_of_this_machine_s_interfaces_is_refused_by_name(sim):
    psutil = pytest.importorskip("psutil")
    with pytest.raises(simsock.Fenced, match=r"psutil\.net_if_addrs\(\).*the interfaces of the world's host are told by socket\.if_nameindex"):
        psutil.net_if_addrs()
