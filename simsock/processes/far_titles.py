"""What a child calls an open file in what it has written down: by a number that home turns into the file's title.

PYTEST_DONT_REWRITE

Owns the form, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simsock.processes.family import Member

TITLE = "\0"
"""Before a descriptor's number."""


def title_of(member: Member, text: str) -> str:
    """The title of the open file that a child has meant."""
    file: Any = member.table.files.get(int(text.removeprefix(TITLE)))
    return str(getattr(file, "title", "a connection that is closed"))


__all__ = ["TITLE", "title_of"]
