"""The interpreter's own tests, unmodified, each in a world of its own: what passes on real sockets passes here, but for what ``reasons/`` says.

Nothing is copied: the tests are the installed interpreter's, and a distribution without the ``test`` package skips them by name. A list was recorded with
one patch release; another may have dropped a test, which is no failure. The modules of ``QUICK`` run with every run of the tests, all of them with
``pytest -m cpython``; ``python -m tests.cpython`` prints more.
"""

from __future__ import annotations

import pytest

from . import lists, runner, running, table

QUICK = (
    "test.test_docxmlrpc",
    "test.test_ftplib",
    "test.test_select",
    "test.test_selectors",
    "test.test_socketserver",
    "test.test_timeout",
    "test.test_urllib2_localnet",
)
LISTED = lists.read() if lists.list_file().exists() else []
MODULES = tuple(dict.fromkeys(test.module for test in LISTED))
needs_list = pytest.mark.skipif(not LISTED, reason=f"no list of tests for this Python: {lists.list_file().name} is not there")


def _run(module):
    if not runner.is_there(module):
        pytest.skip(f"this interpreter comes without {module} (the `test` package of the standard library)")
    reasons = lists.read_reasons()
    result = running.run(module, LISTED, reasons)
    assert not result.complaints(reasons), "\n".join(result.complaints(reasons))
    assert len(result.missing) <= 0.1 * len(result.tests), "too many tests of the list are not in this interpreter; record it anew"


@needs_list
@pytest.mark.timeout(300)
@pytest.mark.parametrize("module", [module for module in QUICK if module in MODULES])
def test_tests_of_the_interpreter_pass_in_worlds(module):
    _run(module)


@needs_list
@pytest.mark.cpython
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("module", [module for module in MODULES if module not in QUICK])
def test_all_other_tests_of_the_interpreter_pass_in_worlds(module):
    _run(module)


@pytest.mark.skipif(not runner.is_there("test.test_socketserver"), reason="this interpreter comes without the `test` package")
def test_the_proof_can_fail():
    """The same tests without a world do reach the real network, and the hook says so."""
    name = "test.test_socketserver.SocketServerTest.test_TCPServer"
    result = running.run("test.test_socketserver", [lists.Test("sockets", "test.test_socketserver", name)], {}, world=False)
    assert result.passed() == [name]
    [complaint] = result.complaints({})
    assert complaint.startswith(f"{name} reached the real network: ")
    assert "socket.__new__" in complaint


def test_a_test_that_passes_must_leave_the_reasons_and_one_that_does_not_must_have_one():
    tests = [lists.Test("sockets", "m", name) for name in ("m.C.passes", "m.C.fails", "m.C.hangs", "m.C.missing")]
    outcomes = {"m.C.passes": runner.Outcome("pass"), "m.C.fails": runner.Outcome("fail", "Traceback …\nOSError: no"), "m.C.hangs": runner.Outcome("hang")}
    result = running.Result("m", tuple(tests), outcomes, "", ("m.C.missing",))
    assert [line.partition(":")[0] for line in result.complaints({})] == ["m.C.fails does not pass (fail)", "m.C.hangs hung"]
    reasons = {"m.C.passes": "Once it did not.", "m.C.fails": "It cannot."}
    assert [line.partition(":")[0] for line in result.complaints(reasons)] == ["m.C.passes passes", "m.C.hangs hung"]


def test_a_module_that_is_not_installed_is_known_to_be_absent():
    """By which the tests above skip where a distribution leaves the ``test`` package out."""
    assert not runner.is_there("test.test_of_nothing_at_all")


@pytest.mark.parametrize("version", lists.VERSIONS)
def test_reasons_are_sentences_about_tests_of_the_list(version):
    reasons = lists.read_reasons(version)
    assert set(reasons) <= {test.name for test in lists.read(version)}
    assert all(sentence.endswith(".") and not sentence.startswith(running.UNKNOWN) for sentence in reasons.values())


@pytest.mark.parametrize("version", lists.VERSIONS)
def test_a_list_is_written_as_it_is_read(version, monkeypatch, tmp_path):
    tests, reasons = lists.read(version), lists.read_reasons(version)
    assert len(tests) == len({test.name for test in tests}) > 2_000
    monkeypatch.setattr(lists, "HERE", tmp_path)
    (tmp_path / "lists").mkdir()
    (tmp_path / "reasons").mkdir()
    lists.write(tests, "title", version)
    lists.write_reasons(reasons, version)
    assert (lists.read(version), lists.read_reasons(version)) == (tests, reasons)


def test_the_table_of_the_page_is_that_of_the_lists():
    assert table.PAGE.read_text(encoding="utf-8") == table.page_with_table(), "python -m tests.cpython.table writes it"
