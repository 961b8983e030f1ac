"""The first world of a process is the same as every later one: what simsock loads late is loaded outside the world's time, chance and scheduler."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

import simsock

LATE_NAMES = """
    import random, threading, simsock, sys

    def look(sim):
        kernel = sim._kernel
        before = kernel.steps, kernel.first.points, kernel.now, random.getstate(), sim.digest
        for name in simsock.__all__:
            getattr(simsock, name)
        assert (kernel.steps, kernel.first.points, kernel.now, random.getstate(), sim.digest) == before

    for number in range(2):
        with simsock.Simulation(strategy="random", seed=number) as sim:
            sim.spawn(lambda: None)
            look(sim)
    print("{}")
"""

A_LATE_NAME_IN_A_RACE = """
    import json, sys, threading, time, simsock

    def run():
        order = []

        def work(number):
            for _ in range(3):
                try:
                    raise OSError(number)
                except simsock.Unsupported:
                    pass
                except OSError:
                    pass
                time.sleep(0)
                order.append(number)

        with simsock.Simulation(seed=3, strategy="random", preempt=sys.argv[1]) as sim:
            threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return sim.digest, order

    runs = [run() for _ in range(100)]
    print(json.dumps([runs[0] == runs[1] == runs[99], runs[0]]))
"""

A_SERVER = """
    import json, sys, simsock
    from simsock import socketserver

    class Hello(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"hello")

    def run():
        with simsock.Simulation(seed=1, strategy="random", patch=sys.argv[1] == "True") as sim:
            kernel = sim._kernel
            before = kernel.first.points
            server = sim.serve(Hello, host="server")
            made = kernel.first.points - before
            with sim.connect(server) as client:
                assert client.recv(9) == b"hello"
        return made, sim.digest

    first, second = run(), run()
    print(json.dumps(first == second))
"""

A_SEARCH = """
    import json, sys, threading, simsock

    def test(sim):
        shared = {"value": 0}

        def add():
            seen = shared["value"]
            shared["value"] = seen + 1

        threads = [threading.Thread(target=add) for _ in range(2)]
        for thread in threads:
            thread.start()
        sim.link("client", "server", simsock.Link(latency="5ms"))
        sim.host("client"), sim.host("server")
        for thread in threads:
            thread.join()
        assert shared["value"] == 2

    if len(sys.argv) > 2:
        try:
            simsock.replay(test, sys.argv[2])
        except AssertionError:
            print('"fails"')
    else:
        print(json.dumps(simsock.explore(test, preempt=sys.argv[1]).token))
"""


@pytest.fixture
def fresh(tmp_path):
    """``fresh(source, *arguments)``: what a program prints (as JSON) in a new process that has imported nothing of simsock before."""

    def run(source, *arguments):
        program = tmp_path / "program.py"
        program.write_text(textwrap.dedent(source))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        done = subprocess.run([sys.executable, str(program), *arguments], capture_output=True, text=True, env=environment, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_the_first_look_at_a_name_of_simsock_is_no_event_of_the_world(fresh):
    assert fresh(LATE_NAMES) == {}


@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_the_first_world_of_a_process_is_the_same_as_the_second_and_the_hundredth(fresh, preempt):
    alike, first = fresh(A_LATE_NAME_IN_A_RACE, preempt)
    assert alike
    assert fresh(A_LATE_NAME_IN_A_RACE, preempt)[1] == first


@pytest.mark.parametrize("patch", [True, False])
def test_a_server_of_the_framework_is_made_in_the_first_world_as_in_the_second(fresh, patch):
    assert fresh(A_SERVER, str(patch)) is True


def test_the_token_of_a_search_fails_in_the_first_world_of_a_new_process(fresh):
    token = fresh(A_SEARCH, "lines")
    assert fresh(A_SEARCH, "lines", token) == "fails"


def test_an_unpatched_world_among_worlds_that_share_a_session_leaves_the_standard_modules_alone():
    import time

    real = time.sleep
    with simsock.session():
        with simsock.Simulation():
            assert time.sleep is not real
        with simsock.Simulation(patch=False) as sim:
            assert time.sleep is real
            time.sleep(0.001)
            assert round(sim.now, 4) == 0
        with simsock.Simulation() as sim:
            time.sleep(1)
            assert round(sim.now, 4) == 1
    assert time.sleep is real
