"""Worlds without patching have no TLS, and Pythons whose OpenSSL shows no functions have their own chance: both are said."""

from __future__ import annotations

import pytest

import simsock
from simsock import Unsupported
from simsock.report.diagnosis import Diagnosis
from tests.tls.contexts import client_context, server_context


def test_wrapping_a_socket_of_a_world_without_patching_is_refused_by_name():
    with simsock.Simulation(patch=False) as sim:
        listener = sim.network.socket.create_server(("127.0.0.1", 443))
        with sim.network.socket.create_connection(("127.0.0.1", 443)) as sock:
            for wrap in (
                lambda: client_context().wrap_socket(sock, server_hostname="server"),
                lambda: server_context().wrap_socket(listener, server_side=True),
            ):
                with pytest.raises(Unsupported, match="wrap_socket: a world with patch=False has no TLS"):
                    wrap()
            assert sock.getsockopt(sim.network.socket.SOL_SOCKET, sim.network.socket.SO_TYPE) == sock.type, "others may ask"
        listener.close()


def test_the_doctor_says_where_openssl_draws_by_itself():
    healthy, own = (Diagnosis([], [], [], [], openssl) for openssl in (True, False))
    assert own.is_healthy
    assert "This Python's OpenSSL does not show its functions" in "\n".join(own.lines())
    assert healthy.lines() == own.lines()[:1]
