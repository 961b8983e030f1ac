"""Peers that misbehave, and one that does not: clients as functions for tests, alone and in crowds."""

from simsock.clients.crowds import Group, Report, Row, let_loose, poisson_arrivals, thundering_herd
from simsock.clients.kinds import (
    KINDS,
    REQUEST,
    early_closer,
    fragmenter,
    garbage_sender,
    half_closer,
    half_open,
    idle_holder,
    pipeliner,
    polite,
    port_scanner,
    replayer,
    resetter,
    slow_reader,
    slow_sender,
    slowloris,
)
from simsock.clients.outcome import RESULTS, Outcome
from simsock.clients.tls import tls_staller

SIMSOCK_ROOM = "outside"

__all__ = [
    "KINDS",
    "REQUEST",
    "RESULTS",
    "Group",
    "Outcome",
    "Report",
    "Row",
    "early_closer",
    "fragmenter",
    "garbage_sender",
    "half_closer",
    "half_open",
    "idle_holder",
    "let_loose",
    "pipeliner",
    "poisson_arrivals",
    "polite",
    "port_scanner",
    "replayer",
    "resetter",
    "slow_reader",
    "slow_sender",
    "slowloris",
    "thundering_herd",
    "tls_staller",
]
