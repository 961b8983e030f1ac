"""``sim`` under ``@given``: a fresh world for each example, drawn and shrunk with the inputs."""

from __future__ import annotations

import re

import pytest

from simsock import Simulation

HEAD = """
    import pytest
    from hypothesis import example, given, note, settings, strategies as st
    from simsock import Link

    settings.register_profile("here", database=None, derandomize=True)
    settings.load_profile("here")

    def came(sim, count):
        with sim.datagram(host="server", address=("server", 7)) as server, sim.datagram() as client:
            for number in range(count):
                client.sendto(b"x", ("server", 7))
            sim.settle()
            server.setblocking(False)
            received = 0
            try:
                while server.recv(100):
                    received += 1
            except BlockingIOError:
                return received
"""
LOSSY = """
    lossy = pytest.mark.simsock(link=Link(loss="10%"))

    @lossy
    @given(number=st.integers(0, 20))
    def test_it(sim, number):
        assert came(sim, number) == number or number < 3
"""


def test_each_example_has_a_world_of_its_own(project):
    project.write(
        HEAD,
        """
        import time
        seen = []

        @pytest.fixture(scope="module")
        def word():
            return "word"

        @pytest.mark.parametrize("one", [1])
        @settings(max_examples=20)
        @given(number=st.integers())
        def test_it(sim, word, number, one):
            assert sim.now == 0 and word == "word" and one == 1
            time.sleep(3600)
            seen.append(sim)

        class TestIt:
            @settings(max_examples=20)
            @given(st.integers())
            def test_it(self, sim, number):
                assert sim.now == 0 and isinstance(self, TestIt)
                sim.sleep(1)
                seen.append(sim)

        def test_many():
            assert len(set(map(id, seen))) == 40 and all(sim.now >= 1 for sim in seen)

        def test_after(sim):
            assert sim.now == 0
        """,
    )
    project.run("-W", "error").assert_outcomes(passed=4)


def test_faults_and_inputs_shrink_together_and_the_failure_says_how_to_repeat_it(project, section):
    project.write(HEAD, LOSSY)
    failure = project.failure()
    assert re.search(r"number=3,", failure.longreprtext)
    assert "sim=<a fresh world>" in failure.longreprtext
    assert section(failure, "repeat") == "pytest test_it.py::test_it --simsock-seed=0"
    assert re.search(r"1\. .*lost", section(failure, "deviations"))
    assert "2. " not in section(failure, "deviations")
    (token,) = re.findall(r'simsock\.Simulation\(token="(\S+)"\)', failure.longreprtext)
    with Simulation(token=token) as sim:
        with sim.datagram(host="server", address=("server", 7)) as server, sim.datagram() as client:
            for _ in range(3):
                client.sendto(b"x", ("server", 7))
            sim.settle()
            assert len(server.recv(10)) == 1
        (loss,) = sim.deviations
    assert loss[0] == "link client->server loss"


def test_a_race_is_told_with_the_lines_between_which_tasks_were_switched(project, section):
    project.write(
        HEAD,
        """
        import threading

        @pytest.mark.simsock(strategy="random", preempt="lines")
        @given(number=st.integers(0, 5))
        def test_it(sim, number):
            counts = [0]
            def add():
                seen = counts[0]
                counts[0] = seen + 1
            threads = [threading.Thread(target=add) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert counts == [2]
        """,
    )
    told = section(project.failure(), "deviations")
    assert told.startswith("what was not as usual, and is enough to make it fail:")
    assert re.search(r"task \S+ ran between test_it.py:\d+ and test_it.py:\d+ of add-1", told)
    assert "step by step" in told and "counts[0] = seen + 1" in told


def test_the_failure_comes_again(project):
    project.write(HEAD, LOSSY)
    first, second = project.failure(), project.failure()
    assert first.longreprtext == second.longreprtext


def test_what_a_task_raises_fails_the_example_and_is_told(project, section):
    project.write(
        HEAD,
        """
        @given(number=st.integers(0, 100))
        def test_it(sim, number):
            def work():
                assert number < 10
            sim.spawn(work, name="worker")
            sim.settle()
        """,
    )
    failure = project.failure()
    assert "number=10," in failure.longreprtext
    assert "raised in task worker" in failure.longreprtext
    assert section(failure, "deviations").startswith("nothing unusual is needed")


def test_an_explicit_example_has_the_world_of_a_test_without_given(project):
    project.write(
        HEAD,
        """
        counts = []

        @pytest.mark.simsock(link=Link(loss="50%"), seed=5)
        @example(number=100)
        @settings(max_examples=1)
        @given(number=st.just(0))
        def test_it(sim, number):
            counts.append(came(sim, number))

        @pytest.mark.simsock(link=Link(loss="50%"), seed=5)
        def test_same(sim):
            assert 20 < came(sim, 100) == counts[0] < 80
        """,
    )
    project.run().assert_outcomes(passed=2)


def test_draws_in_the_world_and_the_real_deadline(project):
    project.write(
        HEAD,
        """
        @settings(deadline=300, max_examples=20)
        @given(st.data())
        def test_it(sim, data):
            sim.sleep("1h")
            assert sim.spawn(lambda: data.draw(st.integers(0, 3))).result() <= 3
            note("told")
        """,
    )
    project.run().assert_outcomes(passed=1)


@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_a_race_is_found_and_shrunk(project, section, preempt):
    project.write(
        HEAD,
        f"""
        @pytest.mark.simsock(strategy="random", preempt={preempt!r})
        @settings(max_examples={100 if preempt == "calls" else 3_000}, deadline=None)
        @given(number=st.integers(0, 9))
        def test_it(sim, number):
            served = sim.serve(Counter, Count)
            for task in [sim.spawn(visit, sim, served) for _ in range(2)]:
                task.result()
            assert served.server.count == 2 or number == 0
        """,
    )
    if preempt == "calls":  # nothing is called between reading and writing the count
        project.run().assert_outcomes(passed=1)
        return
    # Within six hundred for any of Hypothesis's seeds; which it takes depends on the numbers that it finds in the sources of what is loaded.
    failure = project.failure()
    assert "number=1," in failure.longreprtext
    assert "assert (1 == 2" in failure.longreprtext


@pytest.mark.parametrize("fixture", ["bed", "testbed"])
def test_a_fixture_that_depends_on_sim_is_an_error_that_names_it(project, fixture):
    project.write(
        HEAD,
        f"""
        @pytest.fixture
        def bed(sim):
            return sim

        @given(number=st.integers())
        def test_it(sim, {fixture}, number):
            pass
        """,
    )
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*Unsupported: '{fixture}' asks for sim under @given*"])


@pytest.mark.parametrize(
    ("marker", "arguments", "said"),
    [
        ("schedules=5", [], "*Unsupported: schedules= under @given*"),
        ("chunks='x'", [], "*options of sim: chunks: expected*"),
        ("sed=5", [], "*@pytest.mark.simsock: unknown option 'sed'*"),
        ("seed=1", ["TOKEN"], "*Unsupported: a token repeats one world*"),
    ],
)
def test_what_makes_no_sense_is_an_error(project, marker, arguments, said):
    project.write(HEAD, f"@pytest.mark.simsock({marker})\n@given(number=st.integers())\ndef test_it(sim, number):\n    pass\n")
    if arguments:
        with Simulation() as sim:
            pass
        arguments = [f"--simsock-replay={sim.token}"]
    result = project.run(*arguments)
    assert result.ret == 1
    result.stdout.fnmatch_lines([said])


def test_a_sim_of_the_projects_own_is_left_alone(project):
    project.write(
        HEAD,
        """
        @pytest.fixture(scope="session")
        def sim():
            return 2

        @given(number=st.integers())
        def test_it(sim, number):
            assert sim == 2

        @given(sim=st.just(3))
        def test_drawn(sim):
            assert sim == 3
        """,
    )
    project.run().assert_outcomes(passed=2)


def test_faults_that_are_required_must_come_in_one_example(project):
    project.write(
        HEAD,
        """
        from simsock.strategies import simulations

        @pytest.mark.simsock(require_faults=True)
        @settings(max_examples=10)
        @given(number=st.integers(0, 9))
        def test_some(sim, number):
            sim.partition("client", "server")
            came(sim, min(number, 1))

        @pytest.mark.simsock(require_faults=True)
        @settings(max_examples=10)
        @given(number=st.integers(0, 9))
        def test_none(sim, number):
            came(sim, 0)
            sim.partition("client", "server")

        @settings(max_examples=10)
        @given(sim=simulations(require_faults=True))
        def test_none_of_its_own(sim):
            with sim:
                came(sim, 0)
                sim.partition("client", "server")
        """,
    )
    result = project.run()
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*NeverHappened: never took effect in * examples: partition client <-> server (require_faults=True)*"])
