"""What simsock itself asks the real file system while a world runs: what is there, and of what kind.

Owns these questions. Law: they are asked by the functions in C that this module found when it was imported; what the program puts under their names (a guard
that forbids an event loop to block, a mock) sees the program's calls only.
"""

from __future__ import annotations

import os
import stat as kinds

from simsock.kernel.originals import original

_stat, _access, _getcwd = (original(os, name) for name in ("stat", "access", "getcwd"))


def there(path: str) -> os.stat_result | None:
    """What the system says of a path; None if it says nothing."""
    try:
        found: os.stat_result = _stat(path)
    except (OSError, ValueError):
        return None
    return found


def exists(path: str) -> bool:
    """Whether there is anything."""
    return there(path) is not None


def is_folder(path: str) -> bool:
    """Whether it is a folder."""
    found = there(path)
    return found is not None and kinds.S_ISDIR(found.st_mode)


def is_program(path: str) -> bool:
    """Whether it is a file that may be executed."""
    found = there(path)
    return found is not None and not kinds.S_ISDIR(found.st_mode) and bool(_access(path, os.X_OK))


def are_one(path: str, other: str) -> bool:
    """Whether two paths lead to the same file."""
    found, others = there(path), there(other)
    return found is not None and others is not None and (found.st_dev, found.st_ino) == (others.st_dev, others.st_ino)


def absolute(path: str) -> str:
    """The whole path."""
    return os.path.normpath(path if os.path.isabs(path) else os.path.join(_getcwd(), path))


__all__ = ["absolute", "are_one", "exists", "is_folder", "is_program", "there"]
