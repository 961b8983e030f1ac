"""Running scenarios: what the clients do, what is checked, and what counts as expected."""

import pickle
import re

import pytest

from simsock.choices import Deviation, Token
from simsock.report.story import Teller
from simsock.scenario import ScenarioTest, importable, read, run, target_of
from simsock.scenario.repeating import failure_place, repeat
from simsock.search.runner import Runner
from simsock.world.options import Options


def test_a_race_is_found_shrunk_and_repeated_from_its_token(scenario):
    result = run(read(scenario()))
    assert result.as_expected
    assert result.repeats
    assert result.verdict.status == "fails"
    assert 1 <= len(result.verdict.deviations) <= 3
    assert failure_place(result.again.error).startswith("counter.py:")
    assert str(result.again.error) == str(result.verdict.error)


def test_the_healthy_twin_is_inconclusive_and_that_is_what_it_expects(scenario):
    result = run(read(scenario(server='class = "counter:Careful"', expect="inconclusive")))
    assert result.as_expected
    assert str(result.verdict).splitlines()[0] == "inconclusive, 200 schedules tried (seed 0)"
    assert result.again is None


def test_a_race_that_is_not_expected_is_a_surprise_and_so_is_one_that_is_not_found(scenario):
    assert re.fullmatch(r"expected that no schedule fails, and schedule \d+ does", run(read(scenario(expect="inconclusive"))).surprise)
    assert run(read(scenario(server='class = "counter:Careful"'))).surprise == "expected that a schedule fails, and none does (200 schedules tried)"


def test_another_error_than_the_expected_one_is_a_surprise(scenario, tmp_path):
    path = scenario()
    text = (tmp_path / path).read_text()
    (tmp_path / path).write_text(text.replace('expect = "fails"', 'expect = "fails"\nerror = "counted"'))
    assert run(read(path)).as_expected
    (tmp_path / path).write_text(text.replace('expect = "fails"', 'expect = "fails"\nerror = "another"'))
    assert run(read(path)).surprise == f"expected an error with 'another' in it, and it is AssertionError: {run(read(path)).verdict.error}"


@pytest.mark.parametrize(
    "server",
    ['class = "counter:Whole"', 'class = "counter:Server"\nhandler = "counter:Handler"', 'class = "counter:Whole"\nhandler = "counter:LockedHandler"'],
)
def test_a_server_class_is_given_its_handler_or_knows_it(scenario, server):
    result = run(read(scenario(server=server)))
    assert result.as_expected
    assert "counted" in str(result.verdict.error)


ALONE = """

class Alone(BaseRequestHandler):
    def handle(self):
        while self.request.recv(100):
            pass


def threading_server(server):
    assert type(server) is ThreadingTCPServer
"""


def test_a_handler_alone_is_served_by_a_threading_server(scenario, tmp_path):
    path = scenario(server='handler = "counter:Alone"', expect="inconclusive", check="counter:threading_server", schedules=5)
    with open(tmp_path / "counter.py", "a") as file:
        file.write(ALONE)
    assert run(read(path)).as_expected


def test_a_check_may_answer_instead_of_raising(scenario):
    result = run(read(scenario(check="counter:is_three")))
    assert result.as_expected
    assert str(result.verdict.error) == "counter:is_three(server) returned False"
    assert run(read(scenario(check="counter:is_three", server='class = "counter:Careful"', expect="inconclusive"))).as_expected


def test_a_client_function_gets_the_world_the_server_and_its_number(scenario):
    result = run(read(scenario(clients='client = "counter:client"', server='class = "counter:Careful"', expect="inconclusive", schedules=20)))
    assert result.as_expected


def test_each_client_is_a_host_of_its_own(scenario, tmp_path):
    path = scenario(server='handler = "counter:Handler"', check="counter:three_hosts", expect="inconclusive", schedules=5)
    source = (
        (tmp_path / "counter.py")
        .read_text()
        .replace("        self.rfile.readline()", "        peers.append(self.client_address[0])\n        self.rfile.readline()\n        return", 1)
    )
    (tmp_path / "counter.py").write_text(
        source + "\n\npeers = []\n\n\ndef three_hosts(server):\n    found = sorted(peers)\n    peers.clear()\n    assert len(set(found)) == 3, found\n"
    )
    assert run(read(path)).surprise == ""


def test_what_a_client_raises_fails_the_run(scenario):
    result = run(read(scenario(clients='client = "counter:failing_client"')))
    assert type(result.verdict.error) is RuntimeError
    assert result.verdict.failing_schedule == 1


def test_what_a_handler_raises_fails_the_run(scenario, tmp_path):
    path = scenario(expect="inconclusive")
    source = (tmp_path / "counter.py").read_text()
    (tmp_path / "counter.py").write_text(source.replace("        self.rfile.readline()", "        raise KeyError(5)", 1))
    assert re.fullmatch(r"expected that no schedule fails, and schedule \d+ does", run(read(path)).surprise)


def test_the_check_comes_when_nothing_is_going_on_any_more(scenario, tmp_path):
    """Clients that do not wait for their handlers: the check sees all three of them done, or it would fail with any schedule."""
    path = scenario(server='class = "counter:Careful"', clients='client = "counter:in_and_out"', expect="inconclusive")
    with open(tmp_path / "counter.py", "a") as file:
        file.write("\n\ndef in_and_out(sim, served, number):\n    sim.connect(served).sendall(b'hello\\n')\n")
    assert run(read(path)).as_expected


def test_seed_and_number_of_schedules_and_server_can_be_given(scenario):
    path = scenario(server='class = "counter:Careful"', expect="inconclusive")
    assert str(run(read(path), schedules=7, seed="s").verdict).splitlines()[0] == "inconclusive, 7 schedules tried (seed 's')"
    assert run(read(path), server="counter:Whole").verdict.status == "fails"
    assert run(read(scenario(server='class = "counter:Server"\nhandler = "counter:Handler"')), server="counter:Careful").verdict.status == "inconclusive"
    assert run(read(scenario(server='class = "nowhere:Nobody"')), server="counter:Whole").verdict.status == "fails"


def test_the_link_of_the_file_is_that_of_the_world(scenario):
    result = run(read(scenario(more='[link]\nlatency = "5ms"\n')))
    assert Token.decode(result.verdict.token).options["link"] == [["latency_ns", 5_000_000]]
    assert result.repeats


def test_what_is_searched_is_the_project_of_the_file_and_the_modules_it_names(scenario, tmp_path):
    plan = read(scenario("deep/it.toml"))
    with importable(plan):
        scope = ScenarioTest(plan).scope()
    assert str(tmp_path / "deep") in scope
    assert str(tmp_path / "deep" / "counter.py") in scope


def test_several_processes_find_the_same_schedule(scenario):
    path = scenario()
    alone, shared = run(read(path)), run(read(path), jobs=2)
    assert alone.verdict.failing_schedule == shared.verdict.failing_schedule
    assert alone.verdict.token == shared.verdict.token


def test_where_simsock_itself_waits_no_line_of_whoever_called_it_is_told(scenario):
    plan = read(scenario())
    texts = []
    with importable(plan):
        test = ScenarioTest(plan)
        with Runner(test, Options(preempt="calls")) as runner:
            for index in range(12):
                teller = Teller()
                outcome = runner.run(0, (Deviation("task main schedule", index, 1),), prepare=teller.listen)
                texts += map(str, teller.story(outcome.error, outcome.deviations).steps)
    assert any(text.startswith("when main waited (join), ") for text in texts), texts
    assert not any("test_running.py" in text for text in texts)


def test_a_scenarios_test_travels_as_its_file(scenario):
    plan = read(scenario())
    with importable(plan, "counter:Careful"):
        test = ScenarioTest(plan, "counter:Careful")
        test.on_run = lambda: None
        copy = pickle.loads(pickle.dumps(test))
    assert copy.server == "counter:Careful"
    assert copy.on_run is None
    assert copy.plan.tables == plan.tables


def test_a_token_names_a_file_in_the_working_directory_by_its_relative_path_and_no_other(scenario, tmp_path, monkeypatch):
    scenario("deep/it.toml")
    assert target_of("deep/it.toml") == "deep/it.toml"
    assert target_of(str(tmp_path / "deep" / "it.toml")) == "deep/it.toml"
    assert target_of("./deep/../deep/it.toml") == "deep/it.toml"
    assert Token.decode(run(read("deep/it.toml")).verdict.token).target == "deep/it.toml"
    monkeypatch.chdir(tmp_path / "deep")
    assert target_of("it.toml") == "it.toml"
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert target_of("../deep/it.toml") is None
    result = run(read("../deep/it.toml"))
    assert result.target is None
    assert Token.decode(result.verdict.token).target is None


# -- again -----------------------------------------------------------------------------------------------------------------------------------


def test_a_run_repeats_a_hundred_times_out_of_a_hundred(scenario):
    plan = read(scenario())
    result = run(plan)
    with importable(plan):
        test = ScenarioTest(plan)
        again = repeat(test, result.verdict.token, scope=test.scope(), times=100)
    assert (again.same, again.times, again.other) == (100, 100, "")
    assert again.same_failure(result.verdict.error)


def test_runs_that_differ_are_counted_and_the_first_one_is_told():
    seen = []

    def fickle(sim):
        seen.append(1)
        if len(seen) % 3:
            raise ValueError(1)

    again = repeat(fickle, Token(0, {}, ()).encode(), times=9)
    assert (again.same, again.other) == (6, "it passes")
    assert not again.same_failure(again.error)


def test_runs_that_end_alike_and_go_differently_are_told_apart():
    seen = []

    def fickle(sim):
        seen.append(1)
        sim.spawn(int, name=f"task-{len(seen)}").result()
        raise ValueError

    again = repeat(fickle, Token(0, {}, ()).encode(), times=3)
    assert again.same == 1
    assert "the same error, but digest" in again.other


def test_memory_addresses_do_not_make_two_failures_different():
    def shows_an_address(sim):
        raise ValueError(object())

    assert repeat(shows_an_address, Token(0, {}, ()).encode(), times=5).same == 5


def test_the_place_of_several_errors_is_each_ones():
    def two(sim):
        def bad():
            raise ValueError

        def worse():
            raise KeyError

        sim.spawn(bad)
        sim.spawn(worse)
        sim.settle()

    again = repeat(two, Token(0, {}, ()).encode())
    assert isinstance(again.error, BaseExceptionGroup)
    assert failure_place(again.error).count("test_running.py:") == 2
