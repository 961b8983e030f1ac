"""Requests side by side: each in a thread or in a process of its own.

Owns the two mix-in classes and what they keep about threads and children. Does not know sockets. Laws of the file:

* a thread or child that has ended is forgotten, at a cost that does not depend on how many there are;
* with ``block_on_close``, what ``server_close()`` waits for has really ended when it returns.
"""

from __future__ import annotations

import os
from collections import deque
from itertools import count
from typing import Any

from simsock.network import SimulatedNetwork


class _Threads:
    """The threads that ``server_close()`` waits for.

    Each thread says itself that it ends, so forgetting it takes the same time whatever the number of the others. Saying so is the last
    thing it does but not yet its end, and ``server_close()`` promises the end: so it moves to the ending ones, from where the next that
    end drop it, two at a time. Threads do this side by side without a lock: each step is atomic, and whatever the order of the steps, a
    thread is in one of the two places until it is dead.
    """

    def __init__(self) -> None:
        self._numbers = count()
        self._running: dict[int, Any] = {}
        self._ending: deque[Any] = deque()

    def __len__(self) -> int:
        return len(self._running) + len(self._ending)

    def number(self) -> int:
        return next(self._numbers)

    def add(self, number: int, thread: Any) -> None:
        self._running[number] = thread

    def discard(self, number: int) -> None:
        del self._running[number]

    def ending(self, number: int) -> None:
        """Called by a thread at its end."""
        for _ in range(2):
            try:
                other = self._ending[0]
                if other.is_alive():
                    break
                self._ending.remove(other)
            except (IndexError, ValueError):  # none there, or somebody else was faster
                break
        thread = self._running.get(number)
        if thread is not None:  # None: server_close() is waiting for this one already
            self._ending.append(thread)
            self._running.pop(number, None)

    def join(self, but: int) -> None:
        """Wait for all of them, in the order in which they were started, but for the one of this identity."""
        while self._running or self._ending:
            try:
                thread = self._running.pop(next(iter(self._running))) if self._running else self._ending.popleft()
            except (KeyError, IndexError, StopIteration, RuntimeError):
                continue  # it ended, and moved, just now
            if thread.ident != but:
                thread.join()


class ThreadingMixIn:
    """Handle each request in a thread of its own. Goes before the server class: ``class Server(ThreadingMixIn, TCPServer)``."""

    daemon_threads: bool = False
    """Whether the threads are daemons, which neither ``server_close()`` nor the end of the program waits for."""

    block_on_close: bool = True
    """Whether ``server_close()`` waits for the threads that are not daemons."""

    _threads: _Threads | tuple[()] = ()

    def process_request_thread(self: Any, request: Any, client_address: Any) -> None:
        """What is run in the thread: finish the request, see to its errors, shut it down."""
        try:
            self.finish_request(request, client_address)
        except Exception as error:
            self._request_failed(request, client_address, error)
        finally:
            self.shutdown_request(request)

    def _noted_thread(self, request: Any, client_address: Any, number: int) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            self._threads.ending(number)  # type: ignore[union-attr]  # only used when there is a _Threads

    _noted_thread.__name__ = "process_request_thread"  # threading names threads after their function, and logs show it

    def process_request(self: Any, request: Any, client_address: Any) -> None:
        """Start a thread for the request."""
        make = self.network.threading.Thread
        if self.daemon_threads or not self.block_on_close:
            make(target=self.process_request_thread, args=(request, client_address), daemon=bool(self.daemon_threads)).start()
            return
        threads = self.__dict__.get("_threads")
        if threads is None:
            threads = self.__dict__.setdefault("_threads", _Threads())
        number = threads.number()
        thread = make(target=self._noted_thread, args=(request, client_address, number), daemon=False)
        threads.add(number, thread)
        try:
            thread.start()
        except BaseException:
            threads.discard(number)
            raise

    def server_close(self: Any) -> None:
        """Close the server; then, with ``block_on_close``, wait for the threads that are not daemons (but for the calling one)."""
        super().server_close()  # type: ignore[misc]  # the server class comes after this one
        if self.block_on_close and self._threads:
            self._threads.join(but=self.network.threading.get_ident())


if hasattr(os, "fork"):

    class ForkingMixIn:
        """Handle each request in a process of its own. Goes before the server class: ``class Server(ForkingMixIn, TCPServer)``.

        What a handler changes in memory is lost with its process, whose exit status is 0, or 1 if the handler raised.
        """

        timeout: float | None = 300
        """How many seconds ``handle_request()`` waits before it looks for children that have ended."""

        max_children: int = 40
        """How many children may run at once; a request above that waits for one to end."""

        block_on_close: bool = True
        """Whether ``server_close()`` waits for the children."""

        active_children: set[int] | None = None
        """The process ids of the children that are not known to have ended; None before the first request."""

        def collect_children(self: Any, *, blocking: bool = False) -> None:
            """Reap the children that have ended; with ``blocking``, wait for all. Waits for one while there are ``max_children``."""
            children = self.active_children
            if not children:
                return
            system = self.network.os
            for pid in sorted(children):
                self._reap(pid, 0 if blocking else system.WNOHANG)
            while children and len(children) >= self.max_children:
                # Any child, since there is no waiting for one of several: it may be one that the program made itself, as with the
                # standard module. So only when each of ours is known to run.
                if not self._reap(-1, 0):
                    break

        def _reap(self: Any, pid: int, flags: int) -> bool:
            """Wait for a child, and say whether there was one to wait for."""
            try:
                ended, _status = self.network.os.waitpid(pid, flags)
            except ChildProcessError:  # somebody else has reaped it
                if pid == -1:
                    self.active_children.clear()
                ended = pid
            except OSError:
                return False
            self.active_children.discard(ended)
            return bool(ended)

        def handle_timeout(self) -> None:
            """Reap children. May be extended."""
            self.collect_children()

        def service_actions(self) -> None:
            """Reap children. May be extended."""
            self.collect_children()

        def process_request(self: Any, request: Any, client_address: Any) -> None:
            """Fork a child for the request."""
            system = self.network.os
            pid = system.fork()
            if pid:
                if self.active_children is None:
                    self.active_children = set()
                self.active_children.add(pid)
                self.close_request(request)
                return
            status = 1
            try:
                self.finish_request(request, client_address)
                status = 0
            except Exception as error:
                if isinstance(self.network, SimulatedNetwork):
                    self._request_failed(request, client_address, error)
                else:
                    # Not through the hooks: what they would note is lost with this process, so it has to be printed.
                    self.handle_error(request, client_address)
            finally:
                try:
                    self.shutdown_request(request)
                finally:
                    system._exit(status)  # whatever happened: the child must not run on in its parent's code

        def server_close(self: Any) -> None:
            """Close the server; then reap children, with ``block_on_close`` waiting for them."""
            super().server_close()  # type: ignore[misc]  # the server class comes after this one
            self.collect_children(blocking=self.block_on_close)
