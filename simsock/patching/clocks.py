"""``datetime.datetime.now`` and ``utcnow`` inside a world, and from 3.15 on ``datetime.date.today``.

Owns these methods while the patched state lasts; ``datetime.today``, and ``date.today`` before 3.15, ask ``time.time`` themselves. They are exchanged in
the class itself, which Python does not offer for a class of C and CPython's own type cache has to be told: so ``datetime`` stays the one class
that everybody captured, compares with ``is``, subclasses and pickles. Law: outside the world's thread they are what they were.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import warnings
from _thread import get_ident
from datetime import date, datetime, timedelta
from typing import Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.stdlib import time as clock
from simsock.supported import check_clocks

check_clocks()  # whoever is imported now takes the clocks that are there for the machine's, for ever
_originals: dict[type, dict[str, Any]] = {datetime: {name: datetime.__dict__[name] for name in ("now", "utcnow")}}
if sys.version_info >= (3, 15):
    _originals[date] = {"today": date.__dict__["today"]}
_EPOCH = datetime(1970, 1, 1)


def _inside() -> bool:
    kernel = session.active
    return kernel is not None and kernel.thread == get_ident()


def _now(cls: Any, tz: Any = None) -> Any:
    """Virtual date and time, of the zone ``tz`` or of this machine."""
    if not _inside():
        return _originals[datetime]["now"].__get__(None, cls)(tz)
    seconds, rest = divmod(clock.time_ns(), 1_000_000_000)
    return _of_class(cls, datetime.fromtimestamp(seconds, tz).replace(microsecond=rest // 1000))


def _utcnow(cls: Any) -> Any:
    """Virtual date and time in UTC, without a zone."""
    if not _inside():
        return _originals[datetime]["utcnow"].__get__(None, cls)()
    if sys.version_info >= (3, 12):
        text = (
            "datetime.datetime.utcnow() is deprecated and scheduled for removal in a future version. "
            "Use timezone-aware objects to represent datetimes in UTC: datetime.datetime.now(datetime.UTC)."
        )
        warnings.warn(text, DeprecationWarning, stacklevel=2)
    return _of_class(cls, _EPOCH + timedelta(microseconds=clock.time_ns() // 1000))


def _of_class(cls: Any, plain: datetime) -> Any:
    if cls is datetime:
        return plain
    fold = {"fold": plain.fold} if plain.fold else {}
    return cls(plain.year, plain.month, plain.day, plain.hour, plain.minute, plain.second, plain.microsecond, plain.tzinfo, **fold)


def _today(cls: Any) -> Any:
    """The virtual date of this machine's zone."""
    if not _inside():
        return _originals[date]["today"].__get__(None, cls)()
    return cls.fromtimestamp(clock.time())


_ours: dict[type, dict[str, Any]] = {datetime: {"now": _now, "utcnow": _utcnow}, date: {"today": _today}}
for _methods in _ours.values():
    for _name, _function in _methods.items():
        _function.__name__ = _function.__qualname__ = _name
        _methods[_name] = classmethod(_function)


def is_clock(cls: type, name: str) -> bool:
    """Whether this method of a class is one of those that are exchanged."""
    return any(issubclass(cls, owner) and name in methods for owner, methods in _originals.items())


def bound(cls: type, name: str) -> Any:
    """What the exchanged method of that name is for a class: for who has kept the one in C, bound, from before."""
    methods = next(methods for owner, methods in _ours.items() if name in methods)
    return methods[name].__get__(None, cls)


def _put(methods: dict[type, dict[str, Any]]) -> None:
    for cls in _originals:
        gc.get_referents(cls.__dict__)[0].update(methods[cls])
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(cls))


def apply() -> None:
    """The patched state begins."""
    _put(_ours)
    if any(getattr(getattr(cls, name), "__func__", None) is not _ours[cls][name].__func__ for cls in _originals for name in _originals[cls]):
        _put(_originals)
        raise Unsupported(f"datetime.now cannot be simulated on this Python ({sys.version.split()[0]}): its class cannot be changed")


def remove() -> None:
    """The patched state ends."""
    _put(_originals)
