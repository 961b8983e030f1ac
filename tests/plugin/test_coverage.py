"""Beside coverage: the ways of measuring that see everything see everything, and the others are errors that say what to set."""

from __future__ import annotations

import json
import re
import sys

import pytest

pytest.importorskip("coverage")

PROGRAM = """
    from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer

    class Count(StreamRequestHandler):
        def handle(self):
            line = self.rfile.readline()
            value = self.server.count
            value += 1
            if line == b"a\\n":
                extra = 1
            else:
                extra = 2
            self.server.count = value
            self.wfile.write(b"%d" % extra)
            if extra == 3:
                never = 1
            more = self.rfile.readline()
            if more:
                self.wfile.write(more)

    class Counter(ThreadingTCPServer):
        count = 0

    def visit(bed, served, line):
        with bed.connect(served) as client:
            client.sendall(line)
            got = client.recv(100)
            client.sendall(b"more\\n")
            return got, client.recv(100)
"""
TESTS = """
    import pytest
    from program import Count, Counter, visit

    @pytest.mark.simsock(strategy="random", preempt={preempt!r}, seed=1)
    def test_count(sim):
        served = sim.serve(Counter, Count)
        tasks = [sim.spawn(visit, sim, served, line) for line in (b"a\\n", b"b\\n", b"a\\n")]
        for task in tasks:
            assert task.result()[1] == b"more\\n"
        last = sim.now
        print("\\nsteps", sim._kernel.steps)
"""
NEVER = "never = 1"
"""The one line that no run reaches."""

ON_311 = sys.version_info < (3, 12)
PAIRINGS = [  # core, concurrency, branch, preempt, and what the error says, None for none
    ("ctrace", "greenlet,thread", True, "calls", None),
    ("ctrace", "thread", False, "calls", "set `concurrency = greenlet, thread`"),
    ("pytrace", "thread", False, "calls", "cannot follow tasks"),
    ("ctrace", "thread", False, "lines", 'measure with preempt="calls", or on Python 3.12' if ON_311 else "set `concurrency = greenlet, thread`"),
    ("ctrace", "greenlet,thread", False, "lines", 'measure with preempt="calls", or on Python 3.12' if ON_311 else None),
    ("ctrace", "greenlet", True, "instructions", "measure with `branch = false`" if sys.version_info[:2] == (3, 12) else "on Python 3.12" if ON_311 else None),
]
if not ON_311:
    PAIRINGS += [("sysmon", "thread", False, preempt, None) for preempt in ("calls", "lines", "instructions")]
    PAIRINGS += [("pytrace", "thread", False, "lines", "set `core = sysmon`")]


def measured(project, core, concurrency, branch, preempt):
    """What pytest printed under coverage, and the lines of the program and its tests that it missed."""
    project.write_plain(PROGRAM, name="program")
    project.write_plain(TESTS.format(preempt=preempt))
    configuration = f"[run]\ncore = {core}\nconcurrency = {concurrency}\nbranch = {branch}\nsource = .\n"
    (project.pytester.path / "coveragerc").write_text(configuration)
    coverage = [sys.executable, "-m", "coverage"]
    result = project.pytester.run(*coverage, "run", "--rcfile=coveragerc", "-m", "pytest", "-s", "-p", "no:cacheprovider", *project.without)
    project.pytester.run(*coverage, "json", "-q", "--rcfile=coveragerc", "-o", "found.json")
    found = json.loads((project.pytester.path / "found.json").read_text())["files"]
    missed = {}
    for name in ("program.py", "test_it.py"):
        lines = (project.pytester.path / name).read_text().splitlines()
        missed[name] = [lines[number - 1].strip() for number in found[name]["missing_lines"]]
    return result, missed


@pytest.mark.parametrize(
    ("core", "concurrency", "branch", "preempt", "told"), [*PAIRINGS[:2], *(pytest.param(*pairing, marks=pytest.mark.slow) for pairing in PAIRINGS[2:])]
)
def test_a_pairing_sees_every_line_or_is_an_error(project, core, concurrency, branch, preempt, told):
    result, missed = measured(project, core, concurrency, branch, preempt)
    text = result.stdout.str()
    if told is None:
        result.assert_outcomes(passed=1)
        assert missed == {"program.py": [NEVER], "test_it.py": []}
    else:
        assert result.ret == 1
        assert "options of the sim fixture: coverage measures with its " in text
        assert told in text


@pytest.mark.slow
@pytest.mark.parametrize("preempt", ["calls"] if ON_311 else ["calls", "lines"])
def test_measuring_does_not_change_the_run(project, preempt):
    result, _missed = measured(project, "ctrace", "greenlet,thread", False, preempt)
    plain = project.run_apart("-s")
    steps = [re.findall(r"^steps (\d+)$", one.stdout.str(), re.MULTILINE) for one in (result, plain)]
    assert len(steps[0]) == 1
    assert steps[0] == steps[1]


def test_a_debugger_that_traces_is_not_taken_for_coverage(project):
    project.write(
        """
        import sys

        def test_it(sim):
            assert visit(sim, sim.serve(Counter, Count)) == b"1\\n"

        def setup_module():
            sys.settrace(lambda *args: None)

        def teardown_module():
            sys.settrace(None)
        """
    )
    project.run().assert_outcomes(passed=1)
