"""``simsock_locks``: locks that are hybrids from birth."""

from __future__ import annotations

TESTS = """
import queue
import threading

HELD = (threading.Lock(),)  # nothing else can be put into a tuple

def test_a_lock_that_cannot_be_exchanged_excludes_tasks(sim):
    print("LOCK", hasattr(HELD[0], "_real"), hasattr(queue.SimpleQueue(), "_real"), hasattr(threading.Lock(), "_real"))
    seen = []

    def work(number):
        with HELD[0]:
            seen.append(number)
            sim.sleep(1)
            seen.append(number)

    for task in [sim.spawn(work, number) for number in range(2)]:
        task.result()
    assert seen == [0, 0, 1, 1]
"""
PLAIN = """
import threading

def test_it():
    print("LOCK", hasattr(threading.Lock(), "_real"))
"""


def test_programs_get_hybrid_locks_if_the_ini_file_says_so(project):
    project.pytester.makeini("[pytest]\nsimsock_locks = hybrid\n")
    project.write_plain(TESTS)
    result = project.run_apart("-s")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*LOCK True True True*"])


def test_they_get_real_ones_otherwise(project):
    project.write_plain(PLAIN)
    project.run_apart("-s").stdout.fnmatch_lines(["*LOCK False*"])
    project.pytester.makeini("[pytest]\nsimsock_locks = off\n")
    project.run_apart("-s").stdout.fnmatch_lines(["*LOCK False*"])
    project.write_plain("import pytest\npytestmark = pytest.mark.simsock(max_real_time=1)\n" + TESTS)
    project.run_apart("-k", "cannot_be").assert_outcomes(failed=1)


def test_another_word_stops_pytest(project):
    project.pytester.makeini("[pytest]\nsimsock_locks = soft\n")
    project.write_plain("def test_it():\n    pass\n")
    result = project.run_apart()
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: simsock_locks: expected hybrid or off, got 'soft'"])
