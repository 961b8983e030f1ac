"""A misspelt name is an error that says which one was meant."""

from __future__ import annotations

import socket

import pytest

import simsock


@pytest.mark.parametrize(
    ("attempt", "name", "meant"),
    [
        (lambda: simsock.Simulation(sede=1), "sede", "seed"),
        (lambda: simsock.Simulation(max_step=1), "max_step", "max_steps"),
        (lambda: simsock.Simulation(link="flakywifi"), "flakywifi", "flaky-wifi"),
        (lambda: simsock.Simulation(strategy="surv"), "surv", "surw"),
        (lambda: simsock.Simulation(preempt="line"), "line", "lines"),
        (lambda: simsock.Simulation(chunks="byte"), "byte", "bytes"),
        (lambda: simsock.Simulation(sends="randm"), "randm", "random"),
        (lambda: simsock.Simulation(entropy="tap"), "tap", "tape"),
        (lambda: simsock.Link(los=0.1), "los", "loss"),
        (lambda: simsock.Link(jitter="1ms", latency="5ms", distribution="parreto"), "parreto", "pareto"),
        (lambda: simsock.explore(print, 1, shedules=5), "shedules", "schedules"),
        (lambda: simsock.explore(print, 1, executer=None), "executer", "executor"),
        (lambda: simsock.check_determinism(print, linc="3g"), "linc", "link"),
    ],
)
def test_a_misspelt_name_is_an_error_that_says_which_one_was_meant(attempt, name, meant):
    with pytest.raises(simsock.UsageError) as caught:
        attempt()
    assert name in str(caught.value)
    assert f"did you mean {meant!r}?" in str(caught.value)


def test_a_name_like_no_other_is_an_error_without_a_guess():
    with pytest.raises(simsock.UsageError, match=r"^Simulation: unknown option 'zzz'\. Known are strategy, "):
        simsock.Simulation(zzz=1)
    with pytest.raises(simsock.UsageError, match=r"got 5$"):
        simsock.Simulation(preempt=5)


@pytest.mark.parametrize(
    ("name", "where"), [("latency", r"link=Link\(latency=…\)"), ("loss", r"link=Link\(loss=…\)"), ("schedules", r"explore\(…, schedules=…\), or @pytest\.mark")]
)
def test_an_option_of_something_else_is_an_error_that_says_whose_it_is(name, where):
    with pytest.raises(simsock.UsageError, match=rf"^Simulation: unknown option '{name}'; it is an? .*{where}.*\. Known are strategy, "):
        simsock.Simulation(**{name: 5})


CONDITIONS = (lambda sim: sim.partition("sever", "client"), lambda sim: sim.hold("sever"), lambda sim: sim.link("client", "sever", latency=1))


@pytest.mark.parametrize("ask", CONDITIONS)
def test_a_condition_for_a_host_that_nobody_made_is_an_error_with_the_nearest_name(ask):
    words = r"(partition|hold|link): nobody made host 'sever', and nobody asked for it, so it had no effect; there are .*; did you mean 'server'"
    with pytest.raises(simsock.UsageError, match=words), simsock.Simulation() as sim:
        sim.host("server")
        sim.host("client")
        ask(sim)


def test_conditions_may_come_before_the_hosts_and_hold_once_they_are_there():
    with simsock.Simulation() as sim:
        sim.link("client-1", "client-2", latency=1)
        sim.partition("client-2", "client-3")
        sim.host("client-1")
        with sim.host("client-2"):
            server = socket.create_server(("", 1))
        with sim.host("client-1"), socket.create_connection(("client-2", 1)):
            assert sim.now == pytest.approx(2, abs=0.001), "a second there and one back"
        with sim.host("client-3"), pytest.raises(TimeoutError):
            socket.create_connection(("client-2", 1), timeout=5)
        server.close()


@pytest.mark.parametrize("ask", CONDITIONS)
def test_a_condition_for_a_host_that_nobody_made_is_an_error_also_where_no_name_is_near(ask):
    with pytest.raises(simsock.UsageError, match=r"nobody made host 'sever', .*there are localhost, client, printer$"), simsock.Simulation() as sim:
        sim.host("client")
        sim.host("printer")
        ask(sim)


@pytest.mark.parametrize("ask", CONDITIONS)
def test_a_condition_for_hosts_that_nobody_made_is_an_error_in_a_world_of_one_host_as_soon_as_something_was_sent(ask):
    with simsock.Simulation() as sim:
        ask(sim)  # a world without a network, in which nothing is missed
    with pytest.raises((simsock.UsageError, ExceptionGroup)) as caught, simsock.Simulation() as sim:
        ask(sim)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", 80))
    assert "nobody made host 'sever'" in "\n".join(map(str, (caught.value, *getattr(caught.value, "exceptions", ()))))


def test_a_host_is_there_for_those_who_ask_for_its_name():
    with simsock.Simulation() as sim:
        sim.link("client", "sever", latency=1)
        with sim.host("client"), pytest.raises(ConnectionRefusedError):
            socket.create_connection(("sever", 80))
