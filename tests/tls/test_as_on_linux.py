"""Two ends of TLS see in a world what they see on Linux, errors and their texts included."""

from __future__ import annotations

import pytest

from simsock import Simulation
from tests.tls.programs import PROGRAMS, WHATEVER_THE_WAY, a_full_socket, much_text, timeouts
from tests.tls.record import KEY, known

ON_LINUX = known()
TOO_SLOW_IN_BYTES = (a_full_socket, much_text, timeouts)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_program_sees_what_it_sees_on_real_sockets(program):
    with Simulation(seed=1) as sim:
        assert repr(program()) == ON_LINUX[program.__name__][KEY]
    assert sim.leaks == []


@pytest.mark.parametrize(
    "program", [program for program in PROGRAMS if program not in (a_full_socket, much_text, timeouts)], ids=lambda program: program.__name__
)
def test_cutting_what_is_encrypted_does_not_cut_what_is_said(program):
    with Simulation(seed=1, chunks="bytes", sends="random"):
        assert repr(program()) == ON_LINUX[program.__name__][KEY]


@pytest.mark.parametrize("program", WHATEVER_THE_WAY, ids=lambda program: program.__name__)
def test_a_bad_way_changes_nothing_of_what_is_said(program):
    with Simulation(seed=1, link="flaky-wifi", loopback=True):
        assert repr(program()) == ON_LINUX[program.__name__][KEY]
