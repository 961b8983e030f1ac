"""What people read: stories of failing runs, tables, columns."""

SIMSOCK_ROOM = "face"
