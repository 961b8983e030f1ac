"""The interpreter's own tests on the real network with our ``socketserver`` in the place of the standard one.

Each suite runs twice in the same test, with the standard module and with ours, and whatever passes with the one must pass with the other:
``test_socketserver`` itself and the suites of the modules that build on it. One test cannot: it compares the names that a module exports with
what its objects say of the module they are from.
"""

from __future__ import annotations

import pytest

from . import runner

pytestmark = [pytest.mark.cpython, pytest.mark.real, pytest.mark.timeout(600)]

NAMES_ITS_MODULE = "test.test_socketserver.MiscTestCase.test_all"
MODULES = (
    "test.test_socketserver",
    "test.test_docxmlrpc",
    "test.test_httpservers",
    "test.test_imaplib",
    "test.test_logging",
    "test.test_urllib2_localnet",
    "test.test_wsgiref",
    "test.test_xmlrpc",
)
OURS = {"socketserver": "simsock.socketserver"}
RESOURCES = ("network",)
"""Without ``walltime``: dozens of tests of imaplib and xmlrpc only wait, for minutes."""


@pytest.mark.parametrize("module", MODULES)
def test_what_passes_with_the_standard_module_passes_with_ours(module):
    if not runner.is_there(module):
        pytest.skip(f"this interpreter comes without {module} (the `test` package of the standard library)")
    options = {"world": False, "resources": RESOURCES}
    standard = runner.run(module, **options)
    ours = runner.run(module, swap=OURS, **options)
    assert not standard.note and not ours.note
    assert set(ours.outcomes) == set(standard.outcomes)
    lost = standard.passed() - ours.passed() - {NAMES_ITS_MODULE}
    assert not lost, f"{len(lost)} of {len(standard.passed())} pass with the standard module only:\n{ours.table(lost)}"
    if module == "test.test_socketserver":
        assert len(ours.passed()) == len(ours.outcomes) - 1
        assert ours.outcomes[NAMES_ITS_MODULE].outcome == "fail", "nothing was swapped"
    else:
        assert len(standard.passed()) > 5
