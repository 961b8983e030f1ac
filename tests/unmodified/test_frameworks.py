"""Servers and loops of other projects as they are: waitress, gunicorn's worker and its arbiter, Twisted's reactor, paramiko's channels.

They run by ``python -m pytest -m programs``, with what ``pip install -e ".[programs]"`` installs. Twisted keeps one reactor a process, which each world imports
anew (``fresh=``).
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

from simsock import Simulation
from simsock.kernel.identity import PROCESS

pytestmark = pytest.mark.programs


def hello(environ, start_response):
    """A WSGI application that thinks for a second."""
    time.sleep(1)
    size = int(environ.get("CONTENT_LENGTH") or 0)
    body = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {environ['wsgi.input'].read(size).decode()}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def ask(url, data=None):
    """What a page says, and when."""
    with urllib.request.urlopen(url, data, timeout=60) as answer:
        return answer.read().decode()


def ask_at_once(urls):
    """Ask for pages in as many threads: what they say, and how long all of it took."""
    answers = {}
    begun = time.monotonic()
    threads = [threading.Thread(target=lambda url=url: answers.update({url: ask(url)})) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[url] for url in urls], round(time.monotonic() - begun, 1)


def test_waitress_serves_pages_from_its_threads(run):
    import waitress

    def program(sim):
        with sim.host("server"):
            server = waitress.create_server(hello, host="0.0.0.0", port=8080, threads=4)
            serving = threading.Thread(target=server.run)
            serving.start()
        with sim.host("client"):
            seen = ask_at_once([f"http://server:8080/{number}" for number in range(8)]), ask("http://server:8080/post", b"x" * 100_000)[:12]
        server.trigger.pull_trigger(server.close)
        serving.join()
        server.task_dispatcher.shutdown()
        return seen

    pages, posted = run(program)
    assert pages == ([f"GET /{number} " for number in range(8)], 2.0), "four at once, twice"
    assert posted == "POST /post xxxxxxxxxxxx"[:12]


def test_gunicorn_s_sync_worker_answers_until_it_is_told_to_stop(run, tmp_path, monkeypatch):
    from gunicorn.app.base import BaseApplication
    from gunicorn.glogging import Logger
    from gunicorn.workers.sync import SyncWorker

    class Application(BaseApplication):
        def load_config(self):
            self.cfg.set("worker_tmp_dir", str(tmp_path))

        def load(self):
            return hello

    def program(sim):
        application = Application()
        with sim.host("server"):
            listener = socket.create_server(("", 8000))
        worker = SyncWorker(1, os.getppid(), [listener], application, 30, application.cfg, Logger(application.cfg))
        seen = []

        def client():
            with sim.host("client"):
                seen.append(ask_at_once([f"http://server:8000/{number}" for number in range(3)]))
                seen.append(ask("http://server:8000/", b"more"))
                os.kill(os.getpid(), signal.SIGTERM)

        with sim.host("server"):
            thread = threading.Thread(target=client)
            thread.start()
            worker.init_process()  # returns when a signal ends it
            thread.join()
        listener.close()
        worker.tmp.close()
        return seen

    monkeypatch.setattr(logging.getLogger("gunicorn.error"), "propagate", False)
    assert run(program) == [([f"GET /{number} " for number in range(3)], 3.0), "POST / more"]


def pre_forked(sim, folder):
    """gunicorn's arbiter with two workers, of which one is killed; what clients have heard from which process."""
    from gunicorn.app.base import BaseApplication
    from gunicorn.arbiter import Arbiter

    def who(environ, start_response):
        time.sleep(1)
        body = b"%d" % os.getpid()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    class Application(BaseApplication):
        def load_config(self):
            wanted = {"bind": "0.0.0.0:8000", "workers": 2, "worker_tmp_dir": folder, "loglevel": "critical", "control_socket_disable": True}
            for name, value in wanted.items():
                if name in self.cfg.settings:  # the last is one of newer versions
                    self.cfg.set(name, value)

        def load(self):
            return who

    home, seen = os.getpid(), []

    def client():
        time.sleep(5)
        with sim.host("client"):
            seen.append(ask_at_once([f"http://server:8000/{number}" for number in range(4)]))
            sim.kill("server")
            time.sleep(5)
            seen.append(ask_at_once([f"http://server:8000/{number}" for number in range(2)]))
        os.kill(home, signal.SIGTERM)

    with sim.host("server"):
        thread = threading.Thread(target=client)
        thread.start()
        try:
            Arbiter(Application()).run()
        except SystemExit:
            if os.getpid() != home:
                raise  # a worker's
        thread.join()
    return seen


def test_gunicorn_forks_workers_and_replaces_one_that_was_killed(tmp_path):
    def run():
        with Simulation(seed=1) as sim:
            return pre_forked(sim, str(tmp_path)), sim.digest

    (before, after), digest = run()
    first, second, third = (str(PROCESS + number) for number in (1, 2, 3))
    assert before == ([first, second] * 2, 2.0), "two at once, twice"
    assert after in (([first, third], 1.0), ([second, third], 1.0)), "one was killed, and replaced"
    assert run()[1] == digest


APPLICATION = """
import os
def who(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d of %d" % (os.getpid(), os.getppid())]
"""


def test_gunicorn_is_a_program_whose_workers_are_forked_killed_and_exchanged(tmp_path, monkeypatch):
    (tmp_path / "application.py").write_text(APPLICATION)
    monkeypatch.setenv("HOME", str(tmp_path))

    def run():
        with Simulation(seed=1) as sim:
            line = [sys.executable, "-m", "gunicorn", "--workers", "2", "--bind", "127.0.0.1:8000", "application:who"]
            with subprocess.Popen(line, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
                time.sleep(3)
                seen = [ask("http://127.0.0.1:8000/")]
                os.kill(int(seen[0].split()[0]), signal.SIGKILL)
                for number in (0, signal.SIGHUP):
                    process.send_signal(number)
                    time.sleep(5)
                    seen.append(ask("http://127.0.0.1:8000/"))
                process.terminate()
                told = process.stderr.read()
            return seen, process.returncode, told.count("Booting worker"), "Traceback" in told, sim.digest

    first, (_, *others) = run(), run()
    assert len(set(first[0])) == 3, "one was killed, the others were exchanged"
    assert all(words.endswith(f" of {PROCESS + 1}") for words in first[0])
    assert first[1:4] == (0, 5, False)
    assert others == list(first[1:])


@pytest.mark.parametrize("kind", ["select", "epoll"])
def test_twisted_serves_and_calls_later(run, kind):
    from twisted.internet import protocol
    from twisted.protocols import basic

    class Shout(basic.LineReceiver):
        def lineReceived(self, line):
            from twisted.internet import reactor

            reactor.callLater(10, self.sendLine, line.upper())

    class Client(basic.LineReceiver):
        def connectionMade(self):
            self.sendLine(b"hello")

        def lineReceived(self, line):
            from twisted.internet import reactor

            self.factory.seen.append((line, round(reactor.seconds() - self.factory.begun, 1)))
            self.transport.loseConnection()

        def connectionLost(self, reason):
            from twisted.internet import reactor, threads

            later = threads.deferToThread(time.sleep, 100)
            later.addCallback(lambda _: self.factory.seen.append(round(reactor.seconds() - self.factory.begun, 1)))
            later.addBoth(lambda _: reactor.stop())

    def program(sim):
        if kind == "select":
            from twisted.internet import selectreactor

            selectreactor.install()
        from twisted.internet import reactor

        serving = protocol.Factory.forProtocol(Shout)
        calling = protocol.ClientFactory.forProtocol(Client)
        calling.seen, calling.begun = [], reactor.seconds()
        port = reactor.listenTCP(0, serving, interface="127.0.0.1")
        reactor.connectTCP("127.0.0.1", port.getHost().port, calling)
        reactor.run()
        return type(reactor).__name__, calling.seen

    name = "SelectReactor" if kind == "select" else "EPollReactor"
    assert run(program, fresh=["twisted.internet.reactor"]) == (name, [(b"HELLO", 10.0), 110.0])


@pytest.fixture(scope="module")
def key():
    """Made once, since that takes real time; RSA, whose signatures all have one length."""
    import paramiko

    return paramiko.RSAKey.generate(2048)


def test_paramiko_s_channel_in_select_is_ready_when_its_data_comes(run, key):
    """The bytes of two runs differ: what OpenSSL draws is real."""
    import paramiko

    class Door(paramiko.ServerInterface):
        def check_auth_password(self, username, password):
            return paramiko.AUTH_SUCCESSFUL if password == "sesame" else paramiko.AUTH_FAILED

        def check_channel_request(self, kind, chanid):
            return paramiko.OPEN_SUCCEEDED

        def check_channel_exec_request(self, channel, command):
            threading.Thread(target=self.execute, args=(channel, command)).start()
            return True

        def execute(self, channel, command):
            time.sleep(30)
            channel.sendall(b"did " + command)
            time.sleep(30)
            channel.send_exit_status(7)
            channel.close()

    def serve(listener):
        connection, _ = listener.accept()
        transport = paramiko.Transport(connection)
        transport.add_server_key(key)
        transport.start_server(server=Door())
        transport.join()

    def program(sim):
        with sim.host("server"):
            listener = socket.create_server(("", 22))
            serving = threading.Thread(target=serve, args=(listener,))
            serving.start()
        with sim.host("client"):
            transport = paramiko.Transport(("server", 22))
            transport.connect(username="ali", password="sesame")
            channel = transport.open_session()
            channel.exec_command("work")
            begun, seen = time.monotonic(), []
            while not channel.exit_status_ready() or channel.recv_ready():
                ready, _, _ = select.select([channel], [], [], 20)
                if ready and not (data := channel.recv(100)):
                    break
                seen.append((data if ready else b"", round(time.monotonic() - begun)))
            status = channel.recv_exit_status()
            transport.close()
        serving.join()
        listener.close()
        return seen, status

    assert run(program, same_digest=False) == ([(b"", 20), (b"did work", 30), (b"", 50)], 7)
