"""``python -m simsock``: the command, without knowing where it is installed."""

import sys

from simsock.cli import main

SIMSOCK_ROOM = "outside"

if __name__ == "__main__":  # a search with several jobs imports this module again in each process
    sys.exit(main())
