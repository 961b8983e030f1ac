"""What becomes of an error in a handler: the hooks are told, and unless one of them takes it, it is printed."""

from __future__ import annotations

import pytest

from simsock import socketserver
from simsock.network import RealNetwork


class Failing(socketserver.BaseRequestHandler):
    """Raises ``ValueError``."""

    def handle(self):
        raise ValueError("the handler's mistake")


@pytest.fixture
def hook():
    """A hook that notes what it is told and answers ``hook.answer``."""

    def note(*told):
        note.told.append(told)
        return note.answer

    note.told, note.answer = [], True
    socketserver.error_hooks.append(note)
    yield note
    socketserver.error_hooks.remove(note)


@pytest.fixture
def alone():
    """No hooks but those that the test installs."""
    before = socketserver.error_hooks[:]
    socketserver.error_hooks.clear()
    yield
    socketserver.error_hooks[:] = before


def fail_once(server_class, handler=Failing):
    """Have one request of a real server fail, and give back the server."""
    network = RealNetwork()
    with server_class(("127.0.0.1", 0), handler, network=network) as server, network.socket.create_connection(server.server_address) as client:
        server.whence = client.getsockname()
        server.handle_request()
        assert client.recv(1) == b""
    return server


@pytest.mark.real
@pytest.mark.parametrize("server_class", [socketserver.TCPServer, socketserver.ThreadingTCPServer])
def test_an_error_is_printed_with_its_traceback_between_two_lines(alone, capsys, server_class):
    server = fail_once(server_class)
    out, err = capsys.readouterr()
    first, whence, *trace, last = err.splitlines()
    assert out == ""
    assert first == last == "-" * 40
    assert whence == f"Exception occurred during processing of request from {server.whence}"
    assert trace[0] == "Traceback (most recent call last):"
    assert trace[-1] == "ValueError: the handler's mistake"
    assert any("in handle" in line for line in trace)


@pytest.mark.real
@pytest.mark.parametrize("server_class", [socketserver.TCPServer, socketserver.ThreadingTCPServer])
def test_a_hook_is_told_of_an_error_and_may_take_it_so_that_it_is_not_printed(alone, hook, capsys, server_class):
    server = fail_once(server_class)
    [(told_server, request, client_address, error)] = hook.told
    assert told_server is server
    assert request.fileno() == -1  # it was open when the hook was called, and has been shut down since
    assert client_address == server.whence
    assert isinstance(error, ValueError)
    assert capsys.readouterr().err == ""


@pytest.mark.real
def test_an_error_that_no_hook_takes_is_printed(alone, hook, capsys):
    hook.answer = False
    fail_once(socketserver.TCPServer)
    assert len(hook.told) == 1
    assert "the handler's mistake" in capsys.readouterr().err


@pytest.mark.real
@pytest.mark.parametrize("answer", [True, False])
def test_every_hook_is_told_and_one_that_takes_the_error_is_enough(alone, hook, capsys, answer):
    told = []
    socketserver.error_hooks.insert(0, lambda *args: told.append(args) or answer)
    hook.answer = not answer
    fail_once(socketserver.TCPServer)
    assert told == hook.told
    assert capsys.readouterr().err == ""


@pytest.mark.real
def test_the_hooks_come_before_handle_error_which_is_called_in_any_case(alone, hook, capsys):
    called = []

    class Server(socketserver.TCPServer):
        def handle_error(self, request, client_address):
            called.append((len(hook.told), request.fileno() != -1))
            super().handle_error(request, client_address)

    fail_once(Server)
    assert called == [(1, True)]
    assert capsys.readouterr().err == ""


@pytest.mark.real
def test_what_handle_error_prints_of_another_error_is_printed(alone, hook, capsys):
    """Only the error that was taken is not."""

    class Server(socketserver.TCPServer):
        def handle_error(self, request, client_address):
            try:
                raise LookupError("a second one")
            except LookupError:
                super().handle_error(request, client_address)

    fail_once(Server)
    assert "a second one" in capsys.readouterr().err


@pytest.mark.real
def test_an_error_that_was_taken_once_is_printed_when_it_is_not_taken_the_next_time(alone, hook, capsys):
    error = ValueError("always the same one")

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            raise error

    fail_once(socketserver.TCPServer, Handler)
    assert capsys.readouterr().err == ""
    hook.answer = False
    fail_once(socketserver.TCPServer, Handler)
    assert "always the same one" in capsys.readouterr().err


@pytest.mark.real
def test_handle_error_may_be_called_when_nothing_is_being_handled(alone, capsys):
    with socketserver.TCPServer(("127.0.0.1", 0), Failing, network=RealNetwork()) as server:
        server.handle_error(None, "nobody")
    assert "request from nobody" in capsys.readouterr().err


@pytest.mark.real
def test_a_hook_that_raises_does_not_keep_the_request_open(alone):
    def broken(*told):
        raise LookupError("the hook's mistake")

    socketserver.error_hooks.append(broken)
    network = RealNetwork()
    with (
        socketserver.TCPServer(("127.0.0.1", 0), Failing, network=network) as server,
        network.socket.create_connection(server.server_address) as client,
    ):
        with pytest.raises(LookupError):
            server.handle_request()
        assert client.recv(1) == b""


def test_hooks_are_told_on_every_network(make_server, dial, hook, errors_of):
    server = make_server(socketserver.TCPServer, Failing)
    client = dial(server)
    server.handle_request()
    [(told_server, _request, client_address, error)] = hook.told
    assert told_server is server
    assert client_address == client.getsockname()
    assert errors_of(ValueError) == [error]
