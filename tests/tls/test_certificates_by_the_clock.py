"""Whose clock certificates are checked by: the real one, unless the world is told to use its own."""

from __future__ import annotations

import ssl
import threading

import pytest

from simsock import Simulation, UsageError
from tests.tls.contexts import client_context, make_server_context
from tests.tls.programs import meet, seen, wrap_client, wrap_server

BY_THE_WORLD = {"tls_time": "world"}


def shake(certificate):
    """What a client says of a server with that certificate: None, or the words of the refusal."""
    found = meet(lambda sock: seen(wrap_client, sock), lambda sock: seen(wrap_server, sock, make_server_context(certificate)))[0]
    return found[2].rpartition("] ")[2] if isinstance(found, tuple) else None


def test_a_certificate_expires_in_a_virtual_month():
    """It is good for January 2026, in which worlds begin."""
    with Simulation(seed=1, max_time="60d", **BY_THE_WORLD) as sim:
        assert shake("january") is None
        sim.sleep("32d")
        assert shake("january") == "certificate verify failed: certificate has expired"


def test_a_certificate_may_be_of_the_future():
    with Simulation(seed=1, start_time="2025-12-31", **BY_THE_WORLD):
        assert shake("january").startswith("certificate verify failed: certificate is not yet valid")


def test_one_that_has_expired_is_good_in_a_world_of_its_time():
    with Simulation(seed=1, start_time="2020-06-01", **BY_THE_WORLD):
        assert shake("expired") is None


def test_without_being_told_the_real_clock_counts_and_contexts_are_left_as_they_were():
    with Simulation(seed=1, start_time="2020-06-01", **BY_THE_WORLD):
        assert shake("expired") is None
    with Simulation(seed=1, start_time="2020-06-01"):
        assert shake("expired") == "certificate verify failed: certificate has expired"


def test_a_host_whose_clock_is_wrong_judges_by_it():
    with Simulation(seed=1, **BY_THE_WORLD) as sim:
        assert shake("january") is None
        sim.host("localhost").jump("40d")
        assert shake("january") == "certificate verify failed: certificate has expired"


def test_buffers_of_event_loops_are_judged_by_the_same_clock():
    with Simulation(seed=1, start_time="2020-06-01", **BY_THE_WORLD):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        back, forth = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
        server = make_server_context("expired").wrap_bio(back, forth, server_side=True)
        for _ in range(3):
            for end in (client, server):
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    pass
                incoming.write(forth.read())
                back.write(outgoing.read())
        assert client.version() == server.version() == "TLSv1.3"


def test_what_cannot_be_is_an_error():
    with pytest.raises(UsageError, match=r"tls_time: expected 'real' or 'world'.*got 'word'"):
        Simulation(tls_time="word")
    with pytest.raises(UsageError, match="tls_time='world' with patch=False"):
        Simulation(tls_time="world", patch=False)


def test_threads_of_the_system_draw_and_judge_as_ever():
    done = []

    def outside():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        done.append(context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="x")._sslobj)

    thread = threading.Thread(target=outside)
    with Simulation(seed=1, **BY_THE_WORLD):
        pass
    thread.start()
    thread.join()
    assert type(done[0]).__module__ == "_ssl"
