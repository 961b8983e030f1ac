"""The testbed itself: the same face on both networks, the same errors at the end, nothing left behind."""

from __future__ import annotations

import gc
import socketserver as standard

import pytest

from simsock import socketserver
from simsock.network import in_force
from simsock.world.testbed import RealTestbed, SimTestbed


class Upper(socketserver.StreamRequestHandler):
    """Answers lines in upper case."""

    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


class Failing(socketserver.BaseRequestHandler):
    """Raises what it is sent."""

    def handle(self):
        data = self.request.recv(100)
        raise (ValueError if data == b"value" else LookupError)(data.decode())


def echo(sock):
    sock.sendall(b"hello\n")
    return sock.recv(100)


@pytest.fixture(params=[pytest.param("real", marks=pytest.mark.real), "sim"])
def new_bed(request):
    """Make a testbed whose end is the test's own: ``with new_bed() as bed``."""
    if request.param == "real":
        return RealTestbed

    from simsock.world.simulation import Simulation

    class Bed:
        def __enter__(self):
            self.sim = Simulation(patch=False)
            return SimTestbed(self.sim.__enter__())

        def __exit__(self, *error):
            return self.sim.__exit__(*error)

    return Bed


def test_a_handler_class_is_served(bed):
    served = bed.serve(Upper)
    assert echo(bed.connect(served)) == b"HELLO\n"
    assert echo(bed.connect(served.address)) == b"HELLO\n"
    assert isinstance(served.server, socketserver.ThreadingTCPServer)
    assert served.server.network is bed.network


def test_a_handler_class_is_served_by_the_class_that_is_asked_for(bed):
    class Server(socketserver.TCPServer):
        allow_reuse_address = True

    served = bed.serve(Upper, server_class=Server)
    assert type(served.server) is Server
    assert echo(bed.connect(served)) == b"HELLO\n"


def test_a_server_class_is_served_with_its_handler(bed):
    served = bed.serve(socketserver.TCPServer, Upper)
    assert type(served.server) is socketserver.TCPServer
    assert echo(bed.connect(served)) == b"HELLO\n"


def test_a_ready_server_is_served(bed):
    served = bed.serve(Upper)
    ready = socketserver.ThreadingTCPServer((served.address[0] if bed.kind == "real" else "127.0.0.1", 0), Upper, network=bed.network)
    other = bed.serve(ready)
    assert other.server is ready
    assert other.address == ready.server_address


def test_a_handler_of_the_standard_library_is_served(bed):
    class Handler(standard.StreamRequestHandler):
        def handle(self):
            self.wfile.write(self.rfile.readline().upper())

    assert echo(bed.connect(bed.serve(Handler))) == b"HELLO\n"


def test_options_go_to_the_server_class(bed):
    made = []

    class Server(socketserver.ThreadingTCPServer):
        def __init__(self, *args, greeting, **options):
            made.append(greeting)
            super().__init__(*args, **options)

    bed.serve(Upper, server_class=Server, greeting="hello")
    assert made == ["hello"]


def test_an_ipv6_server_gets_an_ipv6_address(bed):
    class Six(socketserver.ThreadingTCPServer):
        address_family = bed.network.socket.AF_INET6

    served = bed.serve(Upper, server_class=Six)
    assert ":" in served.address[0]
    assert echo(bed.connect(served)) == b"HELLO\n"


def test_stopping_shuts_the_server_down_and_closes_it_and_may_be_done_again(bed):
    closed = []

    class Server(socketserver.ThreadingTCPServer):
        def server_close(self):
            closed.append(self)
            super().server_close()

    served = bed.serve(Upper, server_class=Server)
    address = served.address
    with bed.connect(served) as client:
        echo(client)
    served.stop()
    assert served.server.fileno() == -1
    with pytest.raises(ConnectionRefusedError):
        bed.connect(address)
    served.stop()
    assert closed == [served.server]


def test_a_server_that_was_shut_down_by_hand_is_still_stopped(bed):
    served = bed.serve(Upper)
    with bed.connect(served) as client:
        echo(client)
    served.server.shutdown()
    served.stop()
    assert served.server.fileno() == -1


def test_datagram_sockets_are_bound(bed):
    one, other = bed.datagram(), bed.datagram()
    one.sendto(b"hello", other.getsockname())
    assert other.recvfrom(100) == (b"hello", one.getsockname())


def test_a_spawned_function_runs_beside_the_test_and_its_result_can_be_had(bed, event):
    go = event()

    def work(value):
        go.wait()
        return value * 2

    task = bed.spawn(work, 21)
    assert not task.done
    go.set()
    assert task.result() == 42
    assert task.done


def test_a_result_that_does_not_come_in_time_is_a_timeout(bed, event):
    go = event()
    task = bed.spawn(go.wait)
    with pytest.raises(TimeoutError):
        task.result(timeout=0.01)
    go.set()
    task.result()


def test_what_a_spawned_function_raises_is_raised_where_it_is_asked_for_and_only_there(bed):
    def work():
        raise LookupError("its mistake")

    task = bed.spawn(work)
    with pytest.raises(LookupError, match="its mistake"):
        task.result()
    assert bed.errors == []


def test_what_a_handler_raises_fails_the_test(new_bed):
    with pytest.raises(ValueError, match="value"), new_bed() as bed:
        client = bed.connect(bed.serve(Failing))
        client.sendall(b"value")
        assert client.recv(1) == b""


def test_what_a_spawned_function_raises_fails_the_test_if_nobody_asks(new_bed):
    def work():
        raise LookupError("its mistake")

    with pytest.raises(LookupError, match="its mistake"), new_bed() as bed:
        bed.spawn(work)


def test_several_errors_are_raised_as_a_group(new_bed):
    with pytest.raises(ExceptionGroup) as caught, new_bed() as bed:
        served = bed.serve(Failing)
        for data in (b"value", b"lookup"):
            client = bed.connect(served)
            client.sendall(data)
            assert client.recv(1) == b""
    assert [type(error) for error in caught.value.exceptions] == [ValueError, LookupError]


def test_an_error_of_the_test_itself_is_raised_with_a_note_of_the_others(new_bed):
    with pytest.raises(ZeroDivisionError) as caught, new_bed() as bed:
        client = bed.connect(bed.serve(Failing))
        client.sendall(b"value")
        assert client.recv(1) == b""
        raise ZeroDivisionError
    assert "ValueError: value" in "\n".join(caught.value.__notes__)


def test_an_expected_error_fails_nothing(new_bed):
    with new_bed() as bed:
        expected = bed.expect_errors(ValueError, match="val")
        client = bed.connect(bed.serve(Failing))
        client.sendall(b"value")
        assert client.recv(1) == b""
        assert bed.errors == []
    assert [str(error) for error in expected.errors] == ["value"]


def test_an_error_may_be_expected_for_the_length_of_a_block(new_bed):
    with pytest.raises(LookupError), new_bed() as bed:
        served = bed.serve(Failing)
        with bed.expect_errors(ValueError) as expected:
            bed.connect(served).sendall(b"value")
        assert len(expected.errors) == 1
        client = bed.connect(served)
        client.sendall(b"lookup")
        assert client.recv(1) == b""
        assert len(bed.errors) == 1


def test_an_expected_error_that_does_not_come_fails_the_test(new_bed):
    with pytest.raises(AssertionError, match="expected an error of a task or handler: ValueError; none came"), new_bed() as bed:
        bed.expect_errors(ValueError)


@pytest.mark.real
def test_a_real_testbed_notes_the_errors_of_its_own_servers_only(capsys):
    with RealTestbed() as one, RealTestbed() as other:
        client = one.connect(one.serve(Failing))
        client.sendall(b"value")
        assert client.recv(1) == b""
        assert len(one.errors) == 1
        assert other.errors == []
        one.expect_errors(ValueError)
    assert capsys.readouterr().err == ""


@pytest.mark.real
def test_a_real_testbed_leaves_nothing_open_and_nothing_in_force(recwarn):
    before = in_force()
    with RealTestbed() as bed:
        served = bed.serve(Upper)
        client = bed.connect(served)
        datagrams = bed.datagram()
        echo(client)
    assert in_force() is before
    assert [sock.fileno() for sock in (client, datagrams, served.server)] == [-1] * 3
    assert bed._handler_failed not in socketserver.error_hooks
    del bed, served, client, datagrams
    gc.collect()
    assert not recwarn.list


@pytest.mark.real
def test_a_real_testbed_is_left_without_its_hook_when_a_server_fails():
    bed = RealTestbed()
    hooks = list(socketserver.error_hooks)

    class Server(socketserver.TCPServer):
        def serve_forever(self, poll_interval=0.5):
            raise LookupError("cannot serve")

        def shutdown(self):
            raise AssertionError("there is no loop to shut down")

    with pytest.raises(LookupError, match="cannot serve"), bed:
        served = bed.serve(Upper, server_class=Server)
        served._task.thread.join()
    assert served.server.fileno() == -1
    assert socketserver.error_hooks == hooks


@pytest.mark.real
def test_a_real_testbed_waits_for_the_functions_that_were_spawned():
    told = []

    def work():
        bed.network.time.sleep(0.02)
        told.append("done")

    with RealTestbed() as bed:
        bed.spawn(work)
    assert told == ["done"]


@pytest.mark.real
def test_a_server_that_fails_just_when_it_is_stopped_is_closed_and_its_own_error_is_told():
    go = RealTestbed().network.threading.Event()

    class Server(socketserver.TCPServer):
        shutdown_patience = 0.01

        def serve_forever(self, poll_interval=0.5):
            go.wait(10)
            raise LookupError("cannot serve")

        def shutdown(self):
            go.set()
            served._task.thread.join()
            super().shutdown()

    with pytest.raises(LookupError, match="cannot serve"), RealTestbed() as bed:
        served = bed.serve(Upper, server_class=Server)
    assert served.server.fileno() == -1
