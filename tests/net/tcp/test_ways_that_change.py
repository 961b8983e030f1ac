"""A way that changes while a sender waits for room."""

from __future__ import annotations

import simsock


def test_a_sender_that_ran_out_of_room_on_a_perfect_way_hears_of_room_over_the_way_as_it_is_now():
    """The news takes 50 ms, and so does what is sent then."""
    with simsock.Simulation() as sim:
        with sim.host("server"):
            listener = sim.network.socket.create_server(("server", 80))
        client = sim.connect(("server", 80))
        server, _ = listener.accept()
        sending = sim.spawn(client.sendall, bytes(1_000_000))
        sim.settle()
        assert not sending.done
        sim.link("client", "server", latency="50ms")
        server.setblocking(False)
        try:
            while server.recv(100_000):
                assert sim.now == 0
        except BlockingIOError:
            server.setblocking(True)
        assert server.recv(1)
        assert sim.now == 0.1
        sending.cancel()


def test_the_news_of_room_sets_out_when_it_is_read_even_if_that_is_the_last_read_for_long():
    with simsock.Simulation() as sim:
        with sim.host("server"):
            listener = sim.network.socket.create_server(("server", 80))
        client = sim.connect(("server", 80))
        server, _ = listener.accept()
        sending = sim.spawn(client.sendall, bytes(1_000_000))
        sim.settle()
        sim.link("client", "server", latency="50ms")
        assert server.recv(10_000_000)
        assert server.recv(1)
        assert sim.now == 0.1
        sending.cancel()
