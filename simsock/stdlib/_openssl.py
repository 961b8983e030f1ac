"""What a world asks of OpenSSL itself, beside what Python's ``_ssl`` offers: chance from the tape, and checks of certificates by the world's time.

PYTEST_DONT_REWRITE

Owns the way to both, through ``ctypes`` and the very libcrypto that ``_ssl`` has loaded. Does not know sockets, nor what is done with OpenSSL. Laws:

* OpenSSL draws from a world only while one of its conversations is in OpenSSL, and in the world's thread only;
* each call into OpenSSL has draws of its own: what OpenSSL keeps for later (the blinding of a key, say) shifts none of another call;
* the table of functions lives as long as the process, and has no function of Python for OpenSSL's own end;
* where libcrypto does not show its functions, chance stays OpenSSL's: handshakes then differ by a byte or two, and nothing else does.
"""

from __future__ import annotations

import ctypes
import sys
from _thread import get_ident
from functools import cache
from os import urandom
from typing import TYPE_CHECKING, Any

from simsock.choices import derive_seed
from simsock.choices.hashing import blake2b
from simsock.errors import Unsupported
from simsock.kernel import session

try:
    import _ssl as module
except ImportError:  # a Python built without OpenSSL
    module = None  # type: ignore[assignment]  # asked for wherever it is used

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel
    from simsock.stdlib._keylog import Keylog

_urandom = urandom
_USE_CHECK_TIME = 0x2
"""X509_V_FLAG_USE_CHECK_TIME."""
_BLOCK = 64


class Room:
    """``kernel.room(Room)``: what OpenSSL has of one world."""

    __slots__ = ("calls", "conversations", "draws", "key", "keylog")

    def __init__(self) -> None:
        self.key = b""
        self.conversations = self.calls = 0
        """How many there were so far."""
        self.draws = 0
        """Of the call under way."""
        self.keylog: Keylog | None = None
        """Who writes secrets down, if anybody does."""


_FILL = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_SEED = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_ADD = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_double)
_STATUS = ctypes.CFUNCTYPE(ctypes.c_int)


class _Method(ctypes.Structure):
    """RAND_METHOD of openssl/rand.h."""

    _fields_ = (("seed", _SEED), ("bytes", _FILL), ("cleanup", ctypes.c_void_p), ("add", _ADD), ("pseudorand", _FILL), ("status", _STATUS))


_in_openssl: list[Kernel] = []
"""The worlds of the calls that are under way; more than one call when a callback of the program waits. All of them are of one world."""


def _fill(buffer: int, size: int) -> int:
    kernel = session.active
    if kernel is None or kernel.thread != get_ident() or not _in_openssl:
        data = _urandom(size)
    else:
        room = kernel.room(Room)
        room.draws += 1
        if not room.key:
            room.key = derive_seed(kernel.seed, "openssl").to_bytes(8, "little")
        blocks = (blake2b(b"%d/%d/%d" % (room.calls, room.draws, block), key=room.key).digest() for block in range(-(-size // _BLOCK)))
        data = b"".join(blocks)
    ctypes.memmove(buffer, data, size)
    return 1


@cache
def _library() -> Any:
    """The libcrypto of ``_ssl``, whose functions are found through the module's own file."""
    try:
        return ctypes.PyDLL(getattr(module, "__file__", None))
    except OSError:
        return None


@cache
def _chance() -> tuple[Any, Any, Any] | None:
    """(the function that sets the method, what it is set to in a call, what it was before); None where it cannot be set."""
    library = _library()
    try:
        put, get = library.RAND_set_rand_method, library.RAND_get_rand_method
    except AttributeError:
        return None
    put.argtypes, put.restype = (ctypes.c_void_p,), ctypes.c_int
    get.argtypes, get.restype = (), ctypes.c_void_p
    table = _Method(_SEED(lambda buffer, size: 1), _FILL(_fill), None, _ADD(lambda buffer, size, entropy: 1), _FILL(_fill), _STATUS(lambda: 1))
    return put, (ctypes.addressof(table), table), get()


def chance_is_the_tapes() -> bool:
    """Whether a world can decide what OpenSSL draws."""
    return module is not None and _chance() is not None


def begin(kernel: Kernel) -> None:
    """A call into OpenSSL begins, whose chance is the world's. ``end`` follows."""
    room = kernel.room(Room)
    room.calls += 1
    room.draws = 0
    found = _chance()
    if found is not None and not _in_openssl:
        found[0](found[1][0])
    _in_openssl.append(kernel)


def end() -> None:
    """It is over."""
    _in_openssl.pop()
    if not _in_openssl:
        found = _chance()
        if found is not None:
            found[0](found[2])


# -- certificates by the world's time -------------------------------------------------------------------------------------------------------


@cache
def _time_functions() -> tuple[Any, Any, Any]:
    """(from SSL_CTX to its parameters, set their time, take it back), after a look whether a context's first field is its SSL_CTX."""
    library = _library()
    try:
        find, put, clear, options = (
            getattr(library, name) for name in ("SSL_CTX_get0_param", "X509_VERIFY_PARAM_set_time", "X509_VERIFY_PARAM_clear_flags", "SSL_CTX_get_options")
        )
    except AttributeError:
        raise Unsupported("tls_time='world': this Python's OpenSSL does not show the functions that set the time of a check") from None
    find.argtypes, find.restype = (ctypes.c_void_p,), ctypes.c_void_p
    put.argtypes, put.restype = (ctypes.c_void_p, ctypes.c_int64), None
    clear.argtypes, clear.restype = (ctypes.c_void_p, ctypes.c_ulong), ctypes.c_int
    options.argtypes, options.restype = (ctypes.c_void_p,), ctypes.c_uint64
    context = module._SSLContext(module.PROTOCOL_TLS_CLIENT)
    if sys.implementation.name != "cpython" or (options(_pointer(context)) ^ int(context.options)) & 0x7FFF_FFFF:
        raise Unsupported("tls_time='world': a context of this Python does not look as it should, the time of a check cannot be set")
    return find, put, clear


def _pointer(context: Any) -> int | None:
    """SSL_CTX of a context: the first field of its object (PySSLContext in CPython's Modules/_ssl.c)."""
    return ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value


def set_time(context: Any, seconds: int) -> None:
    """Conversations that begin in ``context`` from now on check certificates as of that time."""
    find, put, _ = _time_functions()
    put(find(_pointer(context)), seconds)


def forget_time(context: Any) -> None:
    """Those that begin from now on check by the real time again."""
    find, _, clear = _time_functions()
    clear(find(_pointer(context)), _USE_CHECK_TIME)


__all__ = ["Room", "begin", "chance_is_the_tapes", "end", "forget_time", "module", "set_time"]
