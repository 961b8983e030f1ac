"""``datetime.datetime.now`` and ``utcnow`` inside a world.

Owns these two methods while the patched state lasts; ``datetime.today`` and ``date.today`` ask ``time.time`` themselves. They are exchanged in
the class itself, which Python does not offer for a class of C and CPython's own type cache has to be told: so ``datetime`` stays the one class
that everybody captured, compares with ``is``, subclasses and pickles. Law: outside the world's thread they are what they were.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import warnings
from _thread import get_ident
from datetime import datetime, timedelta
from typing import Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.stdlib import time as clock

_methods: dict[str, Any] = gc.get_referents(datetime.__dict__)[0]
_originals = {name: datetime.__dict__[name] for name in ("now", "utcnow")}
_EPOCH = datetime(1970, 1, 1)


def _inside() -> bool:
    kernel = session.active
    return kernel is not None and kernel.thread == get_ident()


def _now(cls: Any, tz: Any = None) -> Any:
    """Virtual date and time, of the zone ``tz`` or of this machine."""
    if not _inside():
        return _originals["now"].__get__(None, cls)(tz)
    seconds, rest = divmod(clock.time_ns(), 1_000_000_000)
    return _of_class(cls, datetime.fromtimestamp(seconds, tz).replace(microsecond=rest // 1000))


def _utcnow(cls: Any) -> Any:
    """Virtual date and time in UTC, without a zone."""
    if not _inside():
        return _originals["utcnow"].__get__(None, cls)()
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


_now.__name__ = _now.__qualname__ = "now"
_utcnow.__name__ = _utcnow.__qualname__ = "utcnow"
_ours = {"now": classmethod(_now), "utcnow": classmethod(_utcnow)}


def _put(methods: dict[str, Any]) -> None:
    _methods.update(methods)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime))


def apply() -> None:
    """The patched state begins."""
    _put(_ours)
    if getattr(datetime.now, "__func__", None) is not _now:
        _put(_originals)
        raise Unsupported(f"datetime.now cannot be simulated on this Python ({sys.version.split()[0]}): its class cannot be changed")


def remove() -> None:
    """The patched state ends."""
    _put(_originals)
