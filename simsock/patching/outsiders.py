"""Executors, threads, event loops and selectors from before a world: a task that uses one meets an error that names it, instead of a wait in real time.

Owns methods of the standard library's classes, in Python, and of the pollers in C, while the process is patched. Does not know how an object is found; it
is asked when it is used. Laws: what was made in the world works as ever; what outlives a world, and other OS threads, meet the real methods.
"""

from __future__ import annotations

import functools
import select
import sys
import threading
from _socket import socket as _real_socket
from _thread import get_ident
from collections.abc import Callable, Iterator
from operator import is_
from types import FrameType, MappingProxyType
from typing import Any

from simsock.errors import Fenced
from simsock.harness import is_harness
from simsock.kernel import session
from simsock.kernel.originals import original
from simsock.kernel.plain_locals import variables_of
from simsock.kernel.program_lines import is_library, is_simsock, short_path
from simsock.kernel.task import is_task_ident
from simsock.patching.channels import METHODS, of_channel
from simsock.patching.classes import exchange, pairs_of, swap_of
from simsock.patching.fence import refuse_outsider
from simsock.patching.room import Room
from simsock.patching.unwaiting_loops import let_others_run
from simsock.stdlib import _handing_over
from simsock.stdlib._allowed import Allowed
from simsock.stdlib._files import refuse_real
from simsock.stdlib._makers import made_by
from simsock.stdlib._socketobject import socket as simulated

_REAL_POLLERS = (type(original(select, "poll")()), getattr(select, "epoll", type(None)))


def _is_of_world(thread: Any) -> bool:
    """Whether a thread is a task, or has not begun, or is the one that the world runs in."""
    ident = thread.ident
    return ident is None or is_task_ident(ident) or bool(ident == get_ident())


class _Seen:
    """What was found to be a world's, for its length: ``kernel.room(_Seen)``."""

    __slots__ = ("pools",)

    def __init__(self) -> None:
        self.pools: dict[int, Any] = {}


def _of_executor(pool: Any) -> str:
    threads = getattr(pool, "_threads", ())
    kernel = session.active
    pools = kernel.room(_Seen).pools if kernel is not None else {}
    if not threads:  # it gets them now: they are tasks. One that has some when a world sees it first has them from before
        pools[id(pool)] = pool
    if id(pool) in pools:
        return ""
    of = " of a world that has ended" if any(thread.ident is not None and is_task_ident(thread.ident) for thread in threads) else ""
    return f"{type(pool).__qualname__} with {len(threads)} thread{'' if len(threads) == 1 else 's'}{of}"


def _of_thread(thread: Any) -> str:
    if _is_of_world(thread) or not thread.is_alive():  # asked of a real one only: of a task it is a point
        return ""
    return _thread_words(thread)


def _thread_words(thread: Any) -> str:
    target = getattr(thread, "_target", None) or getattr(thread, "function", None)  # a Timer's
    code = getattr(target, "__code__", None)
    if code is None or is_library(code.co_filename) or is_simsock(code.co_filename):
        return repr(thread)
    return f"{thread!r}, which runs {code.co_qualname} ({short_path(code.co_filename)}:{code.co_firstlineno})"


def _refuse_handing_over(thing: Any, call: str, ident: int) -> None:
    """A task is about to wake an OS thread from outside the world, or to give it something."""
    asked = _asked_for(call, thing)
    thread = _threads.get(ident)
    if asked is None:
        return
    call, thing = asked
    who = "a thread" if thread is None else f"{_thread_words(thread)}{made_by(thread)}"
    refuse_outsider(call, f"{thing!r}, for which {who}, waits", "", thing, "that thread is a real one, started outside this world")


def _asked_for(call: str, thing: Any) -> tuple[str, Any] | None:
    """What the program has called, and of what; None where the harness does so, simsock itself, or logging, which hands over what nobody waits for."""
    frame: FrameType | None = sys._getframe(2)
    inner = True
    while frame is not None:
        name, code = str(frame.f_globals.get("__name__", "")), frame.f_code
        if name in _HANDING:
            if inner and not code.co_name.startswith("_") and code.co_name != "run" and code.co_varnames[:1] == ("self",):
                call, thing = code.co_qualname, variables_of(frame)["self"]
        elif name == "logging.handlers" or (is_harness(name) and not name.startswith(_ASKING)):
            return None
        elif not name.startswith(_ASKING):
            inner = False
            if name.partition(".")[0] not in sys.stdlib_module_names:
                break
        frame = frame.f_back
    return call, thing


_ASKING = ("simsock.stdlib._polls", "simsock.stdlib._handing_over", "simsock.stdlib._simplequeue", "simsock.patching.outsiders")
_HANDING = ("threading", "queue", "concurrent.futures._base", "concurrent.futures.thread")
"""Modules in whose words it is told what was called."""
_threads: dict[int, Any] = vars(threading)["_active"]
_handing_over.refuse = _refuse_handing_over


def _of_loop(loop: Any) -> str:
    own = getattr(loop, "_ssock", None)
    return repr(loop) if isinstance(own, _real_socket) and not isinstance(own, simulated) else ""  # a mock is nobody's


def _of_loop_that_begins(loop: Any) -> str:
    what = _of_loop(loop)
    if not what:
        let_others_run(loop)
        if (kernel := session.active) is not None:
            kernel.room(Room).runs_loops = True
    return what


def _of_selector(selector: Any) -> str:
    return repr(selector) if type(getattr(selector, "_selector", None)) in _REAL_POLLERS else ""


def _of_registered(selector: Any) -> str:
    """A selector of lists is nobody's; what is registered in it is asked about (see ``_registering``)."""
    return ""


def _of_process_pool(pool: Any) -> str:
    manager = getattr(pool, "_executor_manager_thread", None)
    if manager is None or _is_of_world(manager):
        return ""
    return f"{type(pool).__qualname__} with {len(getattr(pool, '_processes', None) or ())} processes"


def _of_pool(pool: Any) -> str:
    handler = getattr(pool, "_worker_handler", None)
    return "" if handler is None or _is_of_world(handler) else repr(pool)


def _of_tls(sock: Any) -> str:
    conversation = getattr(sock, "_sslobj", None)  # a world's is of another class
    return repr(sock) if type(conversation).__module__ == "_ssl" and not isinstance(sock, Allowed) else ""


_METHODS: tuple[tuple[str, str, str, Callable[[Any], str]], ...] = (
    ("concurrent.futures.thread", "ThreadPoolExecutor", "submit", _of_executor),
    ("concurrent.futures.process", "ProcessPoolExecutor", "submit", _of_process_pool),
    *(("multiprocessing.pool", "Pool", method, _of_pool) for method in ("apply_async", "_map_async", "imap", "imap_unordered", "join")),
    ("threading", "Thread", "join", _of_thread),
    ("asyncio.base_events", "BaseEventLoop", "run_forever", _of_loop_that_begins),
    *(
        ("asyncio.base_events", "BaseEventLoop", method, _of_loop)
        for method in ("call_soon", "call_at", "call_soon_threadsafe", "create_task", "run_in_executor")
    ),
    ("selectors", "_PollLikeSelector", "register", _of_selector),
    ("selectors", "_PollLikeSelector", "select", _of_selector),
    ("selectors", "EpollSelector", "select", _of_selector),
    ("selectors", "SelectSelector", "register", _of_registered),
    *((*where, of_channel) for where in METHODS),
    *(("ssl", "SSLSocket", method, _of_tls) for method in ("do_handshake", "read", "write", "send", "unwrap")),
)
"""(module, class, method, what says in words what an object is when it is no world's, and nothing when it is)."""
_MODULES = tuple(dict.fromkeys(module for module, *_ in _METHODS))
_applied: list[tuple[type, str, Any, Any]] = []
_as_applied: tuple[Any, ...] = ()
"""What ``is_in_place`` compares: the modules as they were; of each class applied to its module's names, its name and itself; of each method the names of
its class, its name and what asks first."""
_POLLERS_DO = ("register", "modify", "poll")
"""What a poller of the system is refused in a world; to be unregistered from and to be closed is no harm."""
_made: dict[int, tuple[Any, Any]] = {}
"""By the identity of a method: it, and what asks first."""
_asks_for: dict[int, Any] = {}
"""By the identity of what asks first: the method."""


def _is_harness_s(frame: FrameType) -> bool:
    """Whether the harness calls there: what it has made it may use, also while a test has left its world open."""
    return is_harness(str(frame.f_globals.get("__name__", "")))


def _asking(method: Any, title: str, is_outside: Callable[[Any], str]) -> Any:
    def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        kernel = session.active
        if kernel is not None and kernel.thread == get_ident() and (what := is_outside(self)) and not _is_harness_s(sys._getframe(1)):
            refuse_outsider(f"{type(self).__name__}{title}" if title.startswith(".") else title, what, made_by(self, *_parts(self)), self)
        return method(self, *args, **kwargs)

    functools.update_wrapper(call, method, assigned=("__module__", "__name__", "__qualname__", "__doc__"), updated=())
    return call


def _registering(method: Any) -> Any:
    def register(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        key = method(self, *args, **kwargs)
        kernel = session.active
        if kernel is not None and kernel.thread == get_ident() and not _is_harness_s(sys._getframe(1)):
            try:
                refuse_real(kernel, key.fd, "SelectSelector.register")
            except Fenced:
                sys.modules["selectors"].SelectSelector.unregister(self, key.fileobj)
                raise
        return key

    functools.update_wrapper(register, method, assigned=("__module__", "__name__", "__qualname__", "__doc__"), updated=())
    return register


def _parts(thing: Any) -> tuple[Any, ...]:
    """What an object made when it was made, or when it was first used, of which there are notes: a loop's socket, a pool's threads, what TLS is spoken over."""
    return *(getattr(thing, name, None) for name in ("_ssock", "_worker_handler", "_executor_manager_thread")), *tuple(getattr(thing, "_threads", ()))


def _of_poller(poller: Any) -> str:
    return f"a select.{type(poller).__name__} object"


_OF_POLLERS = [
    pairs_of(cls, _POLLERS_DO, lambda method: _asking(method, f"{method.__objclass__.__name__}.{method.__name__}", _of_poller))
    for cls in _REAL_POLLERS
    if cls is not type(None)
]
"""Of the classes of ``select``, which are in C."""


def _found() -> Iterator[tuple[type, str, Any, Any]]:
    """(class, name, its method, what asks first). A module that is not loaded has made nothing."""
    for module, name, attribute, is_outside in _METHODS:
        cls = getattr(sys.modules.get(module), name, None)
        if not isinstance(cls, type) or attribute not in vars(cls):
            continue
        method = vars(cls)[attribute]
        method = _asks_for.get(id(method), method)  # what a mock has put back was in its place when the mock came
        if id(method) not in _made:
            title = f"{'' if name.startswith('_') else name}.{attribute.lstrip('_')}"
            asking = _registering(method) if is_outside is _of_registered else _asking(method, title, is_outside)
            _made[id(method)] = method, asking
            _asks_for[id(asking)] = method
        yield cls, attribute, method, _made[id(method)][1]


def methods() -> list[tuple[Any, Any]]:
    """(method, what asks first) of each that is exchanged in its class, as long as it is not."""
    return [(method, asking) for _, _, method, asking in _found() if method is not asking]


def method_of_poller(poller: Any, name: str) -> Any:
    """What asks first, for a method of a poller of the system; None where nobody asks."""
    pairs = next((pairs for pairs in _OF_POLLERS if pairs[0][1].__objclass__ is type(poller)), ())
    return next((now for known, _, now in pairs if known == name), None)


def apply() -> None:
    """The patched state begins."""
    exchange(list(map(swap_of, _OF_POLLERS)))
    for found in _found():
        cls, attribute, _, asking = found
        _applied.append(found)
        setattr(cls, attribute, asking)


def note() -> None:
    """What there is now, when it has just been applied to that, is what ``is_in_place`` means."""
    global _as_applied
    named = []
    for module, name, attribute, _ in _METHODS:
        cls = getattr(sys.modules.get(module), name, None)
        if isinstance(cls, type) and attribute in vars(cls):
            named.append((vars(sys.modules[module]), name, cls, vars(cls), attribute, vars(cls)[attribute]))
    _as_applied = (tuple(map(sys.modules.get, _MODULES)), *zip(*named, strict=True)) if named else ()


def is_in_place() -> bool:
    """Whether ``apply`` would find nothing else than it has found: no other module, no other class, no other method."""
    if not _as_applied:
        return False
    modules, spaces, names, classes, attributes, keys, ours = _as_applied
    return (
        all(map(is_, map(sys.modules.get, _MODULES), modules))
        and all(map(is_, map(dict.get, spaces, names), classes))
        and all(map(is_, map(MappingProxyType.get, attributes, keys), ours))
    )


def remove() -> None:
    """The patched state ends."""
    global _as_applied
    _as_applied = ()
    exchange(list(map(swap_of, _OF_POLLERS)), back=True)
    while _applied:
        cls, attribute, method, ours = _applied[-1]
        if vars(cls).get(attribute) is ours:
            setattr(cls, attribute, method)
        _applied.pop()
