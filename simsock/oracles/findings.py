"""How findings are told that do not stop the world.

PYTEST_DONT_REWRITE

Owns that. Does not know what was found. Laws: the first is told, with the number of others; once, when the world's block is over, or at its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simsock.errors import Finding
    from simsock.kernel.core import Kernel


def tell_first(kernel: Kernel, found: Mapping[tuple[str, ...], Finding]) -> None:
    """The first of them fails the world, unless it does already."""
    error = next(iter(found.values()), None)
    if error is None or any(known is error for _, known in kernel.errors):
        return
    if len(found) > 1:
        error.add_note(f"and {len(found) - 1} more of the kind")
    kernel.errors.append((None, error))  # type: ignore[arg-type]  # it is no task's


__all__ = ["tell_first"]
