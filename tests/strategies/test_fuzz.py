"""A handler under Hypothesis: what is wrong is found, shrunk and told with code to paste; what is right stays green."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from hypothesis import strategies as st

import pytest_simsock
import simsock
from simsock import Datagram, Simulation, fuzz, socketserver
from simsock.errors import Unsupported, UsageError
from simsock.hypothesis_time import leave_out_our_constants
from simsock.strategies import client_scripts, frames, http_requests, lines, requests


class Upper(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


class OneReceive(socketserver.BaseRequestHandler):
    """Believes that one recv is one frame."""

    def handle(self):
        data = self.request.recv(1000)
        self.request.sendall(data[4 : 4 + int.from_bytes(data[:4])])


class Number(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            if line.startswith(b"#"):
                int(line[1:])


def failure(handler, strategy, **options):
    """What fuzz says about a handler that is not sane."""
    with pytest.raises(AssertionError) as caught:
        fuzz(handler, strategy, **options)
    return caught.value


class Kept(socketserver.TCPServer):
    """A server that a handler asks for something."""

    def __init__(self):
        self.words = {}


@pytest.mark.parametrize(("server", "said"), [(Kept, "server=Kept"), (lambda: Kept(), "server=server"), (Kept(), "server=server")])
def test_the_line_to_paste_names_the_server_that_was_given(server, said):
    assert code_of(failure(Number, lines(contents=st.just(b"#x")), server=server, examples=2)) == f"simsock.talk(Number, b'#x\\n', {said})"


def code_of(error):
    """The line to paste."""
    return str(error).partition("This shows it:\n    ")[2]


@pytest.mark.parametrize(
    "strategy", [requests("lines"), requests("http"), client_scripts(), lines().map(Datagram)], ids=["lines", "http", "scripts", "datagrams"]
)
def test_a_sane_handler_is_left_alone(strategy):
    seen = []

    class Echo(socketserver.BaseRequestHandler):
        def handle(self):
            if isinstance(self.request, tuple):
                data, sock = self.request
                sock.sendto(data, self.client_address)
                return
            while data := self.request.recv(100):
                self.request.sendall(data)

    assert fuzz(Echo, strategy, examples=40, check=lambda request, talk: seen.append(talk.reply)) is None
    assert len(set(seen)) > 10


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_a_reply_that_depends_on_the_cuts_is_found_and_shrunk(seed):
    error = failure(OneReceive, frames(), seed=seed)
    assert str(error).startswith("OneReceive does not reply the same however its bytes are cut: ")
    found = re.fullmatch(r"simsock\.talk\(OneReceive, (b'.*'), chunks=(\[\d, \d\])\)", code_of(error))
    assert found is not None
    assert len(eval(found[1])) == 5  # one frame of one byte, cut once
    assert eval(code_of(error)).reply != simsock.talk(OneReceive, eval(found[1])).reply


def test_what_a_handler_raises_is_the_cause():
    error = failure(Number, lines(contents=st.text("#1a", max_size=5).map(str.encode)))
    assert str(error).startswith("Number raises ValueError: invalid literal for int()")
    assert isinstance(error.__cause__, ValueError) and error.__cause__.__traceback__ is not None
    assert code_of(error) == r"simsock.talk(Number, b'#\n')"
    assert isinstance(eval(code_of(error)).error, ValueError)
    assert not hasattr(error, "__notes__")


def test_the_same_call_finds_the_same_and_seeds_other_examples():
    def drawn(seed):
        seen = []
        fuzz(Upper, lines(), examples=20, seed=seed, check=lambda request, talk: seen.append(request))
        return seen

    assert drawn(None) == drawn(None)
    assert drawn(5) == drawn(5) != drawn(6)


def test_a_handler_that_does_not_end_is_found():
    class Waits(socketserver.BaseRequestHandler):
        def handle(self):
            from simsock.stdlib import threading

            if self.request.recv(1) == b"#":
                threading.Event().wait()

    class Spins(socketserver.BaseRequestHandler):
        def handle(self):
            while self.request.recv(1) != b"#":
                pass

    error = failure(Waits, lines(contents=st.sampled_from([b"a", b"#"])), timeout=5)
    assert str(error).startswith("Waits does not end: the handler had not ended after 5 s of virtual time: it was waiting in ")
    assert code_of(error) == r"simsock.talk(Waits, b'#\n', timeout=5)"
    error = failure(Spins, lines(max_lines=1))
    assert str(error).startswith("Spins does not end: more than max_steps (200,000) steps; task handler-1 at ")
    assert code_of(error) == r"simsock.talk(Spins, b'\n')"


def test_what_is_left_behind_is_found_unless_it_comes_to_its_end():
    kept = []

    class Keeps(socketserver.BaseRequestHandler):
        def handle(self):
            from simsock.stdlib import socket

            kept.append(socket.socket())

    class Forks(socketserver.BaseRequestHandler):
        def handle(self):
            from simsock.stdlib import threading, time

            threading.Thread(target=time.sleep, args=(20,)).start()

    assert str(failure(Keeps, st.just(b""))).startswith("Keeps leaves behind: descriptor 10001: stream")
    assert fuzz(Forks, st.just(b""), examples=1) is None
    assert str(failure(Forks, st.just(b""), timeout=10)).startswith("Forks leaves behind: task handler-1/sleep-1")


def test_errors_of_threads_and_clients_are_told():
    class Forks(socketserver.BaseRequestHandler):
        def handle(self):
            from simsock.stdlib import threading

            thread = threading.Thread(target=int, args=("x",))
            thread.start()
            thread.join()

    def client():
        assert (yield b"a\n") == b"a\n", "expected an echo"

    assert str(failure(Forks, st.just(b""))).startswith("Forks raises in a task that it started: ValueError: invalid literal")
    error = failure(Upper, st.just(client))
    assert str(error).startswith("Upper is spoken to by a client that raises AssertionError: expected an echo")


def test_a_handler_that_remembers_its_clients_is_told_so():
    class Counts(socketserver.BaseRequestHandler):
        visits = 0

        def handle(self):
            Counts.visits += 1
            self.request.sendall(b"%d" % Counts.visits)

    class FailsOnce(socketserver.BaseRequestHandler):
        failed = False

        def handle(self):
            if not FailsOnce.failed:
                FailsOnce.failed = True
                raise LookupError("the first time")

    assert "Counts does not reply the same twice: b'" in str(failure(Counts, lines()))
    error = str(failure(FailsOnce, lines()))
    assert error.startswith("FailsOnce does not treat one request the same every time: it keeps something from one client to the next")
    assert "FailsOnce raises LookupError: the first time" in error


def test_a_check_asks_for_more():
    def raises(request, talk):
        assert talk.reply == request, "no echo"

    error = failure(Upper, lines(), check=raises)
    assert str(error).startswith("Upper does not pass the check: AssertionError: no echo")
    assert code_of(error) == r"simsock.talk(Upper, b'a\n')"
    error = failure(Upper, lines(), check=lambda request, talk: talk.reply == request)
    assert str(error).startswith(r"Upper does not pass the check: it replies b'A\n'")


def test_the_server_is_what_the_handler_sees():
    class Server:
        word = b"hello"

    class Greets(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(self.server.word)

    assert fuzz(Greets, lines(), server=Server(), examples=5) is None
    assert code_of(failure(Greets, lines(), server=Server(), check=lambda request, talk: False)) == r"simsock.talk(Greets, b'\n', server=server)"


def test_long_requests_are_shown_short():
    class Limited(socketserver.StreamRequestHandler):
        def handle(self):
            if len(self.rfile.readline()) > 65536:
                raise LookupError("too long")

    code = code_of(failure(Limited, http_requests(wrong="always"), examples=500))
    assert len(code) < 150 and "b'x' * 70000" in code
    assert str(eval(code, {"simsock": simsock, "Limited": Limited}).error) == "too long"


@pytest.mark.parametrize(
    ("args", "options", "text"),
    [
        ((5, lines()), {}, "fuzz: expected a request handler class, got 5"),
        ((Upper, b"x"), {}, "fuzz: requests: expected a Hypothesis strategy, got b'x'"),
        ((Upper, lines()), {"check": 1}, "fuzz: check: expected a function of the request and the talk, got 1"),
        ((Upper, lines()), {"examples": 0}, "fuzz: examples: expected a whole number from 1, got 0"),
        ((Upper, lines()), {"seed": "x"}, "fuzz: seed: expected a whole number or None, got 'x'"),
        ((Upper, lines()), {"timeout": -1}, "timeout: expected a duration that is not negative, got -1"),
        ((Upper, st.just("text")), {}, "talk: expected the client's bytes, a Datagram or a generator function, got 'text'"),
    ],
)
def test_arguments_that_make_no_sense_are_named(args, options, text):
    with pytest.raises(UsageError) as caught:
        fuzz(*args, **options)
    assert text in str(caught.value)


def test_what_is_not_simulated_and_a_world_around_it_are_no_faults_of_the_handler():
    class Sends(socketserver.BaseRequestHandler):
        def handle(self):
            self.request[1].sendto(b"x", ("10.9.9.9", 9))

    with pytest.raises(Unsupported, match="a handler sends datagrams to its client"):
        fuzz(Sends, st.just(Datagram(b"")))
    with Simulation(), pytest.raises(UsageError, match="fuzz: inside a world: leave the world first"):
        fuzz(Upper, lines())


def test_a_handler_that_exits_is_found():
    class Leaver(socketserver.StreamRequestHandler):
        def handle(self):
            if self.rfile.readline().strip() == b"7":
                raise SystemExit(3)

    with pytest.raises(AssertionError, match="raises SystemExit: 3"):
        fuzz(Leaver, st.sampled_from([b"1\n", b"7\n"]))


def test_what_shows_a_handler_with_a_memory_is_two_talks():
    class Counter(socketserver.StreamRequestHandler):
        seen = 0

        def handle(self):
            type(self).seen += 1
            self.wfile.write(b"%d" % self.seen)

    with pytest.raises(AssertionError) as caught:
        fuzz(Counter, st.just(b"x\n"))
    lines = str(caught.value).splitlines()
    assert lines[-2:] == [r"    simsock.talk(Counter, b'x\n')"] * 2


def test_a_descriptor_left_on_the_server_is_found():
    class Keeps(socketserver.StreamRequestHandler):
        def handle(self):
            import socket

            self.server.kept = socket.socket()

    with pytest.raises(AssertionError, match="Keeps leaves behind: descriptor"):
        fuzz(Keeps, st.just(b"x\n"), examples=5)


class Book(socketserver.TCPServer):
    """A server that keeps something for its handlers."""

    def __init__(self, address, handler):
        super().__init__(address, handler)
        self.lines = []


def test_a_server_class_is_made_anew_for_each_client():
    class Counts(socketserver.StreamRequestHandler):
        def handle(self):
            self.server.lines += self.rfile
            self.wfile.write(b"%d" % len(self.server.lines))

    assert fuzz(Counts, lines(), server=Book, examples=20) is None
    with pytest.raises(UsageError, match=r"fuzz: expected a request handler class, got the server class Book: fuzz\(ItsHandler, \.\.\., server=Book\)"):
        fuzz(Book, lines())


DRAWS = """
import hashlib, sys
from hypothesis import HealthCheck, given, settings, strategies as st
import simsock.strategies, simsock.world.simulation, pytest_simsock.plans

drawn = hashlib.sha256()

@settings(max_examples=300, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.text()), st.lists(st.integers()))
def draw(texts, numbers):
    drawn.update(repr((texts, numbers)).encode())

draw()
print("site-packages" in simsock.__file__, drawn.hexdigest())
"""


def test_examples_do_not_depend_on_where_simsock_is_installed(tmp_path):
    installed = tmp_path / "site-packages"
    installed.mkdir()
    said = []
    for name, package in (("simsock", simsock), ("pytest_simsock", pytest_simsock)):
        (installed / name).symlink_to(os.path.dirname(os.path.abspath(package.__file__)))
    (tmp_path / "draws.py").write_text(DRAWS)
    for path in (os.environ.get("PYTHONPATH", os.pathsep.join(sys.path)), str(installed)):
        done = subprocess.run([sys.executable, "draws.py"], env={**os.environ, "PYTHONPATH": path}, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.split())
    (beside, first), (away, second) = said
    assert (beside, away) == ("False", "True") and first == second


def test_constants_of_simsock_that_were_collected_before_are_forgotten(monkeypatch):
    providers = pytest.importorskip("hypothesis.internal.conjecture.providers")
    collected = type(providers._local_constants)(integers={123_456})
    monkeypatch.setattr(providers, "_local_constants", collected)
    monkeypatch.setattr(providers, "_seen_modules", {1})
    monkeypatch.setattr(providers, "is_local_module_file", lambda path: True)
    leave_out_our_constants()
    assert list(collected) == [] and providers._seen_modules == set()
    assert not providers.is_local_module_file(simsock.__file__) and not providers.is_local_module_file(pytest_simsock.__file__)
    assert providers.is_local_module_file("/home/somebody/program.py")
