"""Broken scenario files: the error names the file, the key, the value and what was expected."""

import tomllib
from pathlib import Path

import pytest

from simsock.errors import ScenarioError
from simsock.scenario.schema import FILE_BYTES_MAX, TABLES, impairments, plan, read

ROOT = Path(__file__).resolve().parents[2]

GOOD = """
[scenario]
name = "n"
about = "a"
expect = "fails"

[server]
handler = "counter:Handler"

[clients]
send = "x"
"""


def complaint(text, path="dir/x.toml"):
    """The error of a file with that text."""
    with pytest.raises(ScenarioError) as caught:
        plan(path, tomllib.loads(text))
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert caught.value.facts["path"] == path
    return message.removeprefix(f"{path}: ")


def changed(old, new):
    assert old in GOOD
    return GOOD.replace(old, new)


def test_a_small_file_is_enough_and_the_rest_has_defaults():
    made = plan("x.toml", tomllib.loads(GOOD))
    not_given = dict.fromkeys(
        (
            "scope",
            "loopback",
            "sends",
            "stalls",
            "collect",
            "asyncio_order",
            "entropy",
            "start_time",
            "max_steps",
            "max_real_time",
            "patch",
            "keep_imports",
            "fresh",
            "allow",
            "require_faults",
            "tls_time",
        )
    )
    assert made.table("search") == {"schedules": 1000, "strategy": "portfolio", "preempt": "lines", "seed": 0, "chunks": "whole", "max_time": None, **not_given}
    assert made.table("clients") == {"count": 1, "send": "x", "client": None}
    assert made.tables["check"] is None
    assert made.tables["link"] is None
    assert made.rows("populations") == made.rows("timeline") == []
    assert made.table("link") == {}


def test_everything_that_may_be_said_can_be_said():
    text = (
        changed('expect = "fails"', 'expect = "fails"\nerror = "boom"')
        + 'count = 3\n[check]\nfunction = "a.b:c.d"\n[search]\nschedules = 5\nstrategy = "fifo"\npreempt = "calls"\nseed = "s"\n'
        + '[link]\nlatency = "1ms"\njitter = 0.5\nloss = "1%"\n'
    )
    made = plan("x.toml", tomllib.loads(text))
    assert impairments(made.table("link")) == {"latency": "1ms", "jitter": 0.5, "loss": "1%"}
    assert made.table("search")["seed"] == "s"
    assert made.table("scenario")["error"] == "boom"


MORE = "[expectations], [[hosts]], [[links]], [[populations]], [[timeline]]"


NO_STRATEGY = (
    "search.strategy = 'ptc': expected one of 'fifo', 'random', 'pct', 'pcth', 'pos', 'surw', 'surw:selective', "
    "'portfolio', 'guided', 'dfs', 'pct:D', 'pcth:D' (a depth), 'dfs:N' (preemptions)"
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "n"', "", "scenario.name is missing"),
        ('name = "n"', "name = 3", "scenario.name = 3: expected one line of text"),
        ('about = "a"', 'about = "a\\nb"', "scenario.about = 'a\\nb': expected one line of text"),
        ('about = "a"', 'about = "  "', "scenario.about = '  ': expected one line of text"),
        ('"fails"', '"holds"', "scenario.expect = 'holds': expected one of 'fails', 'inconclusive'"),
        ('"fails"', "true", "scenario.expect = True: expected one of 'fails', 'inconclusive'"),
        ('"fails"', '"inconclusive"\nerror = "x"', "scenario.error = 'x': has no meaning with scenario.expect = 'inconclusive'"),
        ("about", "abuot", "scenario.abuot = 'a': unknown key; did you mean scenario.about?"),
        ("about", "zzzzzz", "scenario.zzzzzz = 'a': unknown key; known: scenario.name, scenario.about, scenario.expect, scenario.error"),
        ("[server]", "[sevrer]", "unknown table [sevrer]; did you mean [server]?"),
        (
            "[server]",
            "[qqqqqq]",
            "unknown table [qqqqqq]; known: [scenario], [server], [clients], [check], [search], [link], " + MORE,
        ),
        ('[server]\nhandler = "counter:Handler"', "", "table [server] is missing"),
        ('[clients]\nsend = "x"', "", "table [clients] is missing"),
        ('handler = "counter:Handler"', "", "server.class, server.handler or server.function is missing: which server is it about?"),
        ('"counter:Handler"', '"counter.Handler"', "server.handler = 'counter.Handler': expected \"module:name\""),
        ('"counter:Handler"', '"../counter:Handler"', "server.handler = '../counter:Handler': expected \"module:name\""),
        ('"counter:Handler"', "7", 'server.handler = 7: expected "module:name"'),
        ('send = "x"', "", "clients.send or clients.client is missing: what do they do?"),
        ('send = "x"', 'send = ""', "clients.send = '': expected text"),
        ('send = "x"', "send = 1", "clients.send = 1: expected text"),
        ('send = "x"', 'send = "x"\nclient = "a:b"', "clients.send = 'x': not together with clients.client = 'a:b'"),
        ('send = "x"', 'send = "x"\ncount = 0', "clients.count = 0: expected a whole number from 1 to 10,000"),
        ('send = "x"', 'send = "x"\ncount = 1.5', "clients.count = 1.5: expected a whole number from 1 to 10,000"),
        ('send = "x"', 'send = "x"\ncount = true', "clients.count = True: expected a whole number from 1 to 10,000"),
        ('send = "x"', 'send = "x"\n[check]', "check.function is missing"),
        (
            'send = "x"',
            'send = "x"\n[search]\nstrategy = "ptc"',
            NO_STRATEGY,
        ),
        ('send = "x"', 'send = "x"\n[search]\npreempt = "line"', "search.preempt = 'line': expected one of 'calls', 'lines', 'instructions'"),
        ('send = "x"', 'send = "x"\n[search]\nseed = 1.5', "search.seed = 1.5: expected a whole number or text"),
        ('send = "x"', 'send = "x"\n[search]\nschedules = "many"', "search.schedules = 'many': expected a whole number from 1 to 10,000,000"),
        ('send = "x"', 'send = "x"\n[link]\nlatncy = 1', "link.latncy = 1: unknown key; did you mean link.latency?"),
    ],
)
def test_a_broken_file_gets_an_error_with_file_key_value_and_what_was_expected(old, new, message):
    assert complaint(changed(old, new)) == message


@pytest.mark.parametrize(("key", "value"), [("latency", '"fast"'), ("latency", "-1"), ("loss", "2"), ("jitter", "[1]"), ("loss", "true")])
def test_a_broken_link_gets_an_error_with_file_key_and_value(key, value):
    shown = tomllib.loads(f"x = {value}")["x"]
    assert complaint(GOOD + f"[link]\n{key} = {value}\n").startswith(f"link.{key} = {shown!r}: link {key}: expected ")


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_table_that_is_no_table_is_named(table):
    document = {**tomllib.loads(GOOD), table: 1}
    with pytest.raises(ScenarioError, match=rf"^x\.toml: {table} = 1: expected a table, \[{table}\]$"):
        plan("x.toml", document)


def test_a_long_value_is_cut_in_the_message():
    assert len(complaint(changed('"counter:Handler"', '"' + "y" * 10_000 + '"'))) < 200


# -- files -----------------------------------------------------------------------------------------------------------------------------------


def test_a_file_that_is_not_toml_gets_an_error_with_its_line(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("[scenario]\nname = \n")
    with pytest.raises(ScenarioError, match=r"x\.toml: not TOML: .*line 2"):
        read(str(path))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("loss = 1%  # of packets", '; a value with a unit is a text: "1%"'),
        ("latency = 20ms", '; a value with a unit is a text: "20ms"'),
        ("rate=1.5 Mbit/s", '; a value with a unit is a text: "1.5 Mbit/s"'),
        ("loss = what", ""),
        ("loss = 5 5", ""),
    ],
)
def test_a_value_with_a_unit_that_is_no_text_is_told_its_quotes(tmp_path, line, told):
    path = tmp_path / "x.toml"
    path.write_text(f"[link]\n{line}\n")
    with pytest.raises(ScenarioError) as caught:
        read(str(path))
    assert str(caught.value).endswith(f"){told}")


def test_a_file_that_is_not_text_gets_an_error_with_its_line(tmp_path):
    path = tmp_path / "x.toml"
    path.write_bytes(b"[scenario]\n# \xff\n")
    with pytest.raises(ScenarioError, match=r"x\.toml: not UTF-8 text \(at line 2\)"):
        read(str(path))


def test_a_file_that_is_not_there_or_cannot_be_one_is_named(tmp_path):
    with pytest.raises(ScenarioError, match=r"none\.toml: cannot be read: No such file"):
        read(str(tmp_path / "none.toml"))
    with pytest.raises(ScenarioError, match="cannot be read: Is a directory"):
        read(str(tmp_path))


def test_a_file_of_absurd_length_or_depth_is_refused(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("#" * (FILE_BYTES_MAX + 1))
    with pytest.raises(ScenarioError, match=r"x\.toml: too long"):
        read(str(path))
    path.write_text("x = " + "[" * 100_000)
    with pytest.raises(ScenarioError, match=r"x\.toml: not"):
        read(str(path))


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.toml")), ids=lambda path: path.name)
def test_the_scenarios_that_come_with_simsock_are_sound_and_say_in_their_first_lines_what_they_show(path):
    made = read(str(path))
    assert made.table("scenario")["name"] == path.stem
    assert path.read_text().startswith("# ")
