"""What happens to the sockets of a host that crashes.

Owns the finding of them. Does not know tasks. Laws: nobody hears of a crash; what later reaches a connection that was lost in it is answered
by a reset once the host is up again (RFC 9293, 3.10.7.1).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from simsock.kernel.files import every_table
from simsock.net.datagrams import DatagramSocket
from simsock.net.tcp.stream import StreamSocket

if TYPE_CHECKING:
    from simsock.kernel.happened import Fault
    from simsock.net.fabric import Fabric, Host


def crash(fabric: Fabric, host: Host, fault: Fault) -> None:
    """The host is down: its sockets are lost, nothing sets out from it and nothing that arrives is answered."""
    host.down = True
    fabric.interference.down[host.name] = fault
    fabric.interfere()
    files = list({id(file): file for table in every_table(fabric.kernel) for file in table.files.values()}.values())  # in order, each once
    for orphan in [orphan for orphan in fabric.orphans if orphan.host is host]:
        orphan.vanish()  # it was closed, and had something to send yet
    for file in files:
        if isinstance(file, (StreamSocket, DatagramSocket)) and file.host is host:
            fault.times += 1
            file.vanish()
            file.error = errno.ENETDOWN  # for whoever uses it from elsewhere: a test that has one of its sockets
            file.wake_readers()
            file.wake_writers()
    host.tcp.forget()


def restart(fabric: Fabric, host: Host) -> None:
    """The host is up again, with nothing on it."""
    host.down = False
    fabric.interference.down.pop(host.name, None)
    fabric.interfere()
