"""A scenario that cannot be played is an error that names file, table and key, and never a failure that somebody may have expected."""

import tomllib

import pytest

from simsock import cli
from simsock.errors import ScenarioError
from simsock.scenario import read, run
from simsock.scenario.schema import plan

SOURCE = """
from simsock.errors import UsageError
from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer


class Shout(StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline().upper())


class Misused(Shout):
    def handle(self):
        raise UsageError("the program's own mistake")


class Six(ThreadingTCPServer):
    address_family = 10

    def __init__(self, address):
        super().__init__(address, Shout)


class Once(ThreadingTCPServer):
    made = 0

    def __init__(self, address):
        type(self).made += 1
        if self.made % 2 == 0:
            raise UsageError("cannot be made twice")
        super().__init__(address, Shout)


def own(address):
    return 3


def meddler(sim, served, number):
    sim.host("server").crash()
"""

HEAD = """
[scenario]
name = "it"
about = "It is."
expect = "{expect}"

[server]
handler = "srv:Shout"

[search]
schedules = 2
preempt = "calls"
"""

POLITE = '[[populations]]\nkind = "polite"\ncount = 2\nrequest = "hi\\n"\n'


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    """Writes a scenario and its module, and returns the scenario's path."""
    monkeypatch.chdir(tmp_path)

    def write(more, expect="fails", server="srv:Shout"):
        (tmp_path / "srv.py").write_text(SOURCE)
        head = HEAD.format(expect=expect).replace("srv:Shout", server)
        (tmp_path / "it.toml").write_text((head if "[server]" not in more else head.partition("[server]")[0]) + more)
        return "it.toml"

    return write


def complaint(text):
    """What is wrong with a file of that text, known before anything runs."""
    with pytest.raises(ScenarioError) as caught:
        plan("x.toml", tomllib.loads(HEAD.format(expect="fails") + POLITE + text))
    assert caught.value.facts["key"]
    return str(caught.value).removeprefix("x.toml: ")


FAULT = "[[timeline]]\nat = 1\n"
KNOWN = "known: 'polite' (polite-1 to polite-2), 'server'; name any other in [[hosts]]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[hosts]]\nname = "a"\naddresses = ["banana"]', "hosts[1].addresses = ['banana']: expected IP addresses, and 'banana' is none"),
        ('[[hosts]]\nname = "a"\naddresses = ["127.0.0.1"]', "hosts[1].addresses = ['127.0.0.1']: expected IP addresses that others can reach"),
        ('[[hosts]]\nname = "my host"', "hosts[1].name = 'my host': expected a name without blanks"),
        (f'[[hosts]]\nname = "{"a" * 201}"', f"hosts[1].name = '{'a' * 76}...: expected a name without blanks, of at most 200 characters"),
        ('[[hosts]]\nname = "a"\n[[hosts]]\nname = "a"', "hosts[2].name = 'a': hosts[1] has that name"),
        (
            '[[hosts]]\nname = "a"\naddresses = ["fd00::9"]\n[[hosts]]\nname = "b"\naddresses = ["fd00:0::9"]',
            "hosts[2].addresses = ['fd00:0::9']: fd00:0::9 belongs to host 'a'",
        ),
        (
            FAULT + 'do = "resolver"\nname = "x"\nfail = "maybe"',
            "timeline[1].fail = 'maybe': expected one of 'unknown', 'temporary'",
        ),
        (FAULT + 'do = "resolver"\nname = "x"\naddresses = ["y"]', "timeline[1].addresses = ['y']: expected IP addresses, and 'y' is none"),
        (FAULT + 'do = "resolver"\nname = "x"\nchance = 0.5', "timeline[1].chance = 0.5: needs timeline[1].fail"),
        # Names of hosts that are not there.
        (FAULT + 'do = "crash"\nhost = "sever"', "timeline[1].host = 'sever': there is no host or population 'sever'; did you mean 'server'?"),
        (FAULT + 'do = "crash"\nhost = "zz"', f"timeline[1].host = 'zz': there is no host or population 'zz'; {KNOWN}"),
        (FAULT + 'do = "hold"\nhost = "polite-3"', "timeline[1].host = 'polite-3': there is no host or population 'polite-3'; did you mean 'polite'?"),
        (
            '[[links]]\nbetween = ["sever", "polite"]\nloss = 0.1',
            "links[1].between = ['sever', 'polite']: there is no host or population 'sever'; did you mean 'server'?",
        ),
        ('[[links]]\nhost = "politte"\nloss = 0.1', "links[1].host = 'politte': there is no host or population 'politte'; did you mean 'polite'?"),
        (
            '[clients]\ncount = 3\nsend = "x"\n' + FAULT + 'do = "hold"\nhost = "nobody"',
            "timeline[1].host = 'nobody': there is no host or population 'nobody'; known: 'polite' (polite-1 to polite-2), 'server', 'client-3', 'client-1'",
        ),
        # Names that mean two things.
        (POLITE, "populations[2].name is missing: populations[1] and populations[2] are both called 'polite': give them names of their own"),
        (POLITE + 'name = "polite"', "populations[2].name = 'polite': populations[1] and populations[2] are both called 'polite'"),
        (POLITE + 'name = "polite-2"', "populations[2].name = 'polite-2': a client of populations[1] has that name"),
        (POLITE + 'name = "server"', "populations[2].name = 'server': the server's host has that name"),
        (POLITE + 'name = "a"\n[[hosts]]\nname = "a"', "populations[2].name = 'a': hosts[1] has that name"),
        (POLITE + 'name = "the others"', "populations[2].name = 'the others': expected a name without blanks"),
        # Links are tables or names.
        (FAULT + 'do = "link"\nbetween = ["polite", "server"]\nlink = 3', 'timeline[1].link = 3: expected a table, { latency = "50ms" }, or the name'),
        (FAULT + 'do = "link"\nbetween = ["polite", "server"]\nlink = "moon"', "timeline[1].link = 'moon': link: unknown profile 'moon'"),
        (
            FAULT + 'do = "link"\nbetween = ["polite", "server"]\nlink = "busy"',
            "timeline[1].link: link: 'busy' says what all machines of the world are like, too",
        ),
        ('[[links]]\nhost = "polite"\nprofile = "phone"', "links[1]: link: 'phone' says what all machines of the world are like, too"),
        (
            FAULT + 'do = "link"\nbetween = ["polite", "server"]\nlink = { los = 1 }',
            "timeline[1].link.los = 1: unknown key; did you mean timeline[1].link.loss?",
        ),
        ("[[populations.link]]\nloss = 1", "populations[1].link = [{'loss': 1}]: expected a table, { latency"),
    ],
)
def test_what_can_be_known_when_the_file_is_read_is_said_then(text, message):
    assert complaint(text).startswith(message)


def test_a_list_of_something_else_is_told_from_tables():
    with pytest.raises(ScenarioError, match=r"^x\.toml: populations\[1\] = 3: expected a table, \[\[populations\]\]$"):
        plan("x.toml", {"populations": [3], **tomllib.loads(HEAD.format(expect="fails"))})


def test_the_servers_host_is_a_name_as_well():
    with pytest.raises(ScenarioError, match=r"^x\.toml: server\.host = 'my server': expected a name without blanks"):
        plan("x.toml", tomllib.loads(HEAD.format(expect="fails").replace("[search]", 'host = "my server"\n[search]') + POLITE))


@pytest.mark.parametrize("name", ["polite", "polite-2", "server", "client-1", "database"])
def test_every_host_that_a_file_names_can_be_used(name):
    text = f'[clients]\nsend = "x"\n[[hosts]]\nname = "database"\n{FAULT}do = "hold"\nhost = "{name}"\n[[links]]\nhost = "{name}"\nloss = 0.1\n'
    made = plan("x.toml", tomllib.loads(HEAD.format(expect="fails") + POLITE + text))
    assert made.rows("timeline")[0]["host"] == name


@pytest.mark.parametrize("expect", ["fails", "inconclusive"])
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (FAULT + 'do = "crash"\nhost = "server"\n' + FAULT + 'do = "crash"\nhost = "server"', "timeline[2].do = 'crash': host 'server' is down already"),
        (FAULT + 'do = "resume"\nhost = "polite"', "timeline[1].do = 'resume': host 'polite-1' is not paused"),
        (
            '[[hosts]]\nname = "a"\naddresses = ["10.0.0.3"]\n[[hosts]]\nname = "b"\n[[hosts]]\nname = "c"',
            "hosts[2].addresses = None: host 'b': address 10.0.0.3 belongs to host 'a'",
        ),
        ('[[populations]]\nkind = "srv:own"', "populations[2].kind = 'srv:own': expected a function that returns a simsock.clients.Outcome, and it returned 3"),
        ('[[populations]]\nkind = "pipeliner"\ntimes = 0', "populations[2].kind = 'pipeliner': times: expected a whole number from 1, got 0"),
    ],
)
def test_what_a_world_refuses_of_the_files_orders_is_no_failure_of_the_server(scenario, capsys, expect, more, message):
    assert cli.main(["run", scenario(POLITE + more, expect)]) == cli.BROKEN
    out, err = capsys.readouterr()
    assert err.startswith(f"simsock: it.toml: {message}")
    assert "expected: " not in out
    assert "token" not in out


def test_a_mistake_of_the_file_is_told_also_when_something_else_fails_first(scenario):
    path = scenario('[clients]\ncount = 1\nclient = "srv:meddler"\n' + FAULT + 'do = "crash"\nhost = "server"')
    with pytest.raises(ScenarioError, match=r"^it\.toml: timeline\[1\]\.do = 'crash': host 'server' is down already$"):
        run(read(path))
    path = scenario(POLITE + FAULT + 'do = "resume"\nhost = "server"', server="srv:Misused")
    with pytest.raises(ScenarioError, match=r"timeline\[1\]\.do = 'resume'"):
        run(read(path))


def test_several_processes_tell_the_mistake_as_one_does(scenario):
    with pytest.raises(ScenarioError, match=r"it\.toml: timeline\[1\]\.do = 'resume': host 'server' is not paused$") as caught:
        run(read(scenario(POLITE + FAULT + 'do = "resume"\nhost = "server"')), jobs=2)
    assert caught.value.facts["key"] == "timeline[1].do"


def test_a_server_of_another_family_than_its_hosts_addresses_is_the_files_mistake(scenario):
    server = '[server]\nclass = "srv:Six"\n[[hosts]]\nname = "server"\naddresses = ["10.0.0.9"]\n'
    with pytest.raises(ScenarioError, match=r"^it\.toml: server\.host = 'server': it has no address for Six: 10\.0\.0\.9$"):
        run(read(scenario(server + POLITE)))


def test_the_servers_own_misuse_stays_a_failure_that_can_be_expected(scenario):
    result = run(read(scenario(POLITE, server="srv:Misused")))
    assert result.as_expected
    assert "the program's own mistake" in repr(result.verdict.error)
    server = '[server]\nclass = "srv:Once"\n'
    faults = FAULT + 'do = "crash"\nhost = "server"\n' + FAULT + 'do = "restart"\nhost = "server"'
    result = run(read(scenario(server + POLITE + faults)))
    assert result.as_expected
    assert "cannot be made twice" in repr(result.verdict.error)


def test_a_link_may_be_the_name_of_a_profile_everywhere(scenario):
    times = []
    for link in ('"satellite-geo"', '{ profile = "satellite-geo" }'):
        late = f'start = "2s"\n[[timeline]]\nat = "1s"\ndo = "link"\nbetween = ["polite", "server"]\nlink = {link}\n'
        for more in (f"link = {link}\n", late):
            result = run(read(scenario(POLITE + more, "inconclusive")))
            assert result.as_expected
            times.append(result.report.rows()[0].max)
    assert times[0] > 1
    assert times[:2] == times[2:]
    document = tomllib.loads(HEAD.format(expect="fails") + POLITE)
    assert plan("x.toml", {"link": "3g", **document}).table("link") == plan("x.toml", {"link": {"profile": "3g"}, **document}).table("link")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("seed = " + "9" * 5_000, "it has a whole number of thousands of digits"),
        ("seed = 0x" + "f" * 5_000, "search.seed: a whole number of more than 256 bits"),
        ("schedules = -" + "9" * 4_000, "search.schedules: a whole number of more than 256 bits"),
        ("chunks = [1, [0b" + "1" * 400 + "]]", "search.chunks[2][1]: a whole number of more than 256 bits"),
        ("max_time = " + "9" * 5_000 + ".5", "search.max_time = inf"),
    ],
    ids=["decimal", "hexadecimal", "readable", "in lists", "fraction"],
)
def test_numbers_of_thousands_of_digits_are_a_sentence(scenario, capsys, line, said):
    head = HEAD.partition("[search]")[0].format(expect="fails").partition("[server]")
    path = scenario(f"{head[1]}{head[2]}[search]\n{line}\n{POLITE}")
    assert cli.main(["run", path]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert len(told) < 300
