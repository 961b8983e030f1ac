"""Where in the program something stands.

Owns the choice of the one frame worth showing: the innermost that belongs neither to simsock nor to the standard library, else the
innermost outside simsock. Knows nothing of tasks.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from types import FrameType
from typing import Any

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_PLUGIN = os.sep + "pytest_simsock" + os.sep
_STDLIB = tuple({os.path.abspath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib")})
_INSTALLED = (os.sep + "site-packages" + os.sep, os.sep + "dist-packages" + os.sep)


def is_simsock(filename: str) -> bool:
    """Whether a file is part of this package or its plugin."""
    return filename.startswith(PACKAGE) or _PLUGIN in filename


def is_library(filename: str) -> bool:
    """Whether a file is the standard library's or an installed package's."""
    return filename.startswith("<") or filename.startswith(_STDLIB) or any(part in filename for part in _INSTALLED)


def program_frame(frame: FrameType | None) -> FrameType | None:
    """The innermost frame of the program under test at or above ``frame``; failing that, of anything that is not simsock."""
    fallback = None
    while frame is not None:
        filename = frame.f_code.co_filename
        if not is_simsock(filename):
            if not is_library(filename):
                return frame
            fallback = fallback or frame
        frame = frame.f_back
    return fallback


def place_text(frame: FrameType | None) -> str:
    """``"file.py:12 in function"`` of a frame, the file relative to the working directory where that is shorter."""
    if frame is None:
        return "?"
    return f"{short_path(frame.f_code.co_filename)}:{frame.f_lineno} in {frame.f_code.co_qualname}"


def short_path(filename: str) -> str:
    """A file's path relative to the working directory if it lies in it."""
    try:
        relative = os.path.relpath(filename)
    except ValueError:
        return filename
    return filename if relative.startswith("..") else relative


def place_of_current() -> str:
    """Where the program stands that called simsock."""
    return place_text(program_frame(sys._getframe(1)))


def place_of(greenlet: Any) -> str:
    """Where a parked greenlet stands."""
    return place_text(program_frame(getattr(greenlet, "gr_frame", None)))
