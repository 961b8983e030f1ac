"""Whatever schedule a race was found in, it is told with the fewest switches that it needs, and with the same story for every seed."""

from __future__ import annotations

import socket
import socketserver
import threading
from types import SimpleNamespace

import pytest

import simsock

SEEDS = range(6)


def together(*bodies):
    threads = [threading.Thread(target=body) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def lost_update(sim):
    shared = SimpleNamespace(total=0, members=[])

    def join():
        number = shared.total
        shared.total = number + 1
        shared.members.append(number)

    together(join, join, join)
    assert len(set(shared.members)) == 3


def check_then_act(sim):
    pool = ["last"]

    def take():
        if pool:
            pool.pop()

    together(take, take)


def two_stages(sim):
    first, second = threading.Lock(), threading.Lock()
    shared = SimpleNamespace(one=0, two=0)

    def write():
        with first:
            shared.one = 1
        with second:
            shared.two = shared.one + 1

    def read():
        with first:
            one = shared.one
        with second:
            two = shared.two
        assert not one or two == one + 1

    together(write, read)


def a_counter_of_a_threading_server(sim):
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.rfile.readline()
            seen = self.server.hits
            self.server.hits = seen + 1
            self.wfile.write(b"ok\n")

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.hits = 0
    serving = threading.Thread(target=server.serve_forever)
    serving.start()

    def visit():
        with socket.create_connection(server.server_address) as connection:
            connection.sendall(b"x\n")
            connection.recv(10)

    together(visit, visit, visit)
    server.shutdown()
    serving.join()
    server.server_close()
    assert server.hits == 3


def locks_in_opposite_order(sim):
    one, other = threading.Lock(), threading.Lock()

    def forth():
        with one, other:
            pass

    def back():
        with other, one:
            pass

    together(forth, back)


def a_list_of_one(sim):
    count = [0]

    def bump():
        seen = count[0]
        count[0] = seen + 1

    together(bump, bump)
    assert count[0] == 2


@pytest.mark.parametrize(
    ("program", "names"),
    [
        (lost_update, "total"),
        (two_stages, "one, two"),
        (a_list_of_one, "items of count"),
        (a_counter_of_a_threading_server, "hits"),
    ],
)
def test_what_was_raced_on_is_named(program, names):
    assert f"\n     raced on: {names}\n" in simsock.explore(program, schedules=500).story.text()


@pytest.mark.parametrize(
    ("program", "preempt"),
    [
        (lost_update, "lines"),
        (check_then_act, "lines"),
        (two_stages, "lines"),
        (a_counter_of_a_threading_server, "lines"),
        (locks_in_opposite_order, "calls"),
        (locks_in_opposite_order, "lines"),
    ],
)
def test_one_deviation_and_one_story_whatever_the_seed(program, preempt):
    verdicts = [simsock.explore(program, schedules=1_000, seed=seed, preempt=preempt) for seed in SEEDS]
    assert [len(verdict.deviations) for verdict in verdicts] == [1] * len(SEEDS)
    assert len({verdict.story.text() for verdict in verdicts}) == 1
    with pytest.raises(type(verdicts[0].error)):
        verdicts[0].replay()


def test_a_hang_stays_the_hang_that_was_found():
    def program(sim):
        one, other = threading.Lock(), threading.Lock()
        never = threading.Event()
        shared = SimpleNamespace(first=False)

        def forth():
            shared.first = True
            with one, other:
                pass

        def back():
            if not shared.first:
                never.wait()
            with other, one:
                pass

        together(forth, back)

    for seed in range(30):
        verdict = simsock.explore(program, schedules=200, seed=seed, shrink=False)
        shrunk = simsock.explore(program, schedules=200, seed=seed)
        assert shrunk.error.facts["waits"] == verdict.error.facts["waits"]


def test_of_several_errors_at_once_the_shortest_story_of_one_is_told():
    def program(sim):
        shared = SimpleNamespace(one=0, other=0)

        def first():
            seen = shared.one
            shared.one = seen + 1
            assert shared.one == seen + 1

        def second():
            seen = shared.other
            shared.other = seen + 1
            assert shared.other == seen + 1, "the other race"

        together(first, first, first, second, second, second)

    several = 0
    for seed in range(8):
        if isinstance(simsock.explore(program, schedules=50, seed=seed, shrink=False).error, ExceptionGroup):
            several += 1
            verdict = simsock.explore(program, schedules=50, seed=seed)
            assert (type(verdict.error), len(verdict.deviations)) == (AssertionError, 1)
    assert several > 1
