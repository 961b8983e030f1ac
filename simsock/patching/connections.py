"""What becomes of ``multiprocessing``'s connections when their world has ended.

Owns one thing: a ``Connection`` keeps the number of a descriptor, and no file object that would know that it belongs to a world; its finalizer closes that
number whenever it comes, perhaps at the interpreter's end. Law: with its world it is closed, as sockets are, and says so to whoever uses it.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from simsock.net.pipes import PipeEnd
from simsock.net.unix.common import UnixSocket
from simsock.patching.referrers import of_kinds

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel

_KINDS = (PipeEnd, UnixSocket)
"""What connections are made of."""


def close_connections(kernel: Kernel) -> None:
    """The world has ended, and its descriptors are still known."""
    kind = getattr(sys.modules.get("multiprocessing.connection"), "Connection", None)
    if kind is None or not any(isinstance(file, _KINDS) for file in kernel.files.values()):
        return
    for found in of_kinds(gc.get_objects(), (kind,)):  # what is older than the world is frozen, and not among them
        if vars(found).get("_handle") in kernel.files:
            found._handle = None


__all__ = ["close_connections"]
