"""What the tests of the plugin share: small projects that pytest is run on, and ways to read what it said.

Everything that a run inside this process would import first is imported here, because pytester takes it out of ``sys.modules`` again, and
which world runs must stay one fact of the process.
"""

from __future__ import annotations

import gc
import pkgutil
import shlex
from importlib import import_module
from textwrap import dedent

import pytest

import pytest_simsock.searching
import simsock

for _package in (simsock, pytest_simsock):
    for _module in pkgutil.walk_packages(_package.__path__, _package.__name__ + "."):
        import_module(_module.name)

SERVER = """
    import pytest
    from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer

    class Counter(ThreadingTCPServer):
        count = 0

    class Count(StreamRequestHandler):
        def handle(self):
            self.rfile.readline()
            value = self.server.count
            value += 1
            self.server.count = value
            self.wfile.write(b"%d\\n" % value)

    class Refuse(StreamRequestHandler):
        def handle(self):
            raise ValueError("refused")

    def visit(bed, served):
        with bed.connect(served) as client:
            client.sendall(b"hello\\n")
            with client.makefile("rb") as file:
                return file.readline()
"""
"""A server whose handler counts without a lock, one that raises, and a client."""

LOST_UPDATE = """
    @pytest.mark.simsock(schedules=200)
    def test_count(sim):
        served = sim.serve(Counter, Count)
        for task in [sim.spawn(visit, sim, served) for _ in range(3)]:
            task.result()
        assert served.server.count == 3
"""


class Project:
    """A folder with tests, to run pytest in, and the reading of what comes of it."""

    without: tuple[str, ...] = ("-p", "no:randomly", "-p", "no:asyncio")
    """Plugins that stay out where they are installed, but for the tests that are about them: the one shuffles tests, the other has a warning."""

    def __init__(self, pytester):
        self.pytester = pytester
        pytester.makeini("[pytest]\n")

    def write(self, *parts, name="test_it"):
        """A test file: the server above, and then these pieces."""
        return self.write_plain(SERVER, *parts, name=name)

    def write_plain(self, *parts, name="test_it"):
        """A file of these pieces."""
        return self.pytester.makepyfile(**{name: "\n".join(dedent(part) for part in parts)})

    def write_lost_update(self):
        """A test that a search fails: an update is lost when a handler is switched out between two of its lines."""
        return self.write(LOST_UPDATE)

    def run(self, *args):
        """Run pytest in this process: what it printed."""
        return self.pytester.runpytest_inprocess("-p", "no:cacheprovider", *self.without, *args)

    def run_apart(self, *args):
        """Run pytest in a process of its own, without two plugins that take longer to import than all else together: what it printed."""
        return self.pytester.runpytest_subprocess("-p", "no:faker", "-p", "no:hypothesispytest", *self.without, *args)

    def reports(self, *args):
        """Run pytest in this process: the reports of all phases."""
        recorder = self.pytester.inline_run("-p", "no:cacheprovider", *self.without, *args)
        return recorder.getreports("pytest_runtest_logreport")

    def failure(self, *args):
        """Run pytest in this process: the one report that failed."""
        failed = [report for report in self.reports(*args) if report.failed]
        assert len(failed) == 1, failed
        return failed[0]


def section(report, title):
    """The content of a section of a report, by the end of its title."""
    found = [content for name, content in report.sections if name == f"simsock: {title}"]
    assert len(found) == 1, f"{title}: {[name for name, _ in report.sections]}"
    return found[0]


def command_in(text):
    """The arguments of the one command that a text says repeats it."""
    found = [line for line in text.splitlines() if line.startswith("pytest ") and "::" in line]
    assert len(found) == 1, text
    return shlex.split(found[0])[1:]


@pytest.fixture(autouse=True)
def _no_garbage_is_left():
    """A run of pytest leaves thousands of objects in cycles, and a world that begins looks at all there are: the next test is not to pay for this one."""
    yield
    gc.collect()


@pytest.fixture
def project(pytester):
    """A folder with tests."""
    return Project(pytester)


@pytest.fixture(name="section")
def section_of():
    """The reading of a report's sections: ``section(report, "tasks")``."""
    return section


@pytest.fixture(name="command_in")
def command_of():
    """The reading of the command that repeats a failure: ``command_in(text)`` is its arguments."""
    return command_in
