"""The error for names that are not simulated, shared by the stand-ins."""

from __future__ import annotations

from simsock.errors import Unsupported


class UnsupportedName(Unsupported, AttributeError):
    """A name of a standard module that is not simulated. ``hasattr`` answers False: programs ask it before they use what not every system has."""
