"""Errors that nobody handles in the standard library's servers and event loops fail the test, and those that somebody handles do not."""

from __future__ import annotations

import asyncio
import errno
import http.client
import logging
import sys
import threading
import wsgiref.simple_server
import xmlrpc.client
import xmlrpc.server
from wsgiref.handlers import SimpleHandler

import pytest

from simsock import Simulation, explore


def divide():
    return 1 / 0


async def divide_in_time():
    await asyncio.sleep(0.1)
    divide()


class Silent(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *args):
        pass


def ask_application(application, handler=Silent):
    """The status of what a server of ``wsgiref`` answers."""
    server = wsgiref.simple_server.make_server("127.0.0.1", 0, application, handler_class=handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    connection = http.client.HTTPConnection(*server.server_address)
    connection.request("GET", "/")
    status = connection.getresponse().status
    connection.close()
    server.shutdown()
    thread.join()
    server.server_close()
    return status


def raises_at_once(environ, start_response):
    divide()


def raises_late(environ, start_response):
    start_response("200 OK", [])
    yield b"so far"
    divide()


@pytest.mark.parametrize(("application", "status"), [(raises_at_once, 500), (raises_late, 200)])
def test_what_an_application_of_wsgi_raises_fails_the_test(world, capsys, application, status):
    with pytest.raises(ZeroDivisionError) as caught, world():
        assert ask_application(application) == status
    assert any("raised in task" in text for text in caught.value.__notes__)
    assert capsys.readouterr().err.count("ZeroDivisionError") == 1
    with world() as sim, sim.expect_errors(ZeroDivisionError):
        ask_application(application)


def test_a_handler_of_wsgi_with_a_handle_error_of_its_own_has_handled_it(world):
    class Handler(SimpleHandler):
        def handle_error(self):
            self.result = self.error_output(self.environ, self.start_response)
            self.finish_response()

    class Own(Silent):
        def handle(self):
            self.raw_requestline = self.rfile.readline()
            self.parse_request()
            Handler(self.rfile, self.wfile, sys.stderr, self.get_environ()).run(self.server.get_app())

    with world():
        ask_application(raises_at_once, Own)


def test_that_a_client_goes_while_it_is_answered_is_no_error(world):
    def answers(environ, start_response):
        start_response("200 OK", [])
        for _ in range(100):
            yield b"x" * 10_000

    with world():
        server = wsgiref.simple_server.make_server("127.0.0.1", 0, answers, handler_class=Silent)
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        connection = http.client.HTTPConnection(*server.server_address)
        connection.request("GET", "/")
        connection.close()
        thread.join()
        server.server_close()


async def _talk(serve, protocol=None):
    """A client says a word and reads to the end."""
    loop = asyncio.get_running_loop()
    server = await (loop.create_server(protocol, "127.0.0.1", 0) if protocol else asyncio.start_server(serve, "127.0.0.1", 0))
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"word\n")
    try:
        assert await reader.read() == b""
    except ConnectionResetError:
        pass
    writer.close()
    server.close()


async def _serves_streams():
    async def serve(reader, writer):
        await reader.readline()
        writer.close()
        divide()

    await _talk(serve)


async def _serves_a_protocol():
    class Divides(asyncio.Protocol):
        def data_received(self, data):
            divide()

    await _talk(None, Divides)


async def _calls_back():
    asyncio.get_running_loop().call_later(0.1, divide)
    await asyncio.sleep(1)


async def _watches_a_descriptor():
    import socket

    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)

        def read():
            ours.recv(1)
            divide()

        asyncio.get_running_loop().add_reader(ours, read)
        theirs.send(b"x")
        await asyncio.sleep(1)
        asyncio.get_running_loop().remove_reader(ours)


async def _forgets_a_task():
    asyncio.get_running_loop().create_task(divide_in_time())
    await asyncio.sleep(1)


async def _keeps_a_task():
    class Server:
        def __init__(self):
            self.tasks = []

        async def run(self):
            self.tasks.append(asyncio.create_task(self.work()))
            await asyncio.sleep(1)

        async def work(self):
            divide()

    await Server().run()


async def _forgets_what_a_thread_does():
    asyncio.get_running_loop().run_in_executor(None, divide)
    await asyncio.sleep(1)


async def _fails_as_it_is_cancelled():
    async def untidy():
        try:
            await asyncio.sleep(100)
        finally:
            divide()

    asyncio.get_running_loop().create_task(untidy())
    await asyncio.sleep(1)


@pytest.mark.parametrize(
    "program",
    [
        _serves_streams,
        _serves_a_protocol,
        _calls_back,
        _watches_a_descriptor,
        _forgets_a_task,
        _keeps_a_task,
        _forgets_what_a_thread_does,
        _fails_as_it_is_cancelled,
    ],
)
def test_what_asyncio_only_logs_fails_the_test(world, caplog, program):
    with pytest.raises(ZeroDivisionError) as caught, world():
        asyncio.run(program())
    assert any(text.startswith("asyncio: ") and "0x" not in text for text in caught.value.__notes__)
    assert [record.exc_info[1] for record in caplog.records] == [caught.value]
    with world() as sim, sim.expect_errors(ZeroDivisionError):
        asyncio.run(program())


def test_a_search_finds_a_task_that_is_kept_in_a_circle_and_what_garbage_closes_is_no_part_of_a_run():
    def test(sim):
        asyncio.run(_keeps_a_task())

    logging.getLogger("asyncio").disabled = True
    try:
        verdict = explore(test, schedules=3)
        assert verdict.status == "fails" and isinstance(verdict.error, ZeroDivisionError)
        digests = set()
        for _ in range(3):
            with pytest.raises(ZeroDivisionError), Simulation() as sim:
                test(sim)
            digests.add(sim.digest)
    finally:
        logging.getLogger("asyncio").disabled = False
    assert len(digests) == 1


def test_a_task_that_failed_is_named(world, caplog):
    async def main():
        asyncio.get_running_loop().create_task(divide_in_time(), name="divider")
        await asyncio.sleep(1)

    with pytest.raises(ZeroDivisionError) as caught, world():
        asyncio.run(main())
    assert "asyncio: Task exception was never retrieved (divider, divide_in_time)" in caught.value.__notes__


def test_what_a_callback_raises_is_found_by_a_search():
    def test(sim):
        asyncio.run(_calls_back())

    logging.getLogger("asyncio").disabled = True
    try:
        verdict = explore(test, schedules=3)
    finally:
        logging.getLogger("asyncio").disabled = False
    assert verdict.status == "fails" and isinstance(verdict.error, ZeroDivisionError)


def test_a_program_with_an_exception_handler_of_its_own_has_handled_it(world):
    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: seen.append(context["exception"]))
        await _calls_back()

    seen = []
    with world():
        asyncio.run(main())
    assert [type(error) for error in seen] == [ZeroDivisionError]


def test_one_that_hands_on_to_the_default_has_not(world, caplog):
    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: loop.default_exception_handler(context))
        await _calls_back()

    with pytest.raises(ZeroDivisionError), world():
        asyncio.run(main())


def test_an_exception_handler_that_raises_fails_the_test(world, caplog):
    def handler(loop, context):
        raise LookupError("who am I")

    async def main():
        asyncio.get_running_loop().set_exception_handler(handler)
        await _calls_back()

    with pytest.raises(LookupError, match="who am I"), world():
        asyncio.run(main())


async def _gathers():
    assert len(await asyncio.gather(divide_in_time(), divide_in_time(), return_exceptions=True)) == 2


async def _gathers_and_is_stopped_by_the_first():
    try:
        await asyncio.gather(divide_in_time(), divide_in_time())
    except ZeroDivisionError:
        await asyncio.sleep(1)


async def _times_out():
    async def slow():
        try:
            await asyncio.sleep(10)
        finally:
            divide()

    try:
        await asyncio.wait_for(slow(), 1)
    except ZeroDivisionError:
        pass


async def _groups():
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(divide_in_time())
            group.create_task(divide_in_time())
    except* ZeroDivisionError:
        pass


async def _looks_later():
    task = asyncio.create_task(divide_in_time())
    await asyncio.wait([task])
    assert isinstance(task.exception(), ZeroDivisionError)


async def _is_reset():
    async def serve(reader, writer):
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    for _ in range(3):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            await reader.read()
        except ConnectionResetError:
            pass
        writer.close()
    server.close()


async def _ends_with_tasks():
    asyncio.get_running_loop().create_task(asyncio.sleep(100))
    await asyncio.sleep(0)


async def _has_no_descriptors():
    asyncio.get_running_loop().call_exception_handler(
        {"message": "socket.accept() out of system resource", "exception": OSError(errno.EMFILE, "Too many open files")}
    )


@pytest.mark.parametrize(
    "program",
    [_gathers, _gathers_and_is_stopped_by_the_first, _times_out, _groups, _looks_later, _is_reset, _ends_with_tasks, _has_no_descriptors],
)
def test_what_a_sound_program_of_asyncio_does_is_no_error(world, program):
    with world():
        asyncio.run(program())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_in_a_thread_that_ends_with_its_world_is_no_error(world):
    async def serve(reader, writer):
        try:
            await reader.read()
        finally:
            divide()  # as it is stopped

    async def main(ready):
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        ready.append(server.sockets[0].getsockname())
        await asyncio.sleep(1_000)

    with world() as sim:
        ready = []
        threading.Thread(target=lambda: asyncio.run(main(ready)), daemon=True).start()
        client = sim.connect(sim.run_until(lambda: ready)[0])
        client.sendall(b"x")
        sim.settle()


def test_a_fault_of_xml_rpc_is_for_the_client(world):
    with world():
        server = xmlrpc.server.SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False)
        server.register_function(divide)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with xmlrpc.client.ServerProxy(f"http://127.0.0.1:{server.server_address[1]}/") as proxy, pytest.raises(xmlrpc.client.Fault):
            proxy.divide()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.once
def test_modules_that_a_world_imports_first_have_the_same(in_process):
    printed = in_process(
        """
        import simsock

        def test():
            import asyncio
            import io
            import sys
            import wsgiref.handlers

            def application(environ, start_response):
                raise LookupError("wsgi")

            async def main():
                asyncio.get_running_loop().call_soon(lambda: 1 / 0)
                asyncio.get_running_loop().call_later(1, lambda: 1 / 0)
                await asyncio.sleep(2)

            sys.stderr, stderr = io.StringIO(), sys.stderr
            try:
                wsgiref.handlers.SimpleHandler(io.BytesIO(), io.BytesIO(), io.StringIO(), {"SERVER_PROTOCOL": "HTTP/1.0"}).run(application)
                asyncio.run(main())
            finally:
                sys.stderr = stderr

        for _ in range(2):
            try:
                with simsock.Simulation():
                    test()
            except ExceptionGroup as group:
                print([type(error).__name__ for error in group.exceptions])
        from asyncio.base_events import BaseEventLoop
        from wsgiref.handlers import BaseHandler

        print(BaseEventLoop.default_exception_handler.__code__.co_filename == BaseEventLoop.run_forever.__code__.co_filename)
        print(BaseHandler.handle_error.__code__.co_filename == BaseHandler.run.__code__.co_filename)
        """
    )
    assert printed.splitlines() == ["['LookupError', 'ZeroDivisionError', 'ZeroDivisionError']"] * 2 + ["True"] * 2


@pytest.mark.once
def test_what_a_world_has_left_is_finalized_at_the_interpreters_end_as_without_it(in_process):
    """Its locks, and the hook that notes who makes sockets: the names of their modules are None by then."""
    printed = in_process(
        """
        import os
        import sys
        import threading

        import simsock

        class Last:
            def __init__(self):
                self.lock, self.rlock, self.ended = threading.Lock(), threading.RLock(), threading.Event()

            def __del__(self, write=os.write, audit=sys.audit):
                audit("socket.__new__", self, 1, 2, 3)
                with self.lock, self.rlock:
                    self.ended.set()
                write(1, b"%d %d\\n" % (self.lock.locked(), self.ended._flag))

        with simsock.Simulation():
            sys.last = Last()
            threading.Thread(target=sys.last.lock.acquire, daemon=True).start()
        """
    )
    assert printed.splitlines() == ["0 1"]
