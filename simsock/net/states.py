"""The states of an open socket, once: modules compare them by identity.

Owns the values. Does not know what leads from one to another; the machines do.
"""

NEW = "new"
LISTENING = "listening"
CONNECTING = "connecting"
CONNECTED = "connected"
CLOSED = "closed"
FAILED = "failed"
