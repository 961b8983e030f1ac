"""Captures: what passes between a world's hosts, in files that Wireshark and its relatives read."""

from simsock.world.capturing.recorder import Capture, end_captures

__all__ = ["Capture", "end_captures"]
