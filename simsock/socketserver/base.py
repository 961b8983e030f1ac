"""The life of a server and the way of a request through it, whatever it listens on.

Owns ``BaseServer``, and when the hooks that learn of errors are called. Does not know sockets' kinds, nor which network it runs on: whatever touches
sockets, threads or clocks is taken from ``server.network``. The names, the signatures and the order of the override points are those of
the standard module (the Python library reference, "socketserver"): ``get_request``, ``verify_request``, ``process_request``,
``finish_request``, ``shutdown_request``. Laws of the file:

* one request is one path: whatever happens to it after ``get_request``, ``shutdown_request`` is called for it;
* an ``Exception`` of a request never stops the server, and any other ``BaseException`` is never hidden;
* nothing waits without a way of being woken: ``shutdown()`` wakes the loop by a pair of sockets, so the loop needs no polling.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.escaping import printable
from simsock.network import Network, checked, error_hooks, in_force

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

_taken: ContextVar[Exception | None] = ContextVar("_taken", default=None)
"""The error that a hook has taken and ``handle_error`` is being called for, in this thread."""


class BaseServer:
    """What every server has in common, whatever it listens on.

    A subclass gives it a ``socket``, ``fileno()`` and ``get_request()``. ``network`` is what it uses for sockets, selectors, threads
    and time; None means the one in force where the server is made.
    """

    timeout: float | None = None
    """How many seconds ``handle_request()`` waits before it calls ``handle_timeout()``; None is for ever."""

    shutdown_patience: float = 5.0
    """How many seconds ``shutdown()`` waits for a first ``serve_forever()`` to begin before it raises ``RuntimeError``."""

    socket: Any

    def __init__(self, server_address: Any, RequestHandlerClass: Callable[[Any, Any, Any], Any], *, network: Network | None = None) -> None:
        self.network = in_force() if network is None else checked(network)
        self.server_address = server_address
        self.RequestHandlerClass = RequestHandlerClass
        # Notified when the server stops serving. Its lock is one that a thread may take twice: a signal handler that calls shutdown()
        # may interrupt a thread that holds it.
        self.__changed = self.network.threading.Condition()
        self.__loops: list[tuple[int, Any]] = []  # one for each serve_forever() that runs: thread identity, socket that wakes it
        self.__shutdown_request: Any = False  # Any: other threads change it between two looks, which a type checker cannot know
        self.__stops = 0  # how often the server has stopped serving

    def server_activate(self) -> None:
        """Called by the constructor after ``server_bind()``. May be overridden."""

    def serve_forever(self, poll_interval: float | None = 0.5) -> None:
        """Handle requests, one after the other, until ``shutdown()``.

        If ``service_actions`` is overridden (when this is called, in a class or on the instance), it is called after every request and
        at least every ``poll_interval`` seconds, None being no limit. Otherwise the loop only wakes for requests and ``shutdown()``.
        """
        seconds = _checked_interval(poll_interval)
        plain = type(self).service_actions is BaseServer.service_actions and "service_actions" not in self.__dict__
        timeout = None if plain else seconds
        network = self.network
        woken, waker = network.socket.socketpair()
        loop = (network.threading.get_ident(), waker)
        self.__loops.append(loop)  # before the first look at the request for shutdown; who asks for one looks here after asking
        try:
            selectors = network.selectors
            with self._make_selector() as selector:
                selector.register(self, selectors.EVENT_READ)
                selector.register(woken, selectors.EVENT_READ)
                # A request for shutdown is looked for on both sides of the wait: nothing is accepted after one.
                while not self.__shutdown_request:
                    ready = selector.select(self._before_wait(selector, timeout))
                    if self.__shutdown_request:
                        break
                    for key, events in ready:
                        if key.fileobj is self:
                            self._handle_request_noblock()
                        elif key.fileobj is woken:
                            woken.recv(1)  # by _wake(), or for nothing: a forked child has shut down its copy of this server
                        else:
                            self._on_ready(key, events)
                    self.service_actions()
        finally:
            with self.__changed:
                self.__loops.remove(loop)
                waker.close()  # under the lock, so that shutdown() never sends on a descriptor that has come to mean something else
                if not self.__loops:
                    self.__shutdown_request = False
                    self.__stops += 1
                    self.__changed.notify_all()
            woken.close()

    def shutdown(self) -> None:
        """Stop ``serve_forever()`` and return when it has ended. Requests that are being handled in threads of their own go on.

        * While the server serves, the loop is woken at once, and takes no further request.
        * Before the first ``serve_forever()`` has begun, as when its thread has only just been started, this waits for it; it then
          ends before it takes a request. If none begins within ``shutdown_patience`` seconds: ``RuntimeError``, and nothing is
          remembered.
        * After the server has stopped there is nothing to wait for and this returns at once. As with the standard module the request
          stays: a ``serve_forever()`` begun later ends before it takes a request. So a shutdown just after a restart is not lost.
        * In the thread that serves it could only wait for itself: ``RuntimeError``. That goes for signal handlers too.
        """
        if self.__loops:
            me = self.network.threading.get_ident()
            if any(ident == me for ident, _waker in self.__loops):
                raise RuntimeError(
                    f"shutdown() of a {type(self).__name__} was called in the thread that runs its serve_forever(), "
                    "and would wait for itself for ever: call it from another thread"
                )
        with self.__changed:
            stops = self.__stops
            self.__shutdown_request = True
            for _ident, waker in self.__loops:
                waker.send(b"\0")
            if not self.__changed.wait_for(lambda: self.__loops or self.__stops, self.shutdown_patience):
                self.__shutdown_request = False
                raise RuntimeError(
                    f"shutdown() of a {type(self).__name__} that has never served: no serve_forever() has run, and none began "
                    f"within {self.shutdown_patience} s (shutdown_patience)"
                )
            while self.__loops and self.__stops == stops:
                self.__changed.wait()

    # What mix-in classes put into the loop: when it listens, how long it waits at most, and what else it waits for.

    def _make_selector(self) -> Any:
        return _selector(self.network.selectors)

    def _listen(self, selector: Any, wanted: bool) -> None:
        """Have the selector watch for requests, or not. Those that are not watched for wait in the listening socket's backlog."""
        wanted = wanted and self.fileno() != -1  # a handler may have closed the server
        try:
            watched = self in selector.get_map()
        except ValueError:  # closed while it was not watched
            watched = False
        if wanted and not watched:
            selector.register(self, self.network.selectors.EVENT_READ)
        elif watched and not wanted:
            selector.unregister(self)

    def _before_wait(self, selector: Any, timeout: float | None) -> float | None:
        """Called before every wait of ``serve_forever()``; what it returns is how long the wait may take."""
        return timeout

    def _on_ready(self, key: Any, events: int) -> None:
        """Called when something that a mix-in class has registered with the selector is ready."""
        raise NotImplementedError(f"{type(self).__name__} watches {key.fileobj!r} and has no _on_ready()")

    def _wake(self) -> None:
        """Have every ``serve_forever()`` that runs take another turn. For any thread."""
        with self.__changed:
            for _ident, waker in self.__loops:
                waker.send(b"\0")

    def service_actions(self) -> None:
        """Called by ``serve_forever()`` at every turn of its loop, at least every ``poll_interval`` seconds. May be overridden."""

    def handle_request(self) -> Any:
        """Wait for one request and handle it, or call ``handle_timeout()`` when none came in time.

        The time is ``self.timeout`` or the timeout of ``self.socket``, whichever is smaller; None is for ever.
        """
        timeout = self.socket.gettimeout()
        if timeout is None or (self.timeout is not None and self.timeout < timeout):
            timeout = self.timeout
        monotonic = self.network.time.monotonic
        deadline = None if timeout is None else monotonic() + timeout
        selectors = self.network.selectors
        with _selector(selectors) as selector:
            selector.register(self, selectors.EVENT_READ)
            while not selector.select(timeout):
                # Not ready, and not always late: a signal ends the wait early, and a wait of real time may be short by a rounding.
                if deadline is not None:
                    timeout = deadline - monotonic()
                    if timeout <= 0:
                        return self.handle_timeout()
            return self._handle_request_noblock()

    def _handle_request_noblock(self) -> None:
        """Handle one request; there is one, or at least the selector says so."""
        try:
            request, client_address = self.get_request()
        except OSError:
            return  # the client has gone again, or another process was faster
        try:
            if self.verify_request(request, client_address):
                self.process_request(request, client_address)
                return
        except Exception as error:
            try:
                self._request_failed(request, client_address, error)
            finally:
                self.shutdown_request(request)
            return
        except BaseException:
            self.shutdown_request(request)
            raise
        self.shutdown_request(request)

    def _request_failed(self, request: Any, client_address: Any, error: Exception) -> None:
        """Tell the hooks, then ``handle_error``. Called while ``error`` is being handled."""
        taken = False
        for hook in tuple(error_hooks):
            if hook(self, request, client_address, error):
                taken = True
        if not taken:
            self.handle_error(request, client_address)
            return
        before = _taken.set(error)
        try:
            self.handle_error(request, client_address)
        finally:
            _taken.reset(before)

    def get_request(self) -> tuple[Any, Any]:
        """Take a request from the socket: ``(request, client_address)``. An ``OSError`` means that there is none after all."""
        raise NotImplementedError(f"{type(self).__name__} has no get_request()")

    def fileno(self) -> int:
        """The descriptor that becomes readable when there is a request; it makes a server usable with ``selectors``."""
        raise NotImplementedError(f"{type(self).__name__} has no fileno()")

    def handle_timeout(self) -> None:
        """Called by ``handle_request()`` when its time has passed without a request. May be overridden."""

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether this request is to be processed. May be overridden."""
        return True

    def process_request(self, request: Any, client_address: Any) -> None:
        """Finish the request and shut it down, here and now. The mix-in classes do it elsewhere."""
        self.finish_request(request, client_address)
        self.shutdown_request(request)

    def server_close(self) -> None:
        """Give back what the server holds. May be extended."""

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Make a request handler, which handles the request as it is made."""
        self.RequestHandlerClass(request, client_address, self)

    def shutdown_request(self, request: Any) -> None:
        """Called for every request when it is over, however it ended."""
        self.close_request(request)

    def close_request(self, request: Any) -> None:
        """Give back what the request holds."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Called while an ``Exception`` that a request ended in is being handled. May be overridden; this one prints it to stderr."""
        taken = _taken.get()
        if taken is not None and taken is sys.exception():
            return
        import traceback

        line = "-" * 40
        told = f"{line}\nException occurred during processing of request from {client_address}\n{traceback.format_exc()}{line}"
        print(printable(told, lines=True), file=sys.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.server_close()


def _selector(selectors: Any) -> Any:
    """A selector that is good for one or two descriptors; poll needs no descriptor of its own and has no upper limit."""
    kind = getattr(selectors, "PollSelector", None) or selectors.SelectSelector
    return kind()


def _checked_interval(poll_interval: Any) -> float | None:
    """``poll_interval`` as a selector's timeout, or ``UsageError``."""
    if poll_interval is None:
        return None
    if hasattr(poll_interval, "__float__"):
        seconds = float(poll_interval)
        if seconds >= 0:  # false for NaN too
            return seconds if seconds != float("inf") else None
    raise UsageError(f"poll_interval must be a number of seconds, 0 or more, or None, not {poll_interval!r}")
