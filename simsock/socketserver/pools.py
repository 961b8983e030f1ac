"""Requests side by side in a limited number of threads.

Owns ``ThreadPoolMixIn`` and the pool behind it. Does not know sockets, nor what a request is. Laws of the file:

* there are never more than ``max_workers`` requests accepted and not over, nor more threads than that: while none is free the server does
  not listen, and who connects waits in the listening socket's backlog, where the operating system keeps a limit of its own;
* a request that was handed over has a worker that will take it, also when the server closes meanwhile;
* a worker that ends, for whatever reason, gives its place to another.

Why there is no queue in between: an accepted connection costs a descriptor and buffers, its client believes it is being served, and a server
that is slow without saying so is worse than one that is full. The backlog is a queue with a limit already; ``request_queue_size`` is it.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from simsock.errors import UsageError
from simsock.socketserver.mixins import ThreadingMixIn, _Threads


class _Pool:
    """Workers, and the requests that were handed to them and not begun."""

    def __init__(self, server: Any) -> None:
        self._server = server
        lock = server.network.threading.Lock()
        self._handed_over = server.network.threading.Condition(lock)  # notified for idle workers
        self._room = server.network.threading.Condition(lock)  # notified for those that hand over
        self._handed: deque[tuple[Any, Any]] = deque()
        self._unfinished = 0  # handed to workers, begun or not
        self._workers = 0  # never fewer than unfinished requests
        self._closed = False
        self._awaited = False  # a loop does not listen until there is room

    def has_room(self) -> bool:
        """Whether a request could be handed over now. If not, the server's loop is woken when there is room again."""
        with self._room:
            self._awaited = self._unfinished >= self._server.max_workers
            return not self._awaited

    def hand_over(self, request: Any, client_address: Any) -> None:
        """Give a request to a worker: an idle one, or else a new one. Waits while there are ``max_workers`` requests."""
        with self._room:
            while self._unfinished >= self._server.max_workers:
                self._room.wait()
            self._handed.append((request, client_address))
            self._unfinished += 1
            if self._workers >= self._unfinished:
                self._handed_over.notify()  # if nobody is idle, somebody is about to be
                return
            self._workers += 1
            try:
                self._start_worker()
            except BaseException:
                self._workers -= 1
                self._unfinished -= 1
                self._handed.pop()
                self._room.notify()
                raise

    def _start_worker(self) -> None:
        server = self._server
        make = server.network.threading.Thread
        if server.daemon_threads or not server.block_on_close:
            make(target=self._work, daemon=bool(server.daemon_threads)).start()
            return
        threads = server.__dict__.get("_threads")
        if threads is None:
            threads = server.__dict__.setdefault("_threads", _Threads())
        number = threads.number()
        thread = make(target=self._noted_work, args=(threads, number), daemon=False)
        threads.add(number, thread)
        try:
            thread.start()
        except BaseException:
            threads.discard(number)
            raise

    def _noted_work(self, threads: _Threads, number: int) -> None:
        try:
            self._work()
        finally:
            threads.ending(number)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            goes_on = False
            try:
                self._server.process_request_thread(*job)
                goes_on = True
            finally:
                job = None  # an idle worker keeps no request alive
                self._finished(goes_on)

    def _next(self) -> tuple[Any, Any] | None:
        """The next request; None when a worker is to end."""
        with self._handed_over:
            while not self._handed:
                if self._closed or (not self._handed_over.wait(self._server.idle_seconds) and not self._handed):
                    self._workers -= 1
                    return None
            return self._handed.popleft()

    def _finished(self, goes_on: bool) -> None:
        with self._room:
            self._unfinished -= 1
            if not goes_on:
                self._workers -= 1
            self._room.notify()
            awaited, self._awaited = self._awaited, False
        if awaited:
            self._server._wake()

    def close(self) -> None:
        """Have idle workers end now, and the others when their requests are over."""
        with self._handed_over:
            self._closed = True
            self._handed_over.notify_all()


class ThreadPoolMixIn(ThreadingMixIn):
    """Handle requests in at most ``max_workers`` threads, used again and again. Goes before the server class.

    While all of them are busy the server accepts nothing: clients wait in the backlog (``request_queue_size``), so memory and descriptors
    stay bounded, and ``shutdown()`` still wakes the loop. Outside ``serve_forever()``, ``handle_request()`` with all workers busy waits for
    one with the request in its hands.

    ``daemon_threads`` and ``block_on_close`` mean what they mean for ``ThreadingMixIn``: ``server_close()`` waits for the workers to finish
    what they handle, and idle ones end at once. ``max_workers`` may be given to the constructor, or set in a subclass.

        >>> from simsock.socketserver import StreamRequestHandler, ThreadPoolTCPServer
        >>> with ThreadPoolTCPServer(("127.0.0.1", 0), StreamRequestHandler, max_workers=4) as server:
        ...     server.max_workers
        4
    """

    max_workers: int = 32
    """How many requests may be handled at once."""

    idle_seconds: float | None = 10.0
    """How long a worker stays without a request; None is until the server closes. A program that forgets to close can so still end."""

    _pool: _Pool

    def __init__(self, *args: Any, max_workers: int | None = None, **options: Any) -> None:
        if max_workers is not None:
            self.max_workers = max_workers
        if not isinstance(self.max_workers, int) or isinstance(self.max_workers, bool) or self.max_workers < 1:
            raise UsageError(f"max_workers must be a number of threads, 1 or more, not {self.max_workers!r}")
        super().__init__(*args, **options)

    def _workers(self: Any) -> _Pool:
        pool = self.__dict__.get("_pool")
        return pool if pool is not None else self.__dict__.setdefault("_pool", _Pool(self))  # type: ignore[no-any-return]  # a dict of anything

    def process_request(self: Any, request: Any, client_address: Any) -> None:
        """Give the request to a worker."""
        self._workers().hand_over(request, client_address)

    def _before_wait(self: Any, selector: Any, timeout: float | None) -> float | None:
        self._listen(selector, self._workers().has_room())
        return timeout

    def server_close(self) -> None:
        """Close the server; then, with ``block_on_close``, wait for the workers that are not daemons (but for the calling one)."""
        if "_pool" in self.__dict__:
            self._workers().close()
        super().server_close()
