"""``logging.handlers`` that send records over a network, each against a small server that takes them apart again."""

from __future__ import annotations

import http.server
import logging
import logging.handlers
import pickle
import socket
import socketserver
import struct
import threading
import time
import urllib.parse

from .servers import serving


class Records(socketserver.StreamRequestHandler):
    """Pickled records, each after its length: what ``SocketHandler`` sends."""

    def handle(self):
        while len(head := self.rfile.read(4)) == 4:
            record = logging.makeLogRecord(pickle.loads(self.rfile.read(struct.unpack(">L", head)[0])))
            self.server.taken.append((record.name, record.levelname, record.getMessage()))


class RecordDatagrams(socketserver.BaseRequestHandler):
    """One pickled record a datagram."""

    def handle(self):
        record = logging.makeLogRecord(pickle.loads(self.request[0][4:]))
        self.server.taken.append((record.name, record.levelname, record.getMessage()))


class SyslogDatagrams(socketserver.BaseRequestHandler):
    """Lines of syslog over UDP."""

    def handle(self):
        self.server.taken.append(self.request[0])


class SyslogStream(socketserver.BaseRequestHandler):
    """Lines of syslog over TCP, each ended by a zero byte."""

    def handle(self):
        content = b""
        while piece := self.request.recv(1000):
            content += piece
        self.server.taken.extend(content.split(b"\0")[:-1])


class Form(http.server.BaseHTTPRequestHandler):
    """Records as query or form."""

    def log_message(self, format, *args):
        pass

    def answer(self, text):
        fields = urllib.parse.parse_qs(text)
        self.server.taken.append((self.command, fields["name"][0], fields["msg"][0], fields["args"][0]))
        self.send_response(200)
        self.end_headers()

    def do_GET(self):
        self.answer(self.path.partition("?")[2])

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])).decode())


class PatientSocketHandler(logging.handlers.SocketHandler):
    """Waits longer than a second for a connection: a lost SYN is sent again after one. The standard handler then drops records."""

    def makeSocket(self, timeout=60):
        return super().makeSocket(timeout)


def send(handler, name):
    """Three records through ``handler``."""
    logger = logging.Logger(name)
    logger.addHandler(handler)
    try:
        logger.warning("watch %s", "out")
        time.sleep(1)
        logger.error("it broke")
        logger.info("and again, %d", 3)
        time.sleep(60)
    finally:
        handler.close()


def running(sim, server_class, handler):
    """A server on its host that notes what it takes; (server, context)."""
    with sim.host("server"):
        server = server_class(("", 0), handler)
    server.taken = []
    return server, serving(server, sim.host("server"))


SENT = [("app.net", "WARNING", "watch out"), ("app.net", "ERROR", "it broke"), ("app.net", "INFO", "and again, 3")]


def test_a_socket_handler_sends_every_record(run_everywhere):
    def program(sim):
        server, context = running(sim, socketserver.ThreadingTCPServer, Records)
        with context as port, sim.host("client"):
            send(PatientSocketHandler("server", port), "app.net")
        return server.taken

    assert run_everywhere(program) == SENT


def test_a_socket_handler_comes_back_when_its_server_does(run):
    def program(sim):
        handler = logging.handlers.SocketHandler("127.0.0.1", 9020)
        handler.retryStart = 5.0
        logger = logging.Logger("app.net")
        logger.addHandler(handler)
        logger.error("nobody listens")
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 9020), Records)
        server.taken = []
        with serving(server):
            logger.error("too early to try again")
            time.sleep(6)
            logger.error("here")
            time.sleep(1)
            handler.close()
        return [text for _, _, text in server.taken]

    assert run(program) == ["here"]


def test_a_datagram_handler_sends_every_record(run):
    def program(sim):
        server, context = running(sim, socketserver.ThreadingUDPServer, RecordDatagrams)
        with context as port, sim.host("client"):
            send(logging.handlers.DatagramHandler("server", port), "app.net")
        return server.taken

    assert run(program) == SENT
    assert run(program, strategy="random", seed=3, link={"latency": "5ms", "jitter": "4ms"}) == SENT


SYSLOG = [b"<12>watch out", b"<11>it broke", b"<14>and again, 3"]


def test_a_syslog_handler_sends_datagrams(run):
    def program(sim):
        server, context = running(sim, socketserver.UDPServer, SyslogDatagrams)
        with context as port, sim.host("client"):
            send(logging.handlers.SysLogHandler(("server", port)), "app")
        return server.taken

    assert run(program) == [line + b"\0" for line in SYSLOG]


def test_a_syslog_handler_sends_a_stream(run_everywhere):
    def program(sim):
        server, context = running(sim, socketserver.ThreadingTCPServer, SyslogStream)
        with context as port, sim.host("client"):
            send(logging.handlers.SysLogHandler(("server", port), socktype=socket.SOCK_STREAM), "app")
        return server.taken

    assert run_everywhere(program) == SYSLOG


def test_an_http_handler_sends_forms(run_everywhere):
    def program(sim):
        taken = []
        for method in ("GET", "POST"):
            server, context = running(sim, http.server.ThreadingHTTPServer, Form)
            with context as port, sim.host("client"):
                send(logging.handlers.HTTPHandler(f"server:{port}", "/log", method), "app")
            taken += server.taken
        return taken

    texts = [("watch %s", "('out',)"), ("it broke", "()"), ("and again, %d", "(3,)")]
    assert run_everywhere(program) == [(method, "app", *text) for method in ("GET", "POST") for text in texts]


def test_records_of_many_threads_arrive_whole(run_everywhere):
    def program(sim):
        server, context = running(sim, socketserver.ThreadingTCPServer, Records)
        with context as port, sim.host("client"):
            handler = PatientSocketHandler("server", port)
            logger = logging.Logger("threads")
            logger.addHandler(handler)
            threads = [threading.Thread(target=lambda n=n: [logger.info("%d/%d", n, m) for m in range(5)]) for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            time.sleep(60)
            handler.close()
        return sorted(text for _, _, text in server.taken)

    assert run_everywhere(program) == sorted(f"{n}/{m}" for n in range(4) for m in range(5))
