"""Many connections in one thread: an explicit table of partly finished requests, and a selector.

Owns ``SelectorMixIn`` and the table. Does not know what handlers wait for (``waits.py``). Laws of the file:

* one thread, that of ``serve_forever()`` or ``handle_request()``, moves everything; no other touches the table while it does;
* nothing blocks but the selector: a client that neither reads nor writes costs its entry in the table and nothing else;
* whatever ends a request, its generator is closed, its entry is gone, and ``shutdown_request`` is called for it once;
* a turn of the loop is bounded: a handler that always has something to do lets the others go on after ``_STEPS_MAX`` steps.

Why handlers are generators, and not objects with a ``data_received`` method: a handler for threads is read from top to bottom, and so is a
generator. Methods called with pieces of data make every handler write a state machine, whose states are named nowhere, and put the burden of
a line that comes in two pieces, of time that runs out and of a client that does not read on each of them.
"""

from __future__ import annotations

import socket
from collections import deque
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.socketserver.waits import NOT_YET, ForRoom, ForTime, SelectorRequestHandler, Wait

if TYPE_CHECKING:
    from collections.abc import Generator

_STEPS_MAX = 100
_RECEIVE_MAX = 1 << 16
_SEND_MAX = 1 << 18
_STALE_ALARMS_MAX = 100


class _Connection:
    """An entry of the table: a request that is partly finished."""

    __slots__ = ("address", "alarm", "broken", "deadline", "ended", "handler", "incoming", "over", "request", "started", "steps", "wait", "watched")

    def __init__(self, request: Any, address: Any, handler: SelectorRequestHandler) -> None:
        self.request = request
        self.address = address
        self.handler = handler
        self.steps: Generator[Wait, Any, None] | None = handler._steps()
        self.started = False
        self.incoming = bytearray()
        self.ended = False  # the client has said its last
        self.broken: OSError | None = None
        self.wait: Wait | None = None
        self.deadline: float | None = None
        self.alarm = 0  # the number of its entry among the alarms, 0 for none
        self.watched = 0  # the events that the selector watches for
        self.over = False

    def receive(self) -> None:
        """Take what has come, as much as may be kept."""
        try:
            data = self.request.recv(min(_RECEIVE_MAX, self.handler.read_limit + 1 - len(self.incoming)))
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.broken = error
            return
        self.incoming += data
        self.ended = not data

    def send(self) -> None:
        """Send what can be sent now."""
        outgoing = self.handler.outgoing
        if self.broken is not None:
            outgoing.clear()
        try:
            while outgoing and self.broken is None:
                # A copy: the traceback of an error may keep what it was called with, and a bytearray that is kept cannot change its size.
                del outgoing[: self.request.send(bytes(outgoing[:_SEND_MAX]))]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self.broken = error
            outgoing.clear()

    def answer(self, monotonic: Any) -> Any:
        """What its wait has come to; ``NOT_YET`` when it goes on. Raises what is to be raised in the handler."""
        wait = self.wait
        if wait is None:
            return None  # not begun
        found = wait.look(self.incoming, self.ended, len(self.handler.outgoing))
        pausing = isinstance(wait, ForTime)
        if self.broken is not None and not pausing and (found is NOT_YET or not wait.reads):
            raise self.broken
        if found is NOT_YET and self.deadline is not None and monotonic() >= self.deadline:
            if pausing:
                return None
            raise TimeoutError(f"{wait.told}: not within {wait.seconds} s")
        return found

    def step(self, answer: Any, error: Exception | None) -> None:
        """Let the handler go on to its next wait. Raises what the handler raises, ``StopIteration`` at its end."""
        assert self.steps is not None
        self.started = True
        wait: Any = self.steps.send(answer) if error is None else self.steps.throw(error)
        if not isinstance(wait, Wait):
            name = type(self.handler).__name__
            wrong = TypeError(f"{name}.handle() yielded {wait!r:.80}: yield what readline(), read(), recv(), write() or sleep() return")
            wait = self.steps.throw(wrong)
            if not isinstance(wait, Wait):
                self.steps.close()
                raise wrong
        self.wait = wait

    def close(self) -> None:
        """End the handler where it stands. Raises what it raises then."""
        steps, self.steps = self.steps, None
        if steps is not None:
            if self.started:
                steps.close()
            else:
                self.handler.finish()  # which a generator that has not begun would not do


class SelectorMixIn:
    """Handle all connections in one thread, with a selector. Goes before the server class: ``class Server(SelectorMixIn, TCPServer)``.

    The handler class is a subclass of ``SelectorRequestHandler``: its ``handle()`` is a generator that yields what it waits for. Up to
    ``max_connections`` requests are partly finished at once; beyond that the server does not listen and clients wait in the backlog.

    * ``serve_forever()`` handles them until ``shutdown()``. What is not finished then stays in the table: another ``serve_forever()`` goes
      on with it, ``server_close()`` gives it up.
    * ``handle_request()`` accepts one connection and returns when that one is finished; the others of the table go on meanwhile.
    * ``server_close()`` closes the generators (``finally`` is run), sends what can be sent at once, and shuts the connections down. While the
      server serves, the loop does it, at its next turn.
    * One thread at a time: a second ``serve_forever()`` is a ``RuntimeError``.

        >>> from simsock.socketserver import SelectorRequestHandler, SelectorTCPServer
        >>> class Echo(SelectorRequestHandler):
        ...     def handle(self):
        ...         yield self.write((yield self.readline()))
        >>> with SelectorTCPServer(("127.0.0.1", 0), Echo) as server:
        ...     server.max_connections
        1000
    """

    max_connections: int = 1000
    """How many requests may be partly finished at once."""

    def __init__(self: Any, server_address: Any, RequestHandlerClass: Any, *args: Any, **options: Any) -> None:
        if isinstance(RequestHandlerClass, type) and not issubclass(RequestHandlerClass, SelectorRequestHandler):
            raise _not_ours(RequestHandlerClass)
        if self.socket_type != socket.SOCK_STREAM:
            raise UsageError(f"{type(self).__name__}: SelectorMixIn is for streams; a datagram is never partly finished")
        self._connections: dict[_Connection, None] = {}  # in the order in which they came
        self._again: deque[_Connection] = deque()  # to be moved in the next turn without waiting for anything
        self._alarms: list[tuple[float, int, _Connection]] = []  # a heap; entries that are not their connection's alarm are stale
        self._alarm_number = 0
        self._selector: Any = None  # that of the thread which moves everything
        self._accepting = True
        self._giving_up = False
        self._latest: _Connection | None = None  # the one that was put into the table last
        super().__init__(server_address, RequestHandlerClass, *args, **options)  # type: ignore[call-arg]  # the server class comes after this one

    # -- the way of a request into the table -----------------------------------------------------------------------------------------

    def server_activate(self: Any) -> None:
        """Listen, without ever waiting in ``accept()``: a client that has gone again must not stop the others."""
        super().server_activate()  # type: ignore[misc]  # the server class comes after this one
        self.socket.setblocking(False)

    def process_request(self: Any, request: Any, client_address: Any) -> None:
        """Begin with the request; the loop does the rest."""
        request.setblocking(False)
        self.finish_request(request, client_address)

    def finish_request(self: Any, request: Any, client_address: Any) -> None:
        """Make the handler and put it into the table."""
        handler = self.RequestHandlerClass(request, client_address, self)
        if not isinstance(handler, SelectorRequestHandler):
            raise _not_ours(type(handler))
        connection = _Connection(request, client_address, handler)
        self._connections[connection] = None
        self._again.append(connection)
        self._latest = connection

    # -- the loop ----------------------------------------------------------------------------------------------------------------------

    def serve_forever(self: Any, poll_interval: float | None = 0.5) -> None:
        """Handle requests, all of them at once, until ``shutdown()``; see ``BaseServer.serve_forever()`` for ``poll_interval``."""
        self._alone()
        try:
            super().serve_forever(poll_interval)  # type: ignore[misc]  # the server class comes after this one
        finally:
            self._leave_loop()

    def handle_request(self: Any) -> Any:
        """Wait for one connection and handle it to its end, or call ``handle_timeout()`` when none came in ``self.timeout`` seconds."""
        self._alone()
        monotonic = self.network.time.monotonic
        deadline = None if self.timeout is None else monotonic() + self.timeout
        try:
            with self._make_selector() as selector:
                while not self._turn(selector, None if deadline is None else max(0.0, deadline - monotonic())):
                    if deadline is not None and monotonic() >= deadline:
                        return self.handle_timeout()
                self._latest = None
                self._handle_request_noblock()
                self._accepting = False
                while self._latest is not None and not self._latest.over:
                    self._turn(selector, None)
        finally:
            self._accepting = True
            self._leave_loop()
        return None

    def _turn(self: Any, selector: Any, timeout: float | None) -> bool:
        """One turn of ``handle_request()``: whether there is a connection to accept."""
        there_is = False
        for key, events in selector.select(self._before_wait(selector, timeout)):
            if key.fileobj is self:
                there_is = True
            else:
                self._on_ready(key, events)
        return there_is

    def _alone(self: Any) -> None:
        if self._selector is not None:
            raise RuntimeError(f"a {type(self).__name__} is served by one thread at a time, and one serves it already")

    def _make_selector(self: Any) -> Any:
        self._selector = self.network.selectors.DefaultSelector()
        for connection in self._connections:
            connection.watched = 0
            self._watch(connection)
        return self._selector

    def _leave_loop(self: Any) -> None:
        self._selector = None
        if self._giving_up:
            self._give_up()

    def _before_wait(self: Any, selector: Any, timeout: float | None) -> float | None:
        if self._giving_up:
            self._give_up()
        again, self._again = self._again, deque()
        for connection in again:
            self._move(connection)
        monotonic = self.network.time.monotonic
        alarms = self._alarms
        while alarms and (alarms[0][1] != alarms[0][2].alarm or alarms[0][0] <= monotonic()):
            _deadline, number, connection = heappop(alarms)
            if number == connection.alarm:
                connection.alarm = 0
                self._move(connection)
        self._listen(selector, self._accepting and len(self._connections) < self.max_connections)
        if self._again:
            return 0.0
        if alarms:
            left: float = max(0.0, alarms[0][0] - monotonic())
            return left if timeout is None else min(left, timeout)
        return timeout

    def _on_ready(self: Any, key: Any, events: int) -> None:
        connection: _Connection = key.data
        if not connection.over:
            if events & self.network.selectors.EVENT_READ:
                connection.receive()
            self._move(connection)

    # -- one connection --------------------------------------------------------------------------------------------------------------

    def _move(self: Any, connection: _Connection) -> None:
        """Let a handler go on as far as it can without waiting, and then have the selector watch for what it waits for."""
        if connection.over:
            return
        try:
            for _ in range(_STEPS_MAX):
                if self._step(connection):
                    return
        except BaseException:
            self._end(connection)
            raise
        self._watch(connection, idle=True)
        self._again.append(connection)

    def _step(self: Any, connection: _Connection) -> bool:
        """Whether the connection has to wait now, or is over."""
        if connection.handler.outgoing:
            connection.send()
        monotonic = self.network.time.monotonic
        error: Exception | None = None
        answer: Any = None
        try:
            answer = connection.answer(monotonic)
        except Exception as raised:
            error = raised
        if answer is NOT_YET:
            self._watch(connection)
            return True
        if connection.steps is None:  # the last bytes are sent, or cannot be: no error of the handler, which has ended
            self._end(connection)
            return True
        try:
            connection.step(answer, error)
        except StopIteration:
            self._last_bytes(connection)
        except Exception as raised:
            if isinstance(raised, OSError):
                connection.handler.outgoing.clear()
            self._request_failed(connection.request, connection.address, raised)
            self._last_bytes(connection)
        seconds = connection.wait.seconds if connection.wait is not None else None
        connection.deadline = None if seconds is None else monotonic() + seconds
        connection.alarm = 0
        return False

    def _last_bytes(self: Any, connection: _Connection) -> None:
        connection.steps = None
        connection.wait = ForRoom("the last bytes", connection.handler.timeout, 0)

    def _watch(self: Any, connection: _Connection, idle: bool = False) -> None:
        """Have the selector and the alarms watch for what a connection waits for; with ``idle``, for nothing."""
        selectors = self.network.selectors
        events = 0
        if not idle and connection.wait is not None:
            if connection.wait.reads:
                events |= selectors.EVENT_READ
            if connection.handler.outgoing:
                events |= selectors.EVENT_WRITE
        if events != connection.watched:
            if not connection.watched:
                self._selector.register(connection.request, events, connection)
            elif events:
                self._selector.modify(connection.request, events, connection)
            else:
                self._selector.unregister(connection.request)
            connection.watched = events
        if connection.deadline is not None and not connection.alarm and not idle:
            self._alarm_number += 1
            connection.alarm = self._alarm_number
            heappush(self._alarms, (connection.deadline, self._alarm_number, connection))
            if len(self._alarms) > 2 * len(self._connections) + _STALE_ALARMS_MAX:
                self._alarms = [entry for entry in self._alarms if entry[1] == entry[2].alarm]
                heapify(self._alarms)

    def _end(self: Any, connection: _Connection) -> None:
        """Take a connection out of the table and shut it down."""
        if connection.over:
            return
        connection.over = True
        connection.alarm = 0
        del self._connections[connection]
        if connection.watched and self._selector is not None:
            self._selector.unregister(connection.request)
        try:
            connection.close()
        except Exception as error:
            self._request_failed(connection.request, connection.address, error)
        finally:
            connection.send()
            self.shutdown_request(connection.request)

    # -- the end -----------------------------------------------------------------------------------------------------------------------

    def server_close(self: Any) -> None:
        """Close the server and give up what is in the table; while the server serves, its loop does the latter at its next turn."""
        super().server_close()  # type: ignore[misc]  # the server class comes after this one
        if self._selector is None:
            self._give_up()
        else:
            self._giving_up = True
            self._wake()

    def _give_up(self: Any) -> None:
        for connection in list(self._connections):
            self._end(connection)
        self._giving_up = False


def _not_ours(kind: type) -> UsageError:
    return UsageError(
        f"a server with SelectorMixIn needs a subclass of SelectorRequestHandler, and {kind.__name__} is none: its handle() would stop all others"
    )
