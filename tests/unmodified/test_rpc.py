"""``xmlrpc`` and ``wsgiref``: servers and clients of the standard library that build on ``http.server``."""

from __future__ import annotations

import datetime
import socketserver
import time
import urllib.request
import wsgiref.simple_server
import wsgiref.validate
import xmlrpc.client
import xmlrpc.server

import pytest

from .servers import serving


class ThreadingXMLRPCServer(socketserver.ThreadingMixIn, xmlrpc.server.SimpleXMLRPCServer):
    """As its documentation suggests."""


class ThreadingDocServer(socketserver.ThreadingMixIn, xmlrpc.server.DocXMLRPCServer):
    """The one with pages for people."""


def rpc_server(server_class):
    server = server_class(("", 0), logRequests=False, allow_none=True)
    server.register_introspection_functions()
    server.register_multicall_functions()
    server.register_function(pow)
    server.register_function(lambda *things: things, "echo")
    server.register_function(lambda seconds: time.sleep(seconds), "sleep")
    return server


@pytest.mark.parametrize("server_class", [xmlrpc.server.SimpleXMLRPCServer, ThreadingXMLRPCServer])
def test_remote_calls_return_what_the_functions_return(server_class, run_everywhere):
    def program(sim):
        with sim.host("server"):
            server = rpc_server(server_class)
        with serving(server, sim.host("server")) as port, sim.host("client"):
            url = f"http://server:{port}"
            with xmlrpc.client.ServerProxy(url, allow_none=True, use_builtin_types=True) as proxy:
                seen = [proxy.pow(2, 10), proxy.echo("a", [1.5, None], {"b": b"bytes"}), proxy.echo(datetime.datetime(2000, 1, 2))]
                seen.append(proxy.system.listMethods())
                with pytest.raises(xmlrpc.client.Fault, match="not supported") as caught:
                    proxy.nothing()
                seen.append(caught.value.faultCode)
                calls = xmlrpc.client.MultiCall(proxy)
                calls.pow(3, 3)
                calls.echo("x")
                seen.append(list(calls()))
        return seen

    assert run_everywhere(program) == [
        1024,
        ["a", [1.5, None], {"b": b"bytes"}],
        [datetime.datetime(2000, 1, 2)],
        ["echo", "pow", "sleep", "system.listMethods", "system.methodHelp", "system.methodSignature", "system.multicall"],
        1,
        [27, ["x"]],
    ]


def test_a_call_that_takes_an_hour_takes_none(run):
    def program(sim):
        with serving(rpc_server(ThreadingXMLRPCServer)) as port, xmlrpc.client.ServerProxy(f"http://localhost:{port}", allow_none=True) as proxy:
            before = time.monotonic()
            proxy.sleep(3600)
            return time.monotonic() - before

    assert run(program) == pytest.approx(3600)


def test_a_documenting_server_shows_a_page(run):
    def program(sim):
        with serving(rpc_server(ThreadingDocServer)) as port, urllib.request.urlopen(f"http://localhost:{port}/") as answer:
            return b"pow" in answer.read(), answer.headers.get_content_type()

    assert run(program) == (True, "text/html")


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    """Says nothing on stderr."""

    def log_message(self, format, *args):
        pass


class ThreadingWSGIServer(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    """One thread a request."""


def application(environ, start_response):
    """Says who asks for what, in pieces."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REQUEST_METHOD"].encode(), b" ", environ["PATH_INFO"].encode(), b"?", environ["QUERY_STRING"].encode(), b" ", body]


@pytest.mark.parametrize("server_class", [wsgiref.simple_server.WSGIServer, ThreadingWSGIServer])
def test_a_wsgi_application_answers(server_class, run_everywhere):
    def program(sim):
        with sim.host("server"):
            server = wsgiref.simple_server.make_server("", 0, wsgiref.validate.validator(application), server_class, Quiet)
        with serving(server, sim.host("server")) as port, sim.host("client"):
            with urllib.request.urlopen(f"http://server:{port}/a/b?c=d") as answer:
                first = answer.status, answer.read()
            request = urllib.request.Request(f"http://server:{port}/post", data=b"body" * 100, headers={"Content-Type": "text/plain"})
            with urllib.request.urlopen(request) as answer:
                return first, answer.read()

    assert run_everywhere(program) == ((200, b"GET /a/b?c=d "), b"POST /post? " + b"body" * 100)
