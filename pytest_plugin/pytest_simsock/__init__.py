"""The pytest plugin: worlds around tests.

Owns nothing but the names that pytest looks for; each comes from the module that does the work. Laws of the package:

* nothing of ``simsock`` is imported before a test asks for a world (or an option cannot be understood without it): a project that has the
  plugin installed and does not use it notices nothing, and coverage sees every import;
* a test's world ends with its call phase, so that whatever is raised in the world fails the test and not its teardown;
* every failure of a test with a world prints the command that repeats it.
"""

from pytest_simsock.configuring import (
    pytest_addoption,
    pytest_configure,
    pytest_configure_node,
    pytest_report_header,
)
from pytest_simsock.coroutines import pytest_fixture_setup_of_coroutines, pytest_pyfunc_call_of_coroutines
from pytest_simsock.fixtures import sim, simsock_config, simsock_seed, testbed
from pytest_simsock.hooks import (
    pytest_collection,
    pytest_collection_finish,
    pytest_collection_modifyitems,
    pytest_collectstart,
    pytest_enter_pdb,
    pytest_fixture_setup,
    pytest_generate_tests,
    pytest_itemcollected,
    pytest_leave_pdb,
    pytest_pycollect_makeitem,
    pytest_pyfunc_call,
    pytest_runtest_call,
    pytest_runtest_makereport,
    pytest_runtest_protocol,
    pytest_runtest_setup,
)
from pytest_simsock.marking import marker
from pytest_simsock.progress import pytest_terminal_summary
from pytest_simsock.scenarios import pytest_collect_file

SIMSOCK_ROOM = "outside"

__all__ = [
    "marker",
    "pytest_addoption",
    "pytest_collect_file",
    "pytest_collection",
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_collectstart",
    "pytest_configure",
    "pytest_configure_node",
    "pytest_enter_pdb",
    "pytest_fixture_setup",
    "pytest_fixture_setup_of_coroutines",
    "pytest_generate_tests",
    "pytest_itemcollected",
    "pytest_leave_pdb",
    "pytest_pycollect_makeitem",
    "pytest_pyfunc_call",
    "pytest_pyfunc_call_of_coroutines",
    "pytest_report_header",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
    "pytest_runtest_protocol",
    "pytest_runtest_setup",
    "pytest_terminal_summary",
    "sim",
    "simsock_config",
    "simsock_seed",
    "testbed",
]
