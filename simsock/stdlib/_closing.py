"""How a descriptor is closed in a world.

Owns the one wait that close(2) knows: that of SO_LINGER with a time (socket(7)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.net.tcp.stream import StreamSocket

if TYPE_CHECKING:
    from simsock.kernel import Kernel


def close_descriptor(kernel: Kernel, fd: int) -> None:
    """close(2). Raises EBADF; waits when the last descriptor of a stream that lingers is closed."""
    file = kernel.process.files.get(fd)
    kernel.process.close(fd)
    if isinstance(file, StreamSocket) and file.linger_ns and not file.references and not kernel.ending:
        file.wait_closed()
