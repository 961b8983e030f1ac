"""What each kind of client does to a server, and what it tells of it: in a world, and on loopback where that is possible."""

import socket
from struct import pack

import pytest

from simsock import LeakWarning, Simulation, Unsupported, UsageError, clients, use
from simsock.clients.outcome import Line, attempt
from simsock.network import RealNetwork
from simsock.socketserver import BaseRequestHandler, StreamRequestHandler, ThreadingTCPServer
from simsock.world.testbed import RealTestbed, SimTestbed


class Shout(StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


class Patience(StreamRequestHandler):
    """Reads lines, with two seconds of patience for each."""

    timeout = 2

    def handle(self):
        try:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"thanks\n")
        except TimeoutError:
            pass


class Mute(BaseRequestHandler):
    def handle(self):
        while self.request.recv(100):
            pass


class Silent(BaseRequestHandler):
    """Neither speaks nor hangs up."""

    def handle(self):
        self.server.network.time.sleep(3600)


class Large(BaseRequestHandler):
    def handle(self):
        self.request.recv(100)
        self.request.sendall(b"x" * 200_000)
        self.server.took = self.server.network.time.monotonic()


class Listing(BaseRequestHandler):
    """Keeps what each ``recv`` brought, and how the connection ended."""

    def handle(self):
        pieces = self.server.pieces = []
        try:
            while data := self.request.recv(100):
                pieces.append(data)
            pieces.append("end")
            self.request.sendall(b"ok")
        except OSError as error:
            pieces.append(type(error).__name__)


@pytest.fixture
def run():
    """Runs a client against a handler in a world; returns the outcome, the served server and the world."""

    def go(handler, client, *arguments, seed=0, **options):
        with Simulation(seed=seed, patch=False) as sim:
            served = sim.serve(handler)
            outcome = sim.spawn(lambda: client(served, *arguments, **options), host="guest").result()
            sim.settle()
        return outcome, served.server

    return go


@pytest.mark.parametrize("kind", ["polite", "slow-sender", "half-closer", "fragmenter"])
def test_clients_that_want_a_reply_get_it_in_a_world(run, kind):
    outcome, _ = run(Shout, clients.KINDS[kind], b"hi\nyou\n")
    assert outcome[:3] == (kind, "served", b"HI\nYOU\n")


@pytest.mark.real
@pytest.mark.parametrize("kind", ["polite", "half-closer", "fragmenter", "pipeliner", "slow-reader"])
def test_the_same_clients_get_it_on_the_real_network(kind):
    with RealTestbed() as testbed:
        outcome = clients.KINDS[kind](testbed.serve(Shout), b"hi\n")
    assert outcome.result == "served"
    assert outcome.reply == b"HI\n" * (5 if kind == "pipeliner" else 1)
    assert 0 <= outcome.seconds < 30


def test_a_reply_may_end_after_some_bytes_or_with_some_bytes(run):
    assert run(Shout, clients.polite, b"hi\n", until=2)[0].reply == b"HI\n"
    assert run(Shout, clients.polite, b"hi\n", until=b"\n")[0].result == "served"
    assert run(Mute, clients.polite, b"hi\n", until=None)[0].result == "closed"
    assert run(Patience, clients.polite, b"\n", until=b"?")[0][1:3] == ("closed", b"thanks\n")


def test_a_server_that_never_speaks_costs_a_client_its_patience_and_no_more(run):
    with pytest.warns(LeakWarning, match="handler-1"):
        outcome, _ = run(Silent, clients.polite, b"hi\n", timeout="5s")
    assert outcome == ("polite", "timed out", b"", 5.000001, ())


def test_a_port_where_nobody_listens_refuses_and_so_does_a_name_that_nobody_has():
    with Simulation(patch=False) as sim:
        here = sim.host("server").addresses[0]
        assert sim.spawn(clients.polite, (here, 9), host="guest").result().result == "refused"
        assert sim.spawn(clients.polite, ("nowhere.invalid", 9), host="guest").result().result == "refused"


def test_a_reset_is_a_result_whatever_the_client_is_doing(run):
    class Rude(BaseRequestHandler):
        def handle(self):
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))

    assert run(Rude, clients.slow_sender, b"hello", bytes_per_second=1)[0].result == "reset"
    with Simulation(patch=False) as sim:
        served = sim.serve(Rude)
        line = Line(served, 5)

        def late(line):
            sim.settle()
            line.say_no_more()

        assert attempt("late", line, late).result == "reset"


def test_a_slow_reader_makes_the_server_wait_for_it(run):
    outcome, server = run(Large, clients.slow_reader, b"x", bytes_per_second=10_000, until=200_000)
    assert outcome.result == "served"
    assert len(outcome.reply) == 200_000
    assert 19 <= outcome.seconds <= 21
    assert server.took > 5, "the last byte left the server while the reader was still reading the first ones"


def test_a_slow_sender_takes_its_time(run):
    outcome, _ = run(Shout, clients.slow_sender, b"0123456789\n", bytes_per_second=2)
    assert outcome.seconds == pytest.approx(5.5, abs=1e-4)


def test_a_slowloris_holds_a_naive_server_and_is_thrown_out_only_by_one_that_limits_the_whole_request(run):
    class Limit(Patience):
        def handle(self):
            deadline = self.server.network.time.monotonic() + 2
            while self.server.network.time.monotonic() < deadline and self.rfile.readline(1):
                pass

    assert run(Patience, clients.slowloris, b"GET / HTTP/1.1\r\n", hold=100)[0][1:] == ("left", b"", 100.000001, ())
    outcome, _ = run(Limit, clients.slowloris, hold=100)
    assert outcome.result in ("closed", "reset")
    assert outcome.seconds < 4


def test_an_idle_holder_is_closed_by_a_server_with_a_timeout_and_leaves_by_itself_otherwise(run):
    assert run(Patience, clients.idle_holder, hold=50)[0][1:4] == ("closed", b"", 2.000001)
    assert run(Mute, clients.idle_holder, hold=50)[0][1:4] == ("left", b"", 50.000001)


def test_a_half_open_client_is_never_heard_of_again(run):
    with pytest.warns(LeakWarning, match="handler-1"):
        outcome, server = run(Listing, clients.half_open, b"hello", after=3, linger="1s")
    assert outcome.result == "left"
    assert server.pieces == [b"hel"], "neither an end nor a reset came"


def test_a_half_open_client_needs_a_host_of_its_own_and_a_simulated_network():
    with Simulation(patch=False) as sim:
        served = sim.serve(Mute)
        with pytest.raises(UsageError, match="localhost is not its own"):
            clients.half_open(served)
    with use(RealNetwork()), RealTestbed() as testbed, pytest.raises(Unsupported, match="pull its own cable"):
        clients.half_open(testbed.serve(Mute))


def test_a_resetter_breaks_off_after_so_many_bytes(run):
    outcome, server = run(Listing, clients.resetter, b"hello", after=3)
    assert outcome.result == "left"
    assert server.pieces[-1] == "ConnectionResetError"
    assert b"".join(server.pieces[:-1]) in (b"hel", b"")


def test_an_early_closer_does_not_wait(run):
    outcome, server = run(Listing, clients.early_closer, b"hello")
    assert outcome[1:3] == ("left", b"")
    assert server.pieces == [b"hello", "end"]


def test_a_fragmenter_s_pieces_arrive_one_by_one(run):
    assert run(Listing, clients.fragmenter, b"abcdef", sizes=[1, 2])[1].pieces == [b"a", b"bc", b"d", b"ef", "end"]
    assert run(Listing, clients.fragmenter, b"abc")[1].pieces == [b"a", b"b", b"c", "end"]


def test_a_pipeliner_says_all_in_one_breath(run):
    outcome, server = run(Listing, clients.pipeliner, b"ab", times=3)
    assert server.pieces == [b"ababab", "end"]
    assert outcome.reply == b"ok"


def test_garbage_depends_on_the_world_s_seed_or_on_its_own(run):
    def sent(**options):
        return b"".join(run(Listing, clients.garbage_sender, length=50, **options)[1].pieces[:-1])

    def with_own(own):
        with Simulation(patch=False) as sim:
            served = sim.serve(Listing)
            clients.garbage_sender(served, length=50, seed=own)
            sim.settle()
        return served.server.pieces

    assert len(sent(seed=1)) == 50
    assert sent(seed=1) == sent(seed=1) != sent(seed=2)
    assert with_own(3) == with_own(3) != with_own(4)


def test_a_replayer_says_the_same_again_on_another_connection(run):
    class Count(Shout):
        def handle(self):
            self.server.seen = [*getattr(self.server, "seen", []), self.rfile.readline()]
            self.wfile.write(b"%d\n" % len(self.server.seen))

    outcome, server = run(Count, clients.replayer, b"pay 5\n", times=3)
    assert server.seen == [b"pay 5\n"] * 3
    assert [part.reply for part in outcome.parts] == [b"1\n", b"2\n", b"3\n"]
    assert outcome[:3] == ("replayer", "served", b"3\n")


def test_a_port_scanner_tells_open_ports_from_closed_and_silent_ones():
    with Simulation(patch=False) as sim:
        served = sim.serve(Mute, port=80)
        outcome = sim.spawn(clients.port_scanner, served, [79, 80, 81], host="guest").result()
        assert [(part.kind, part.result) for part in outcome.parts] == [("port 79", "refused"), ("port 80", "left"), ("port 81", "refused")]
        assert outcome.result == "served"
        sim.link("guest", loss=1)
        silent = sim.spawn(clients.port_scanner, served, host="guest").result()
        assert [part.result for part in silent.parts] == ["timed out"]


@pytest.mark.parametrize(
    ("client", "options", "message"),
    [
        ("slow-reader", {"bytes_per_second": 0}, "bytes_per_second: expected a whole number from 1, got 0"),
        ("pipeliner", {"times": 0}, "times: expected a whole number from 1, got 0"),
        ("fragmenter", {"sizes": [1, 0]}, "sizes: expected a whole number from 1, got 0"),
        ("fragmenter", {"sizes": []}, "sizes: expected at least one"),
        ("resetter", {"after": -1}, "after: expected a whole number from 0, got -1"),
        ("polite", {"timeout": "soon"}, "timeout: expected a duration"),
    ],
)
def test_a_call_that_makes_no_sense_is_an_error(client, options, message):
    with pytest.raises(UsageError, match=message):
        clients.KINDS[client](("127.0.0.1", 1), **options)


def test_an_address_that_is_none_is_an_error():
    with pytest.raises(UsageError, match="a client wants a served server or an address"):
        clients.polite("server")


def test_a_testbed_in_a_world_serves_them_too(sim):
    testbed = SimTestbed(sim)
    served = testbed.serve(Shout, server_class=ThreadingTCPServer)
    assert testbed.spawn(clients.polite, served, b"a\n", host="guest").result().reply == b"A\n"
