"""``threading`` for ``sim.network``: the standard library's own code, on the threads and locks of the world.

PYTEST_DONT_REWRITE

Owns the namespace that the copy lives in, and nothing else: see ``_threading_copy``. Law: what is not simulated is refused by name.
"""

from __future__ import annotations

from typing import Any

from simsock.stdlib import _threading_copy


def __getattr__(name: str) -> Any:
    import threading

    from simsock.errors import Unsupported

    if name in threading.__all__:
        raise Unsupported(f"threading.{name} is not simulated yet")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_threading_copy.fill(globals())
