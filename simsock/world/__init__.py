"""One world: how it begins and ends, its hosts and servers, its faults and what can be seen of it."""

SIMSOCK_ROOM = "face"
