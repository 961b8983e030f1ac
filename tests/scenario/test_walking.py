"""Walks through a scenario's world by hand: what is typed, what is answered, and what is written of it."""

from __future__ import annotations

import io
import json
import sys

import pytest

from simsock import cli
from simsock.cli.shelling import completions
from simsock.errors import ScenarioError, UsageError
from simsock.scenario import read, run
from simsock.scenario.orders import ORDERS, Session
from simsock.scenario.schema import ACTIONS
from simsock.scenario.walking import Walk, walk

SERVER = """
import socketserver
import time

class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            for line in self.rfile:
                if line == b"bad\\n":
                    raise ValueError("a bad line")
                self.wfile.write(line.upper())
        except ConnectionResetError:
            pass

def broken(address):
    raise ValueError("no server today")

def serve(address):
    time.sleep(1.5)
    return socketserver.ThreadingTCPServer(address, Echo)
"""
SCENARIO = """
[scenario]
name = "walked"
about = "Six clients, and time to look."
expect = "inconclusive"

[server]
class = "socketserver:ThreadingTCPServer"
handler = "walked:Echo"

[link]
latency = "20ms"
jitter = "5ms"

[[hosts]]
name = "spare"

[[populations]]
kind = "polite"
count = 6
arrivals = "every 1s"
request = "hello\\n"
until = "\\n"

[[timeline]]
at = "100s"
do = "heal"

[search]
schedules = 3
preempt = "calls"
"""


MISTAKES = [
    ("partion a b", "there is no command 'partion'; did you mean 'partition'?"),
    ("qiut", "there is no command 'qiut'; did you mean 'quit'?"),
    ("zzz", "there is no command 'zzz'; help lists all"),
    ("help parttition", "help: there is no command 'parttition'; did you mean 'partition'?"),
    ("run", "run: expected run DURATION, got 0 words behind the command"),
    ("run 5 parsecs", "run: expected run DURATION, got 2 words behind the command"),
    ("run 5parsecs", "'5parsecs' has no unit of time; expected one of ns, us, ms, s, min, h, d"),
    ("run -1s", "'-1s'"),
    ("step 0", "step: expected a whole number from 1 to 10,000, got '0'"),
    ("step many", "step: expected a whole number from 1 to 10,000, got 'many'"),
    ("partition polite sever", "partition: between = ['polite', 'sever']: there is no host or population 'sever'; did you mean 'server'?"),
    ("partition", "partition: expected partition A [B] [one-way], got 0 words behind the command"),
    ("partition server server", "partition: between = ['server', 'server']: expected two hosts or populations"),
    ("crash severe", "crash: host = 'severe': there is no host or population 'severe'; did you mean 'server'?"),
    ("restart server", "is not down"),
    ("link polite server los=5%", "link: link.los = '5%': unknown key; did you mean link.loss?"),
    ("link polite server 3gg", "3gg"),
    ("link polite server loss", "loss"),
    ("link polite server loss=150%", "150%"),
    ("jump server", "jump: expected jump HOST BY, got 1 word behind the command"),
    ("resolver server fail=maybe", "resolver: fail = 'maybe': expected"),
    ("resolver server fail", "resolver: expected KEY=VALUE, got 'fail'"),
    ("write ../a.toml", "write: the module 'walked' lies beside walked.toml, and a scenario elsewhere would not find it: write it there"),
    ("write walked.toml", "write: there is walked.toml already, and nothing is written over"),
    ("send 1 x", "there is no connection '1'; there is none yet: connect"),
    ("connect first;recv b", "there is no connection 'b'; there is first"),
    ("connect first", "connect: expected a name that no other connection has, got 'first'"),
    ("connect a b", "connect: expected connect [NAME] [from HOST], got 2 words behind the command"),
    ("send first", "send: expected send NAME TEXT, got 1 word behind the command"),
    ("recv first 0", "receive: within: expected more than no time, got 0"),
    ("log 0", "log: expected a whole number from 1 to 10,000, got '0'"),
    ("write here.txt", "write: expected a file that ends in .toml (a scenario) or .py (a test), got 'here.txt'"),
    ("write nowhere/a.py", "write: cannot write 'nowhere/a.py': No such file or directory"),
    ("write a.toml", "write: a scenario has no words for 'connect', which was done by hand: write a test (a file that ends in .py)"),
    ('crash "server', "crash: no closing quotation in '\"server'"),
]
"""What is typed, the last of it a mistake, and what is told of that."""


@pytest.fixture
def here(folder_with):
    return folder_with({"walked.py": SERVER, "walked.toml": SCENARIO})


@pytest.fixture
def shell(here, monkeypatch, capsys):
    """Calls ``simsock shell`` with lines as standard input; its exit code, its output and its complaints."""

    def call(typed, *more):
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed.replace(";", "\n")))
        code = cli.main(["shell", "walked.toml", *more])
        return code, *capsys.readouterr()

    return call


def test_time_passes_as_it_is_told_and_what_happens_is_shown(shell):
    code, out, err = shell("run 2500ms;clients;step;step 3;clients;quit;run 1h")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "walked.toml: Six clients, and time to look."
    assert "(0.000s) run 2500ms" in lines and "(2.500s) step" in lines
    assert not any("1h" in line for line in lines), "what comes after quit is not read"
    assert any("polite-3" in line and line.endswith(" 6 bytes") for line in lines)
    assert [line.split()[:3] for line in lines if line.startswith("polite ")] == [["polite", "3", "3"]] * 2


def test_a_connection_by_hand_says_hears_and_ends(shell):
    code, out, _ = shell(r"connect;send 1 one\ntwo\n;recv 1;recv 1 100ms;shut 1;recv 1;close 1;connect 1 from spare;reset 1;run 1s")
    assert code == 0
    answers = [line for line in out.splitlines() if line.startswith("1: ")]
    assert answers == [
        "1: connected",
        r"1: sent b'one\ntwo\n'",
        r"1: got b'ONE\nTWO\n'",
        "1: nothing came",
        "1: shut",
        "1: the other end has said everything",
        "1: closed",
        "1: connected",
        "1: reset",
    ]
    assert "connect stream of you" in out and "connect stream of spare" in out


@pytest.mark.parametrize(
    ("typed", "data"),
    [(r"a\\n", rb"a\n"), (r"\x00\xffz", b"\x00\xffz"), (r"\t\r\0", b"\t\r\0"), ("two words", b"two words"), (r"\q", rb"\q"), ("ä", "ä".encode())],
)
def test_what_is_sent_may_have_escapes(here, typed, data):
    with walk("walked.toml") as world:
        session = Session(world, 0, None)
        session.order("connect a")
        session.order(f"send a {typed}")
        assert session.deeds[-1].arguments == ("a", data)


def test_faults_are_done_at_once(shell):
    code, out, _ = shell(
        "run 1s;partition polite server;connect a;run 3s;heal;crash server;connect b;restart server;connect c;pause spare;hosts;resume spare;run 60s;clients"
    )
    assert code == 0
    lines = out.splitlines()
    assert "1.000000s  main  partition polite-1,polite-2,polite-3,polite-4,polite-5,polite-6 <-> server" in lines
    assert [line for line in lines if line[:3] in ("a: ", "b: ", "c: ")] == ["a: connected", "b: timed out", "c: connected"]
    assert any(line.startswith("spare") and line.endswith("paused") for line in lines)


def test_all_orders_are_listed_and_each_says_what_it_wants(shell):
    code, out, _ = shell("help;help send")
    assert code == 0
    assert [order.usage for order in ORDERS.values() if f"\n{order.usage}  " not in out] == []
    assert set(ACTIONS) <= set(ORDERS), "whatever a timeline may say can be typed"


def test_the_documentation_names_every_order():
    from tests.test_house import ROOT

    page = (ROOT / "docs" / "shell.md").read_text(encoding="utf-8")
    assert [order.usage for order in ORDERS.values() if f"`{order.usage}`" not in page] == []


def test_a_mistake_names_the_word_and_changes_nothing(here):
    with walk("walked.toml") as world:
        session = Session(world, 0, None)
        missed = []
        for typed, told in MISTAKES:
            *before, last = typed.split(";")
            for line in before:
                session.order(line)
            done, now = len(session.deeds), world.sim.digest
            try:
                session.order(last)
            except UsageError as error:
                missed += [(typed, told, str(error))] if told not in str(error) else []
            else:
                missed.append((typed, told, "nothing"))
            assert (len(session.deeds), world.sim.digest) == (done, now), typed
        assert missed == []


def test_a_mistake_ends_what_comes_from_a_pipe(shell):
    code, out, err = shell("partion a b;run 77s")
    assert (code, err) == (2, "simsock: there is no command 'partion'; did you mean 'partition'?\n")
    assert "77s" not in out


def test_what_is_raised_in_the_world_is_told_when_it_is_and_is_the_exit_code(shell):
    code, out, err = shell(r"connect;send 1 bad\n;recv 1;run 1s;history")
    assert code == 1
    assert err.splitlines()[-1] == "simsock: raised in the world: ValueError: a bad line"
    assert out.splitlines()[-4:] == ["connect", r"send 1 bad\n", "recv 1", "run 1s"]


def test_a_server_that_cannot_begin_is_told_and_is_the_exit_code(shell, here):
    (here / "walked.toml").write_text(SCENARIO.replace('class = "socketserver:ThreadingTCPServer"\nhandler = "walked:Echo"', 'function = "walked:broken"'))
    code, out, err = shell("run 1s")
    assert (code, out, err) == (1, "", "simsock: the world could not begin: ValueError: no server today\n")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--set", "links.1.loss=5%"), "links.1"),
        (("--server", "walked:Ech"), "has no 'Ech'"),
        (("--set", "search.seed"), "--set: expected KEY=VALUE"),
        (("--seed",), "expected one argument"),
    ],
)
def test_a_scenario_that_cannot_be_is_refused(shell, more, told):
    code, _, err = shell("run 1s", *more)
    assert code == 2
    assert told in err


def test_what_was_done_is_written_as_a_scenario_that_shows_the_same(shell, here):
    typed = "run 1100ms;partition polite server one-way;run 5s;heal;link polite server 3g loss=1%;jump spare -5s;resolver nowhere fail=unknown"
    typed += ";crash server;run 1s;restart server;run 60s"
    code, out, _ = shell(f"{typed};clients;write again.toml")
    assert code == 0, out
    plan = read("again.toml")
    assert [row["at"] for row in plan.rows("timeline")][1:3] == ["1100ms", "6100ms"]
    assert [row["do"] for row in plan.rows("timeline")] == ["heal", "partition", "heal", "link", "jump", "resolver", "crash", "restart"]
    result = run(plan, schedules=1)
    assert [line.split() for line in result.table()[2:]] == [line.split() for line in out.splitlines() if line.startswith("polite ")]
    code, again, _ = shell("run 80s;clients")
    assert [line for line in again.splitlines() if line.startswith("polite ")] != [line for line in out.splitlines() if line.startswith("polite ")]


def test_what_was_done_is_written_as_a_test_that_passes_and_fails_when_the_world_is_another(shell, here, capsys):
    typed = r"run 1s;partition polite server;connect a;send a hello\n;recv a;step 2;heal;shut a;close a;run 30s"
    code, _, err = shell(f"{typed};write test_again.py", "--seed", "7")
    assert (code, err) == (0, "")
    text = (here / "test_again.py").read_text()
    assert r"assert world.receive('a', 1) == b'HELLO\n'" in text
    assert "with walk(SCENARIO, seed=7) as world:" in text
    space = {"__file__": str(here / "test_again.py")}
    exec(text, space)
    space["test_what_was_done_by_hand"]()
    (here / "walked.py").write_text(SERVER.replace("upper()", "lower()"))
    with pytest.raises(AssertionError):
        space["test_what_was_done_by_hand"]()


def test_a_test_that_is_written_has_the_server_and_the_settings(shell, here):
    code, _, _ = shell("run 1s;write test_again.py", "--server", "walked:serve", "--set", "link.latency=1s")
    assert code == 0
    text = (here / "test_again.py").read_text()
    assert "seed=0, server='walked:serve', settings=('link.latency=1s',)" in text
    space = {"__file__": str(here / "test_again.py")}
    exec(text, space)
    space["test_what_was_done_by_hand"]()
    code, _, err = shell("run 1s;write again.toml", "--set", "link.latency=1s")
    assert (code, "a scenario file does not say --set link.latency=1s" in err) == (2, True)


def test_a_function_that_serves_later_does_not_shift_what_is_written(shell, here):
    (here / "walked.toml").write_text(SCENARIO.replace('class = "socketserver:ThreadingTCPServer"\nhandler = "walked:Echo"', 'function = "walked:serve"'))
    code, _, _ = shell("run 1s;partition server;write again.toml")
    assert code == 0
    assert read("again.toml").rows("timeline")[-1]["at"] == "1s"


def test_a_walk_is_the_same_each_time(here):
    def walked(seed):
        with walk("walked.toml", seed=seed) as world:
            world.run("2s")
            world.do("partition", between=["polite", "server"])
            world.connect("a")
            world.send("a", b"hello\n")
            world.step(5)
            return world.sim.digest

    assert walked(1) == walked(1) != walked(2)


def test_from_python_mistakes_are_errors_and_nothing_happens(here):
    with walk("walked.toml") as world:
        assert isinstance(world, Walk)
        for wrong, told in [
            (lambda: world.do("explode"), "do: expected one of partition"),
            (lambda: world.step(0), "step: expected a whole number"),
            (lambda: world.connect(""), "connect: expected a name"),
            (lambda: world.connect("a", ""), "connect: expected the name of a host"),
            (lambda: (world.connect("b"), world.send("b", "text")), "send: expected bytes, got 'text'"),
        ]:
            with pytest.raises(UsageError, match=told):
                wrong()
        with pytest.raises(ScenarioError, match="needs it"):
            world.do("jump", host="spare")
        assert world.faults == []


def test_the_tab_key_knows_orders_hosts_and_connections(here):
    with walk("walked.toml") as world:
        session = Session(world, 0, None)
        session.order("connect first")
        assert completions(session, "par") == ["partition"]
        assert completions(session, "send f") == ["first"]
        assert completions(session, "crash s") == ["server", "spare"]
        assert "3g" in completions(session, "link spare server 3")
        assert completions(session, "run ") == []


def test_each_line_is_an_object_with_json(shell):
    code, out, _ = shell(r"run 10s;connect;send 1 bad\n;run 1s", "--json")
    assert code == 1
    objects = [json.loads(line) for line in out.splitlines()]
    assert [one["event"] for one in objects] == ["begin", "walked", "walked", "walked", "walked", "result", "end"]
    assert (objects[0]["kind"], objects[0]["seed"]) == ("walk", 0)
    assert (objects[2]["line"], objects[2]["lines"][0], objects[2]["raised"]) == ("connect", "1: connected", [])
    assert objects[4]["raised"] == ["ValueError: a bad line"]
    result = objects[-2]
    assert (result["kind"], result["outcome"], result["good"], result["clients"][0]["served"]) == ("walk", "fails", False, 6)
    assert result["errors"] == [{"type": "ValueError", "message": "a bad line", "place": "walked.py:10"}]
    assert objects[-1]["exit_code"] == 1
    code, out, _ = shell("fly", "--json")
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["begin", "error", "result", "end"]
