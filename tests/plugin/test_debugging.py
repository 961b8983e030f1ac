"""With a debugger: ``--pdb`` after a failure, ``breakpoint()`` in a handler and in a test."""

from __future__ import annotations

import re

import pytest

HANDLER = """
    import sys, time
    import pytest
    from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer

    class Stopping(StreamRequestHandler):
        def handle(self):
            first = self.rfile.readline()
            value = 41
            breakpoint()
            value += 1
            second = self.rfile.readline()
            value += 1
            self.wfile.write(b"%d" % value)

    def talk(sim, *lines):
        with sim.connect(sim.serve(Stopping)) as client:
            for line in lines:
                client.sendall(line)
                sim.sleep(1)
            return client.recv(100)
"""


def debugged(project, commands, *args):
    """Run pytest in a process of its own with somebody who types these commands."""
    return project.pytester.run(
        *project.pytester._getpytestargs(), "-p", "no:cacheprovider", *project.without, *args, stdin=("\n".join(commands) + "\n").encode()
    )


@pytest.mark.parametrize("options", ["", "preempt='lines', strategy='random'", "patch=True", "patch=True, preempt='lines'"])
def test_breakpoint_in_a_handler_stops_there_and_steps_through_it_and_not_into_other_tasks(project, options):
    project.write_plain(
        HANDLER,
        f"""
        @pytest.mark.simsock({options})
        def test_it(sim):
            assert talk(sim, b"one\\n", b"two\\n") == b"43"
            assert round(sim.now, 4) == 2
        """,
    )
    result = debugged(project, ["p first, value", "until 11", "n", "n", "p second, value", "c"])
    text = result.stdout.str()
    result.assert_outcomes(passed=1)
    assert "(b'one\\n', 41)" in text
    assert "(b'two\\n', 43)" in text
    stops = re.findall(r"> .*test_it\.py\((\d+)\)(\w+)\(\)$", text, re.MULTILINE)
    assert {name for _line, name in stops} == {"handle"}
    assert len(stops) >= 3


def test_the_time_somebody_thinks_is_not_the_worlds(project):
    """``max_real_time`` would break the prompt; after it all of the time counts anew."""
    project.write_plain(
        HANDLER,
        """
        real_sleep = time.sleep

        @pytest.mark.simsock(max_real_time=0.5)
        def test_it(sim):
            assert talk(sim, b"one\\n", b"two\\n") == b"43"

        def endless():
            while True:
                pass

        @pytest.mark.simsock(max_real_time=0.5)
        def test_limit_after_it(sim):
            breakpoint()
            sim.spawn(endless).result()
        """,
    )
    result = debugged(project, ["p real_sleep(1.2)", "c", "p real_sleep(0.8)", "c"])
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*RealTimeLimit*max_real_time*"])


def test_quitting_the_debugger_in_a_handler_ends_the_session_and_not_with_a_hang(project):
    project.write_plain(HANDLER, 'def test_it(sim):\n    talk(sim, b"one\\n")\n\ndef test_next(sim):\n    pass')
    result = debugged(project, ["q"])
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*Exit: Quitting debugger*"])


def test_pdb_shows_the_line_that_failed_with_its_variables(project):
    project.write_plain(
        HANDLER.replace("breakpoint()", "pass"),
        """
        def test_it(sim):
            got = talk(sim, b"one\\n", b"two\\n")
            assert got == b"44"
        """,
    )
    result = debugged(project, ["p got", "p sim.now", "q"], "--pdb")
    text = result.stdout.str()
    assert result.ret == pytest.ExitCode.INTERRUPTED or result.parseoutcomes() == {"failed": 1}
    assert "(Pdb) b'43'" in text
    assert "(Pdb) 2.0" in text


def test_pdb_comes_to_the_line_of_the_handler_that_raised(project):
    project.write_plain(
        HANDLER.replace("breakpoint()", "raise ValueError(value)"),
        """
        def test_it(sim):
            sim.connect(sim.serve(Stopping)).sendall(b"one\\n")
            sim.settle()
        """,
    )
    text = debugged(project, ["p first, value", "q"], "--pdb").stdout.str()
    assert "(b'one\\n', 41)" in text


def test_pdb_stops_once_after_a_search(project):
    project.write_lost_update()
    text = debugged(project, ["p [served.server.count]", "q"], "--pdb").stdout.str()
    assert text.count("entering PDB") == 1
    assert "(Pdb) [2]" in text or "(Pdb) [1]" in text


def test_after_pdb_the_next_test_has_a_world_of_its_own(project):
    project.write_plain("def test_it(sim):\n    sim.sleep(5)\n    assert 0\n\ndef test_next(sim):\n    assert sim.now == 0")
    result = debugged(project, ["c"], "--pdb")
    result.assert_outcomes(passed=1, failed=1)
