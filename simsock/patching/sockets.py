"""``socket.socket`` while a world is live.

Owns the class that stands under that name, and ``__new__`` of the real one: calling either, or a subclass that was made at import, gives a
simulated socket in the world's thread and a real one elsewhere. Laws: what a world's sockets are is exactly what ``socket.socket`` says
there, because programs ask ``type(sock) is socket.socket``; a class made from it is a class of real sockets, which outlives the world; a
method that somebody put into the real class is a world's too.
"""

from __future__ import annotations

import _socket
import functools
import socket as real
from _thread import get_ident
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import ceil
from operator import is_
from types import FunctionType, MethodDescriptorType
from typing import Any

from simsock.errors import Unsupported
from simsock.kernel import Kernel, session
from simsock.kernel.originals import original
from simsock.kernel.units import NS
from simsock.patching.classes import changed, exchange, names_of
from simsock.patching.fence import refuse_outsider
from simsock.stdlib._allowed import Allowed, is_behind, over_a_real_one
from simsock.stdlib._makers import made_by
from simsock.stdlib._room import Room
from simsock.stdlib._socketobject import socket as simulated
from simsock.stdlib._tls import queue_send

real_class = _class = real.socket
"""Taken now: a program or ``mock.patch`` may put another class under this name while a world is live."""
_original = _class.__new__
_default_timeout = original(_socket, "getdefaulttimeout")
_FUNCTIONS = (FunctionType, MethodDescriptorType)
_hidden: dict[type, type] = {}
_TALKS = (
    "accept bind connect connect_ex dup listen makefile recv recv_into recvfrom recvfrom_into recvmsg recvmsg_into send sendall sendfile sendmsg sendto "
    "setsockopt shutdown"
).split()
"""Methods of a real socket that would reach somebody outside the world, wait for him in real time, or change what he meets."""


def _names_of(cls: type) -> dict[str, Any]:
    return {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}


class _Standing(type):
    """The class of the class that stands in for ``socket.socket``."""

    def __new__(mcs, name: str, bases: tuple[type, ...], space: dict[str, Any], **options: Any) -> Any:
        if bases == (simulated,):
            return super().__new__(mcs, name, bases, space, **options)
        plain = tuple(_class if base is standing else base for base in bases)
        kind = type(plain[0]) if isinstance(plain[0], type) else type
        return kind(name, plain, space, **options)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        kernel = session.active
        if kernel is None or kernel.thread != get_ident():
            return _class(*args, **kwargs)
        return type.__call__(cls, *args, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _class)

    def __subclasscheck__(cls, subclass: Any) -> bool:
        return issubclass(subclass, _class)


standing = _Standing("socket", (simulated,), {"__slots__": (), "_of_world": True, **_names_of(_class)})
"""What ``socket.socket`` is in a world."""
_names = names_of(_class)
_usual = dict(_names)
_USUALLY = list(_usual.values())
_inherited = dict(vars(_socket.socket))
_lent: dict[str, Any] = {}
_put_back: list[Callable[[], Any]] = []
_usually_in_place: list[Any] = []
_in_place: list[Any] = []
"""What the class of real sockets has while the stand-ins are in it; and what that is if nobody else has put anything there."""
_of_c: list[tuple[str, Any, Any]] = []
"""Methods of the class in C, by which a program reaches a socket past its class: (name, method, what asks first)."""
_stand_ins: dict[str, Any] = {}
_talking: dict[str, Any] = {}


def _hidden_class(cls: type) -> type:
    """A subclass of ``cls`` whose instances are simulated sockets: ``cls`` first, then ours, then the real class."""
    found = _hidden.get(cls)
    if found is None:
        names = {"_of_world": True, **_names_of(cls)}
        if any(base.__module__ == "ssl" for base in cls.__mro__):
            names["_queue_send"] = queue_send
        try:
            found = type(cls)(cls.__name__, (cls, simulated), names)
        except TypeError as error:
            raise Unsupported(f"a socket of class {cls.__module__}.{cls.__qualname__} cannot be simulated: {error}") from error
        _hidden[cls] = found
    return found


def _new(cls: type, *args: Any, **kwargs: Any) -> Any:
    kernel = session.active
    if kernel is not None and kernel.thread == get_ident():
        if cls is _class:
            cls = standing
        elif not issubclass(cls, simulated):
            cls = over_a_real_one(cls) if is_behind(kernel, kwargs.get("fileno")) else _hidden_class(cls)
    return _original(cls)


def pairs() -> list[tuple[Any, Any]]:
    """The class, and its methods, which programs capture as functions of a socket (trio does)."""
    methods = {**vars(_socket.socket), **vars(_class)}
    found = [(method, _either(name, method)) for name, method in methods.items() if not name.startswith("_") and isinstance(method, _FUNCTIONS)]
    _usually_in_place[:] = {**_usual, **_talking, "__new__": _new}.values()
    _of_c[:] = [(name, method, _talking.get(name) or _either(name, method)) for name, method in _inherited.items() if name in _TALKS]
    return [(_class, standing), *found]


def _either(name: str, method: Any) -> Any:
    """The method of a simulated socket, or of a real one, which no task of a world may use to talk or to wait."""
    simulated_method = getattr(simulated, name)
    talks = name in _TALKS

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(self, simulated):
            return simulated_method(self, *args, **kwargs)
        if talks and session.active is not None and session.active.thread == get_ident() and not isinstance(self, Allowed):
            refuse_outsider(f"socket.{name}", repr(self), made_by(self), self)
        return method(self, *args, **kwargs)

    functools.update_wrapper(call, method, assigned=("__name__", "__qualname__", "__doc__"), updated=())
    _stand_ins[name] = call
    if talks:
        _talking[name] = call
    return call


def methods() -> list[tuple[Any, Any]]:
    """(method in Python, what refuses that of a real socket) of each with which a socket talks."""
    return [(_usual[name], stand_in) for name, stand_in in _talking.items() if type(_usual.get(name)) is FunctionType]


def method_of(sock: Any, name: str) -> Any:
    """What refuses a method in C of a real socket; None where nothing does."""
    return None if isinstance(sock, simulated) else _talking.get(name)


def apply() -> None:
    """The patched state begins."""
    global _in_place
    usual = _is_usual()
    if usual:
        _names.update(_talking)
    else:
        _tidy()
        for name, value in _names.items():
            if _usual.get(name) is not value and value is not _inherited.get(name):  # a mock's, from before the world; not one that was put back
                _lent[name] = vars(standing).get(name)
                setattr(standing, name, value)
                _lend_methods(value)
        _names.update({name: stand_in for name, stand_in in _talking.items() if name not in _names or name in _usual})
    exchange([(_socket.socket, names_of(_socket.socket), _of_c)])
    changed(_class)
    _class.__new__ = _new  # type: ignore[method-assign]  # undone in remove
    _in_place = _usually_in_place if usual else list(_names.values())


def _lend_methods(guard: Any, depth: int = 3) -> None:
    """What a plugin has put into the class (a guard that lets some hosts through) calls the method that it took before, of a simulated socket now: it is given
    ours, which takes both, wherever it has that, in a closure or by a name of its module."""
    if type(guard) is not FunctionType:
        return
    for cell in guard.__closure__ or ():
        with suppress(ValueError):  # an empty one
            held = cell.cell_contents
            if (ours := _ours(held)) is not None:
                _put_back.append(partial(setattr, cell, "cell_contents", held))
                cell.cell_contents = ours
            elif depth:
                _lend_methods(held, depth - 1)
    space = guard.__globals__
    for name in guard.__code__.co_names:
        if (ours := _ours(held := space.get(name))) is not None:
            _put_back.append(partial(space.__setitem__, name, held))
            space[name] = ours


def _ours(method: Any) -> Any:
    """What takes simulated sockets as well, if this is a method of real ones that does not."""
    name = getattr(method, "__name__", None) if isinstance(method, _FUNCTIONS) else None
    return _stand_ins.get(name) if name is not None and (method is _usual.get(name) or method is _inherited.get(name)) else None


def is_in_place() -> bool:
    """Whether the class of real sockets has what ``apply`` has put there: a mock's methods in it are a world's too, which ``apply`` sees to."""
    return len(_names) == len(_in_place) and all(map(is_, _names.values(), _in_place))


def _is_usual() -> bool:
    """Whether nobody has put anything into the class, or taken it out: as nearly always."""
    return len(_names) == len(_usual) and all(map(is_, _names.values(), _USUALLY)) and all(map(is_, _names, _usual))


def _tidy() -> None:
    """Somebody may have put a method "back" into the real class that he took when a stand-in was there: the real one comes in its place."""
    now = _names.get
    for name, stand_in in _stand_ins.items():
        if now(name) is stand_in:
            if name in _usual:
                _names[name] = _usual[name]
            else:
                del _names[name]
    changed(_class)


def remove() -> None:
    """The patched state ends."""
    global _in_place
    _in_place = []
    exchange([(_socket.socket, names_of(_socket.socket), _of_c)], back=True)
    _tidy()
    if _names.get("__new__") is not None:
        del _class.__new__
    for name, value in list(_lent.items()):
        if value is not None:
            setattr(standing, name, value)
        elif name in vars(standing):
            delattr(standing, name)
        del _lent[name]
    while _put_back:
        _put_back.pop()()


def enter(kernel: Kernel) -> None:
    """A world begins: this is the class of the sockets that are made for the program, and the timeout that it has given to new ones before."""
    room = kernel.room(Room)
    room.socket_class = standing
    timeout = _default_timeout()
    if timeout is not None:
        room.default_timeout_ns = ceil(timeout * NS)
