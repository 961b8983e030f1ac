"""Scenarios with populations: what is read, what happens in the world, and what is judged."""

import re
import tomllib

import pytest

from simsock.errors import ScenarioError
from simsock.scenario import ScenarioTest, importable, read, run
from simsock.scenario.acting import signed_seconds
from simsock.scenario.schema import plan

SOURCE = """
from simsock.clients import Outcome
from simsock.network import in_force
from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer


class Shout(StreamRequestHandler):
    timeout = 3

    def handle(self):
        try:
            self.wfile.write(self.rfile.readline().upper())
        except TimeoutError:
            pass


class Sour(Shout):
    def handle(self):
        raise ConnectionResetError("sour")


class Endless(Shout):
    timeout = None


class Holding(Shout):
    def handle(self):
        self.server.kept = [*getattr(self.server, "kept", []), self.request.dup()]
        super().handle()


def tell_time(address, pause=0):
    network = in_force()
    network.time.sleep(pause)
    return Outcome("?", "served", b"%s at %d" % (network.socket.gethostname().encode(), network.time.monotonic()), pause)


def two_came(server, report):
    return len(report.outcomes["polite"]) == 2


NOTHING = None
"""

HEAD = """
[scenario]
name = "it"
about = "It is."
expect = "inconclusive"

[server]
handler = "shouts:Shout"

[search]
schedules = 2
preempt = "calls"
"""

POLITE = """
[[populations]]
kind = "polite"
count = 2
request = "hi\\n"
"""


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    """Writes a scenario and its module; returns its path."""
    monkeypatch.chdir(tmp_path)

    def write(more=POLITE, head=HEAD):
        (tmp_path / "shouts.py").write_text(SOURCE)
        (tmp_path / "it.toml").write_text(head + more)
        return "it.toml"

    return write


def surprise(path, **options):
    return run(read(path), **options).surprise


def failure(path, **options):
    """What the run failed with."""
    return str(run(read(path), **options).verdict.error)


# -- reading -----------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[populations]]\ncount = 3", "populations[1].kind is missing"),
        ('[[populations]]\nkind = "polit"', "populations[1].kind = 'polit': expected a kind of client, or \"module:function\"; did you mean polite?"),
        (POLITE + '[[populations]]\nkind = "polite"\ncount = 0', "populations[2].count = 0: expected a whole number from 1 to 10,000"),
        (POLITE + "requst = 1", "populations[1].requst = 1: unknown key for polite; did you mean populations[1].request?"),
        (POLITE + 'payload = "http_request"', "populations[1].request = 'hi\\n': not together with populations[1].payload = 'http_request'"),
        ('[[populations]]\nkind = "polite"\npayload = "poem"', "populations[1].payload = 'poem': expected one of 'form', 'http_request', "),
        (POLITE + 'arrivals = "often"', 'populations[1].arrivals = \'often\': expected "at once", "every 50ms" or "poisson 20/s", got \'often\''),
        (POLITE + 'start = "soon"', "populations[1].start = 'soon': expected a duration such as"),
        (POLITE + "until = 1.5", "populations[1].until = 1.5: expected a whole number from 1"),
        (POLITE + "link = { latncy = 1 }", "populations[1].link.latncy = 1: unknown key; did you mean populations[1].link.latency?"),
        (POLITE + 'link = { latency = "x" }', "populations[1].link.latency = 'x': link latency: expected "),
        (POLITE + 'link = { profile = "moon" }', "populations[1].link.profile = 'moon': link: unknown profile 'moon'"),
        (POLITE + "link = { queue = 5 }", "populations[1].link: link: queue=5 needs a rate"),
        ("populations = 3", "populations = 3: expected tables, [[populations]]"),
        ('[[timeline]]\ndo = "heal"', "timeline[1].at is missing"),
        ('[[timeline]]\nat = 1\ndo = "partion"', "timeline[1].do = 'partion': unknown; did you mean 'partition'?"),
        ('[[timeline]]\nat = 1\ndo = "partition"', "timeline[1].between or timeline[1].host is missing: 'partition' needs one of them"),
        ('[[timeline]]\nat = 1\ndo = "crash"', "timeline[1].host is missing: 'crash' needs it"),
        ('[[timeline]]\nat = 1\ndo = "heal"\nhost = "a"\nbetween = ["a", "b"]', "timeline[1].host = 'a': not together with timeline[1].between"),
        ('[[timeline]]\nat = 1\ndo = "crash"\nhost = "a"\nby = 3', "timeline[1].by = 3: has no meaning with timeline[1].do = 'crash'"),
        ('[[timeline]]\nat = 1\ndo = "heal"\nbetween = ["a"]', "timeline[1].between = ['a']: expected two hosts or populations"),
        ("[[links]]\nlatency = 1", "links[1].between = None: expected either between or host"),
        ('[[hosts]]\naddresses = ["10.0.0.9"]', "hosts[1].name is missing"),
        ('[expectations]\nserved = { polit = "1s" }', "expectations.served = 'polit': no population of that name; did you mean polite?"),
        ('[expectations]\nserved = { polite = "x" }', "expectations.served = {'polite': 'x'}: polite: expected a duration"),
        ('[expectations]\nresults = { polite = ["happy"] }', "expectations.results = {'polite': ['happy']}: polite: expected results (served, refused"),
        ('[expectations]\nhandler_errors = ["int"]', "expectations.handler_errors = ['int']: expected names of Python's exceptions, and 'int' is none"),
        ("[expectations]\nno_leaks = 1", "expectations.no_leaks = 1: expected true or false"),
        (
            '[[timeline]]\nat = 1\ndo = "resolver"\nname = "x"\nchance = 2',
            "timeline[1].chance = 2: expected a share from 0 to 1",
        ),
        (
            '[[timeline]]\nat = 1\ndo = "crash"\nhost = "server"\n[expectations]\nno_leaks = true',
            "expectations.no_leaks = True: not together with a crash",
        ),
        ("[expectations]\nthreads_max = 0", "expectations.threads_max = 0: expected a whole number from 1 to 1,000,000"),
        ("[expectations]\nserv = 0", "expectations.serv = 0: unknown key; did you mean expectations.served?"),
        ('[search]\nchunks = "crumbs"', "search.chunks = 'crumbs': "),
    ],
)
def test_a_mistake_is_named_with_file_key_value_and_what_was_expected(text, message):
    head = HEAD.partition("[search]")[0] if text.startswith("[search]") else HEAD
    populations = "" if "populations" in text else POLITE
    # A key without a table goes first.
    whole = f"{text}\n{head}" if text.startswith("populations =") else head + populations + text
    with pytest.raises(ScenarioError) as caught:
        plan("x.toml", tomllib.loads(whole))
    assert str(caught.value).startswith(f"x.toml: {message}")


def test_clients_or_populations_must_be_there():
    with pytest.raises(ScenarioError, match=r"^x.toml: table \[clients\] is missing$"):
        plan("x.toml", tomllib.loads(HEAD))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("shouts:nobody", "populations[1].kind = 'shouts:nobody': 'shouts' has no 'nobody'"),
        ("shouts:NOTHING", "populations[1].kind = 'shouts:NOTHING': expected a function, found None"),
        ("shouts:tell_time", "populations[1].color = 'red': unknown key for shouts:tell_time"),
    ],
)
def test_a_function_that_cannot_be_a_client_is_named(scenario, kind, message):
    with pytest.raises(ScenarioError) as caught:
        run(read(scenario(f'[[populations]]\nkind = "{kind}"\ncolor = "red"\n')))
    assert str(caught.value).startswith(f"it.toml: {message}")


def test_an_action_that_worlds_cannot_do_yet_is_named_before_anything_runs(scenario, monkeypatch):
    monkeypatch.delattr("simsock.world.faults.Faults.partition")
    path = scenario(POLITE + '[[timeline]]\nat = 1\ndo = "partition"\nhost = "server"\n')
    with pytest.raises(ScenarioError, match=r"timeline\[1\].do = 'partition': not simulated yet: Simulation has no partition\(\)"):
        run(read(path))


# -- the world ---------------------------------------------------------------------------------------------------------------------------------


def test_what_came_of_the_clients_is_reported_by_population(scenario):
    result = run(read(scenario(POLITE + '[[populations]]\nkind = "slow-sender"\nname = "snail"\nrequest = "hi\\n"\nbytes_per_second = 2\n')))
    assert result.as_expected
    assert [(row.kind, row.count, row.results["served"], round(row.max, 4)) for row in result.report.rows()] == [("polite", 2, 2, 0), ("snail", 1, 1, 1.5)]
    with importable(result.plan):
        assert ScenarioTest(result.plan).report.outcomes == {}


def test_links_have_the_condition_of_the_file(scenario):
    both = POLITE + '[[populations]]\nkind = "polite"\nname = "far"\nrequest = "hi\\n"\n'
    times = {}
    for name, more in {
        "none": "",
        "own": 'link = { latency = "1s" }\n',
        "between": '[[links]]\nbetween = ["far", "server"]\nlatency = "2s"\n',
        "one way": '[[links]]\nbetween = ["far", "server"]\nboth_ways = false\nlatency = "2s"\n',
        "host": '[[links]]\nhost = "far"\nprofile = "satellite-geo"\nlatency = "3s"\nloss = 0\n',
        "all": '[link]\nlatency = "500ms"\n',
    }.items():
        rows = {row.kind: row for row in run(read(scenario(both + more))).report.rows()}
        times[name] = (round(rows["polite"].max, 1), round(rows["far"].max, 1))
    assert times == {"none": (0, 0), "own": (0, 4), "between": (0, 8), "one way": (0, 4), "host": (0, pytest.approx(12, abs=0.2)), "all": (2, 2)}


def test_the_timeline_happens_when_it_says(scenario):
    cut = POLITE + 'start = "3s"\n[[timeline]]\nat = "5s"\ndo = "heal"\n[[timeline]]\nat = "2s"\ndo = "partition"\nbetween = ["polite", "server"]\n'
    rows = run(read(scenario(cut))).report.rows()
    assert rows[0].results["served"] == 2
    assert rows[0].max >= 2, "connected when the partition had healed, which a SYN tried after 1 and 3 seconds"
    slow = POLITE + 'start = "3s"\n[[timeline]]\nat = "1s"\ndo = "link"\nbetween = ["polite", "server"]\nlink = { latency = "1s" }\n'
    assert run(read(scenario(slow))).report.rows()[0].max == 4


@pytest.mark.parametrize(("by", "seconds"), [("-1h", -3600), ("90s", 90), (-0.5, -0.5), (3, 3)])
def test_a_clock_jumps_forwards_and_backwards(by, seconds):
    assert signed_seconds(by) == seconds


def test_clients_run_on_hosts_of_their_own_with_options_of_their_own(scenario):
    result = run(read(scenario('[[populations]]\nkind = "shouts:tell_time"\nname = "it"\ncount = 2\npause = 5\narrivals = "every 2s"\n')))
    assert [outcome.reply for outcome in result.report.outcomes["it"]] == [b"it-1 at 1005", b"it-2 at 1007"]


def test_hosts_and_ports_are_those_of_the_file(scenario):
    head = HEAD.replace('handler = "shouts:Shout"', 'handler = "shouts:Shout"\nhost = "web"\nport = 80')
    more = '[[hosts]]\nname = "web"\naddresses = ["10.7.7.7"]\n[[populations]]\nkind = "port-scanner"\nports = [79, 80]\n'
    (outcome,) = run(read(scenario(more, head))).report.outcomes["port-scanner"]
    assert [part.result for part in outcome.parts] == ["refused", "left"]


def test_payloads_are_made_up_anew_for_each_client_and_the_same_in_each_run(scenario):
    path = scenario('[[populations]]\nkind = "polite"\ncount = 5\npayload = "request_line"\n')
    replies = [outcome.reply for outcome in run(read(path)).report.outcomes["polite"]]
    assert all(reply.endswith(b"HTTP/1.1\r\n") for reply in replies)
    assert len(set(replies)) > 1
    assert [outcome.reply for outcome in run(read(path)).report.outcomes["polite"]] == replies
    assert [outcome.reply for outcome in run(read(path), seed=9).report.outcomes["polite"]] != replies


# -- expectations --------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("met", "broken", "message"),
    [
        ('served = { polite = "1s" }', 'served = { polite = "1ms" }', "expectations.served.polite = '1ms': 2 of 2 were not: served after 0.4s with b'HI\\n'"),
        ('results = { polite = ["served"] }', 'results = { polite = ["left", "reset"] }', "expectations.results.polite = ['left', 'reset']: 2 of 2 were not"),
        ('replies = { polite = "HI\\n" }', 'replies = { polite = "HO\\n" }', "expectations.replies.polite = 'HO\\n': 2 of 2 were not"),
        ('within = "400ms"', 'within = "399ms"', "expectations.within = '399ms': it took 0.4s"),
        ("threads_max = 2", "threads_max = 1", "expectations.threads_max = 1: the server had 2 threads at once"),
        ('check = "shouts:two_came"', "", ""),
    ],
)
def test_each_expectation_can_be_met_and_missed(scenario, met, broken, message):
    link = '[link]\nlatency = "100ms"\n'
    assert surprise(scenario(POLITE + link + f"[expectations]\n{met}\n")) == ""
    if broken:
        assert failure(scenario(POLITE + link + f"[expectations]\n{broken}\n")).startswith(message)


def test_a_client_that_was_not_served_misses_the_expectation_however_fast_it_was(scenario):
    head = HEAD.replace("shouts:Shout", "shouts:Sour")
    told = failure(scenario(POLITE + '[expectations]\nserved = { polite = "1h" }\nhandler_errors = ["OSError"]\n', head))
    assert told.startswith("expectations.served.polite = '1h': 2 of 2 were not: ")


def test_a_check_of_the_whole_may_answer_no(scenario):
    more = POLITE.replace("count = 2", "count = 3") + '[expectations]\ncheck = "shouts:two_came"\n'
    assert failure(scenario(more)) == "shouts:two_came(server, report) returned False"


def test_replies_that_are_to_be_the_same_and_are_not(scenario):
    more = '[[populations]]\nkind = "shouts:tell_time"\nname = "it"\ncount = 2\n[expectations]\nsame_replies = ["it"]\n'
    assert failure(scenario(more)).startswith("expectations.same_replies it: 1 of 2 were not: served after 0s with b'it-2 at 1000'")
    assert surprise(scenario(POLITE + '[expectations]\nsame_replies = ["polite"]\n')) == ""


def test_handler_errors_fail_the_run_unless_they_are_expected(scenario):
    head = HEAD.replace("shouts:Shout", "shouts:Sour")
    assert "sour" in repr(run(read(scenario(POLITE, head))).verdict.error)
    assert surprise(scenario(POLITE + '[expectations]\nhandler_errors = ["ConnectionError"]\n', head)) == ""
    assert surprise(scenario(POLITE + '[expectations]\nhandler_errors = ["ConnectionError"]\n')) == "", "they may come, and need not"
    assert "sour" in repr(run(read(scenario(POLITE + '[expectations]\nhandler_errors = ["KeyError"]\n', head))).verdict.error)


def test_what_a_server_keeps_when_its_clients_are_gone_is_a_leak(scenario):
    more = POLITE + "[expectations]\nno_leaks = true\n"
    assert surprise(scenario(more)) == ""
    told = failure(scenario(more, HEAD.replace("shouts:Shout", "shouts:Holding")))
    assert told.startswith("expectations.no_leaks: still there after all clients have gone: descriptor ")
    gone = '[[populations]]\nkind = "half-open"\nrequest = "x"\nlinger = 1\n[expectations]\nno_leaks = true\n'
    assert surprise(scenario(gone)) == ""
    told = failure(scenario(gone, HEAD.replace("shouts:Shout", "shouts:Endless")))
    assert told.startswith("expectations.no_leaks: still there after all clients have gone: task server-1/handler-1")


def test_a_failing_run_repeats_from_its_token_and_reports_that_run(scenario):
    result = run(read(scenario(POLITE + '[expectations]\nwithin = "0s"\n[link]\nlatency = "1s"\njitter = "10ms"\n')))
    assert re.fullmatch(r"expected that no schedule fails, and schedule \d+ does", result.surprise)
    assert result.repeats
    assert result.report.rows()[0].count == 2
    assert result.rows == tuple(result.report.rows())
    assert result.table()[0] == f"what came of the clients of schedule {result.verdict.failing_schedule}, which fails (virtual seconds):"


def test_a_run_that_fails_before_its_clients_are_gone_has_no_table_of_another_one(scenario, tmp_path):
    path = scenario(POLITE.replace('"polite"', '"shouts:raises_at_last"'))
    with open(tmp_path / "shouts.py", "a") as file:
        file.write("\n\ncalls = []\n\n\ndef raises_at_last(address, **options):\n    from simsock.clients import polite\n\n    calls.append(1)\n")
        file.write("    if len(calls) > 4:\n        raise ValueError\n    return polite(address, **options)\n")
    result = run(read(path), schedules=5)
    assert result.verdict.failing_schedule == 3
    assert result.rows == () and result.table() == []


JITTER = POLITE + '[expectations]\nserved = { polite = "1h" }\n[link]\nlatency = "1s"\njitter = "100ms"\n'


def test_what_came_of_all_schedules_is_in_one_table_whoever_ran_them(scenario):
    path = scenario(JITTER)
    one, two, three = (run(read(path), schedules=250, seed=seed) for seed in (0, 0, 5))
    shared = run(read(path), schedules=250, seed=0, jobs=2)
    assert one.rows == two.rows == shared.rows != three.rows
    (row,) = one.rows
    assert (one.runs, shared.runs, row.count, row.results["served"]) == (250, 250, 500, 500)
    assert row.min < row.median < row.p99 < row.max
    assert one.table() == shared.table()
    assert one.table()[0] == "what came of the clients of all 250 schedules (virtual seconds):"
    assert one.report.rows()[0].count == 2, "the clients one by one are those of one schedule"
    assert run(read(path), schedules=1).table()[0] == "what came of the clients of schedule 1 (virtual seconds):"


def test_several_processes_find_the_same(scenario):
    more = POLITE + '[expectations]\nserved = { polite = "1ms" }\n[link]\nlatency = "1s"\n'
    path = scenario(more)
    alone, shared = run(read(path)), run(read(path), jobs=2)
    assert alone.verdict.token == shared.verdict.token
    assert alone.report.lines() == shared.report.lines()
