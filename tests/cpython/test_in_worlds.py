"""The interpreter's own network tests, unmodified, each in a world of its own: every test of ``expected/`` passes without a real socket.

Which tests those are was recorded on the real network (``record.py``). Nothing is copied: the tests are the installed interpreter's, and a
distribution without the ``test`` package skips them by name. A list was recorded with one patch release; another may have dropped a test,
which is no failure, but most must be there.
"""

from __future__ import annotations

import pytest

from . import record, runner

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not record.expected_file().exists(), reason=f"no list of tests for this Python: {record.expected_file().name} is not there"),
]


@pytest.fixture(scope="module")
def expected():
    """The names that are to pass."""
    return record.expected()


@pytest.mark.parametrize("module", record.MODULES)
def test_tests_of_the_interpreter_pass_in_worlds(module, expected):
    if not runner.is_there(module):
        pytest.skip(f"this interpreter comes without {module} (the `test` package of the standard library)")
    wanted = [name for name in expected if name.startswith(module + ".")]
    report = runner.run(module, ids=wanted, resources=record.RESOURCES)
    assert not report.note
    assert len(report.outcomes) >= 0.9 * len(wanted), "too many tests of the list are not in this interpreter; record it anew"
    reached = {name: found.reached for name, found in report.outcomes.items() if found.reached}
    assert reached == {}, "a real call from inside a world"
    missed = set(report.outcomes) - report.passed()
    assert not missed, f"{len(missed)} of {len(wanted)} did not pass:\n{report.table(missed)}"


def test_every_module_has_tests_on_the_list(expected):
    assert {name.rpartition(".")[0].rpartition(".")[0] for name in expected} == set(record.MODULES)
    assert len(expected) == len(set(expected)) >= 300


@pytest.mark.skipif(not runner.is_there("test.test_socketserver"), reason="this interpreter comes without the `test` package")
def test_the_proof_can_fail():
    """The same tests without a world do reach the real network, and the hook says so."""
    report = runner.run("test.test_socketserver", ids=["test.test_socketserver.SocketServerTest.test_TCPServer"], world=False, resources=record.RESOURCES)
    [found] = report.outcomes.values()
    assert found.outcome == "pass"
    assert "socket.__new__" in found.reached


def test_a_module_that_is_not_installed_is_known_to_be_absent():
    """By which the tests above skip where a distribution leaves the ``test`` package out."""
    assert not runner.is_there("test.test_of_nothing_at_all")
