"""Runs the programs on real sockets and writes down what they saw: ``python -m tests.tls.record``, on one Python before and one after 3.12.4.

That is where reads and writes began to tell of resets. What is not what it was is printed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.tls.programs import PROGRAMS

FILE = Path(__file__).parent / "seen_on_linux.json"
KEY = "tells resets" if sys.version_info >= (3, 12, 4) else "tells no resets"


def known() -> dict[str, dict[str, str]]:
    """By program: what it saw, as text, by ``KEY``."""
    return json.loads(FILE.read_text()) if FILE.exists() else {}


if __name__ == "__main__":
    table = known()
    for program in PROGRAMS:
        row, now = table.setdefault(program.__name__, {}), repr(program())
        if row.get(KEY, now) != now:
            print(f"{program.__name__}: was {row[KEY]}, is {now}")
        row[KEY] = now
    FILE.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")
