"""Hypothesis strategies for what clients send, how it is cut, and what things are called.

Owns the names that tests draw from: ``requests`` (and ``lines``, ``frames``, ``http_requests``, of which it is the common face), ``chunks``,
``client_scripts``, ``hostnames``; ``simulations`` and what they are made of, ``links``, ``schedules``, ``faults``. Does not know handlers. Laws:

* names are plural, options are keywords, and a value that makes no sense is named in a ``UsageError`` at once, not when it is drawn;
* what has something wrong has one thing wrong, so that it shrinks to that thing;
* nothing that is public elsewhere loads this package: ``import simsock`` does not import Hypothesis.
"""

from simsock.hypothesis_time import leave_out_our_constants
from simsock.strategies.clients import ClientScript, chunks, client_scripts
from simsock.strategies.conditions import Fault, Timeline, faults, links, schedules
from simsock.strategies.names import hostnames
from simsock.strategies.requests import frames, lines, requests
from simsock.strategies.stateful import NetworkStateMachine
from simsock.strategies.web import http_requests
from simsock.strategies.worlds import simulations

SIMSOCK_ROOM = "outside"

leave_out_our_constants()

__all__ = [
    "ClientScript",
    "Fault",
    "NetworkStateMachine",
    "Timeline",
    "chunks",
    "client_scripts",
    "faults",
    "frames",
    "hostnames",
    "http_requests",
    "lines",
    "links",
    "requests",
    "schedules",
    "simulations",
]
