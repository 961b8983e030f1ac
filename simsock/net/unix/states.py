"""The states of an open Unix socket: modules compare them by identity.

Owns the values. Does not know what leads from one to another; the sockets do.
"""

NEW = "new"
LISTENING = "listening"
CONNECTED = "connected"
CLOSED = "closed"
