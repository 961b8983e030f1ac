"""What a start loads: every command, every run of pytest and every worker of a search pays for it.

Nothing here is timed: a fresh process says what it has loaded, and what it must not have is in a table, with the reason why few need it.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.test_house import ROOT

WORLD = "import simsock\nwith simsock.Simulation(): pass"
STARTS = {
    "the class": "from simsock import Simulation",
    "a world": WORLD,
    "two worlds": f"{WORLD}\nwith simsock.Simulation(): pass",
    "a world with its own network": "import simsock\nwith simsock.Simulation(patch=False): pass",
    "the version": "import simsock.cli\ntry: simsock.cli.main(['--version'])\nexcept SystemExit: pass",
    "help": "import simsock.cli\ntry: simsock.cli.main(['--help'])\nexcept SystemExit: pass",
    "the plugin": "import pytest_simsock",
}
OF_FEW = {
    "ast": "reads Python's syntax, for inspect",
    "asyncio": "is replaced in where the program has it",
    "dataclasses": "needs inspect",
    "decimal": "comes with fractions",
    "email": "nothing of simsock's reads mail",
    "fractions": "probabilities of simsock's own are powers of two",
    "hypothesis": "is for tests that draw",
    "inspect": "tells coroutine functions where that is not plain to see",
    "jinja2": "is for pages of reports",
    "json": "is for tokens and reports",
    "linecache": "comes with traceback",
    "multiprocessing": "is replaced in where the program has it",
    "pydantic": "reads scenarios",
    "shlex": "reads commands of shells",
    "hashlib": "sets OpenSSL up",
    "simsock.choices.drafts": "is for searches that are guided",
    "simsock.choices.drawn": "is for worlds under Hypothesis",
    "simsock.choices.shrinking": "is for failures of searches",
    "simsock.choices.swarm": "is for schedules of searches",
    "simsock.choices.tokens": "is for runs that are repeated",
    "simsock.kernel.strategies.drawn_members": "is for worlds under Hypothesis",
    "simsock.kernel.strategies.portfolio": "is for searches",
    "simsock.kernel.strategies.questions": "is for shrinking",
    "simsock.kernel.strategies.shown": "is for searches that are guided",
    "simsock.kernel.strategies.sights": "is for searches",
    "simsock.oracles": "is for what a test says must hold",
    "simsock.net.netstat": "is for those who look",
    "simsock.patching.fresh": "is for packages that are imported anew",
    "simsock.processes.calls": "is for worlds with more than one process",
    "simsock.processes.child": "is for worlds with more than one process",
    "simsock.processes.crashes": "is for processes that a test kills",
    "simsock.processes.forking": "is for worlds with more than one process",
    "simsock.processes.interpreter": "is for programs that are started",
    "simsock.processes.stand_ins": "is for worlds with more than one process",
    "simsock.report": "is for failures",
    "simsock.scenario": "is for scenarios",
    "simsock.search": "is for searches",
    "simsock.socketserver": "is for servers that are written with it",
    "simsock.strategies": "is for tests that draw",
    "simsock.stubs": "is for tests of clients",
    "simsock.world.capturing": "is for files that others read",
    "ssl": "is replaced in where the program has it",
    "statistics": "is for tables of jitter",
    "subprocess": "is replaced in where the program has it",
    "textwrap": "is for programs that are started",
    "tokenize": "comes with traceback",
    "traceback": "is for errors",
    "trio": "is replaced in where the program has it",
    "unittest": "is for those who test with it",
}
"""What none of these starts loads, and what it is for."""
OF_WORLDS = ("greenlet", "simsock.kernel", "simsock.net", "simsock.patching", "simsock.world")
"""What a start without a world does not load."""
OF_ARGPARSE = {"ast", "dataclasses", "inspect", "shlex", "textwrap"}
"""What a command needs to read its line, and to explain it, in colours from 3.14 on."""
MARK = "loaded: "


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh process has loaded when it has run ``code``, beyond those that Python loads by itself."""
    code = f"import sys; before = set(sys.modules)\n{code}\nprint({MARK!r} + ' '.join(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].removeprefix(MARK).split())


@pytest.fixture(scope="module")
def loaded():
    """By the name of a start: what it loads."""
    return {name: loaded_by(code) for name, code in STARTS.items()}


@pytest.mark.parametrize("start", [start for start in STARTS if start != "the plugin"])
def test_a_start_loads_nothing_that_few_need(loaded, start):
    assert {name: why for name, why in OF_FEW.items() if name in loaded[start] and name not in OF_ARGPARSE} == {}


@pytest.mark.parametrize("start", ["the version", "help", "the plugin"])
def test_a_start_without_a_world_does_not_load_what_worlds_need(loaded, start):
    assert loaded[start].isdisjoint(OF_WORLDS)


def test_what_few_need_has_not_been_renamed(loaded):
    from importlib.util import find_spec

    assert [name for name in OF_FEW if name.startswith("simsock.") and find_spec(name) is None] == []


def test_a_second_world_finds_nothing_new_that_the_first_has_loaded(loaded):
    assert loaded["two worlds"] == loaded["a world"]


def test_no_garbage_is_collected_while_what_worlds_need_is_loaded():
    code = "import gc, simsock; found = []; gc.callbacks.append(lambda *told: found.append(told)); from simsock import Simulation; gc.callbacks.clear()"
    # A start and a stop, when it is over; another before it begins, where Python has made much by then.
    assert "simsock.kernel" in loaded_by(f"{code}; assert len(found) <= 4 and gc.isenabled(), found")
    assert "simsock.kernel" in loaded_by(f"import gc; gc.disable(); {code}; assert not found and not gc.isenabled()")
