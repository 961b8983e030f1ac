"""What a failure says: the command that repeats it, and the sections beside it."""

from __future__ import annotations

import json
import re

import pytest
from pcapng import FileScanner
from pcapng.blocks import EnhancedPacket

DEADLOCK = """
    def test_it(sim):
        lock = sim.network.threading.Lock()
        lock.acquire()
        task = sim.spawn(lock.acquire, name="second")
        task.result()
"""


DEADLOCK_ON_TRIO = """
    import trio

    async def test_it(sim):
        await trio.sleep_forever()
"""


@pytest.mark.parametrize(
    "args", [(), ("--simsock-seed=random",), ("--simsock-seed=-3",), ("--rootdir=..",)], ids=["plain", "random seed", "negative seed", "root elsewhere"]
)
def test_the_command_of_a_search_repeats_its_failure(project, command_in, section, args):
    project.write_lost_update()
    told = project.failure("-v", *args)
    again = project.failure("-v", *[arg for arg in args if "rootdir" in arg], *command_in(section(told, "repeat")))
    for report in (told, again):
        report.lines = [re.sub(" at 0x.*", "", line) for line in report.longreprtext.splitlines()]
    assert again.lines == told.lines
    assert section(again, "repeat") == section(told, "repeat")
    for title in ("tasks", "last records"):
        assert section(again, title) == section(told, title)
    story, parts, _ = section(told, "deviations").partition("\n\nwhere it leaves the nearest run that passes:\n")
    assert parts and story.endswith(section(again, "deviations")), "a repeated run is one run: no other is beside it"


@pytest.mark.parametrize("marker", ["", "@pytest.mark.simsock(seed=8)"], ids=["given", "pinned"])
def test_the_command_of_a_single_run_repeats_its_failure(project, command_in, section, marker):
    project.write(
        f"""
        from simsock import Link
        pytestmark = pytest.mark.simsock(link=Link(latency="1ms", jitter="900us"))

        {marker}
        def test_it(sim):
            visit(sim, sim.serve(Counter, Count))
            assert sim.now_ns == 0
        """
    )
    told = project.failure("--simsock-seed=random")
    again = project.failure(*command_in(section(told, "repeat")))
    elapsed = re.search(r"assert \d+ == 0", told.longreprtext)[0]
    assert elapsed in again.longreprtext
    assert section(again, "repeat") == section(told, "repeat")
    assert ("--simsock-seed" in section(told, "repeat")) is (marker == "")
    assert "other" if marker else elapsed not in project.failure("--simsock-seed=1").longreprtext


def test_the_command_names_the_network_where_it_is_not_the_usual_one(project, command_in, section):
    project.pytester.makeini("[pytest]\nsimsock_network = real\n")
    project.write("def test_it(testbed):\n    assert visit(testbed, testbed.serve(Counter, Count)) == b''\n")
    told = project.failure("--simsock-network=sim")
    again = project.failure(*command_in(section(told, "repeat")))
    assert again.nodeid == told.nodeid == "test_it.py::test_it[sim]"


def test_the_command_is_meant_for_the_folder_that_pytest_was_started_in(project, command_in, section, monkeypatch):
    project.write("def test_it(sim):\n    assert False\n")
    below = project.pytester.mkdir("below")
    monkeypatch.chdir(below)
    told = project.failure("../test_it.py")
    assert section(told, "repeat").startswith("pytest ../test_it.py::test_it ")
    assert project.failure(*command_in(section(told, "repeat"))).nodeid == told.nodeid


def test_a_token_alone_selects_the_test_that_it_was_made_for(project, command_in, section):
    project.write_lost_update()
    project.write("def test_other(sim): pass", name="test_other")
    command = command_in(section(project.failure(), "repeat"))
    project.run(command[-1]).assert_outcomes(failed=1, deselected=1)


def test_a_token_that_no_longer_fits_fails_and_says_where(project, command_in, section):
    file = project.write_lost_update()
    command = command_in(section(project.failure(), "repeat"))
    file.write_text(file.read_text().replace("range(3)", "range(0)").replace("== 3", "== 0"))
    result = project.run(*command)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ReplayMismatch: the token does not fit this program any more:*"])


def test_a_token_whose_failure_was_mended_passes(project, command_in, section):
    file = project.write_lost_update()
    command = command_in(section(project.failure(), "repeat"))
    file.write_text(file.read_text().replace("== 3", ">= 1"))
    project.run(*command).assert_outcomes(passed=1)


def test_the_tasks_are_those_of_the_moment_of_the_failure(project, section):
    project.write(
        """
        def test_it(sim):
            served = sim.serve(Counter, Count)
            client = sim.connect(served)
            sim.settle()
            check(1)

        def check(number):
            assert number == 2
        """
    )
    tasks = section(project.failure(), "tasks")
    assert re.search(r"^main +\(running\) +test_it.py:\d+ in check$", tasks, re.MULTILINE)
    assert re.search(r"^server-1/handler-1 .* recv .* test_it.py:9 in Count.handle$", tasks, re.MULTILINE)


SOCKETS = """
    def test_it(sim):
        served = sim.serve(Counter, Count)
        client = sim.connect(served)
        client.sendall(b"hello")
        sim.settle()
        assert not served
"""


@pytest.mark.parametrize("args", [(), ("-n", "1")], ids=["here", "xdist"])
def test_the_sockets_are_those_of_the_moment_of_the_failure(project, args):
    project.write(SOCKETS)
    result = project.run_apart("-v", *args) if args else project.run("-v")
    result.stdout.fnmatch_lines(
        [
            "*simsock: netstat*",
            "host * proto *state *recv-q *send-q *local *remote *fd *waiting *link",
            "server * tcp *LISTEN * 10.0.0.2:32768 * server-1",
            "server * tcp *ESTABLISHED * 10.0.0.2:32768 * 10.0.0.3:32768 * server-1/handler-1 * perfect",
            "client * tcp *ESTABLISHED * 10.0.0.3:32768 * 10.0.0.2:32768 * perfect",
        ]
    )


def test_what_is_not_asked_for_is_named_and_not_shown(project):
    project.write(SOCKETS)
    titles = [title for title, _ in project.failure().sections]
    assert titles == ["simsock: repeat", "simsock: deviations", "simsock: tasks"]
    assert project.failure().sections[-1][1].endswith("(pytest -v also shows: netstat, last records)")
    verbose = project.failure("-v")
    assert [title for title, _ in verbose.sections] == [*titles, "simsock: netstat", "simsock: last records"]
    assert "also shows" not in str(verbose.sections)
    result = project.run("--simsock-report=out")
    (file,) = (project.pytester.path / "out").glob("*.txt")
    assert "== simsock: netstat\n" in file.read_text() and "== simsock: last records\n" in file.read_text()
    result.assert_outcomes(failed=1)


@pytest.mark.parametrize(("test", "row"), [(DEADLOCK, "join second"), (DEADLOCK_ON_TRIO, "test_it.test_it  test_it.py:4")], ids=["threads", "trio"])
def test_a_deadlock_tells_its_tasks_once(project, test, row):
    project.write_plain(test)
    told = project.failure()
    shown = told.longreprtext + str(told.sections)
    assert shown.count(row) == 1


def test_a_line_of_a_library_is_told_as_it_is_imported(project, section):
    project.write_plain(
        """
        import socketserver

        class Quiet(socketserver.BaseRequestHandler):
            pass

        def test_it(sim):
            sim.serve(socketserver.TCPServer, Quiet)
            sim.settle()
            assert False
        """
    )
    assert re.search(r"^server-1 .* selectors.py:\d+ in ", section(project.failure(), "tasks"), re.MULTILINE)


def test_a_failure_without_sockets_has_no_table_of_them(project):
    project.write_plain("def test_it(sim):\n    assert sim.now\n")
    told = project.failure()
    assert [title for title, _ in told.sections if "netstat" in title] == []
    assert "tasks" in str(told.sections)


def test_a_deadlock_tells_who_waits_for_whom(project, section):
    project.write_plain(DEADLOCK)
    tasks = section(project.failure("-v"), "tasks")
    assert re.search(r"^main +join second +test_it.py:\d+ in test_it", tasks, re.MULTILINE)
    assert re.search(r"^second .*Lock.* main$", tasks, re.MULTILINE)


def test_an_error_of_another_task_does_not_move_the_place_of_the_first(project, section):
    project.write_plain("def bad():\n    raise OSError\n\ndef test_it(sim):\n    sim.spawn(bad).result()\n")
    assert re.search(r"^main +\(running\) +test_it.py:5 in test_it$", section(project.failure(), "tasks"), re.MULTILINE)


def test_the_last_records_say_when_who_and_what(project, section):
    project.write("def test_it(sim):\n    sim.sleep('1.5s')\n    for _ in range(30): visit(sim, sim.serve(Counter, Count))\n    assert False")
    lines = section(project.failure("-v"), "last records").splitlines()
    assert re.match(r"… \(\d+ before\)", lines[0])
    assert len(lines) == 21
    assert re.match(r"1.500000s  main +close client:", lines[-1])


def test_deviations_of_a_single_run_are_told_in_plain_words(project, section):
    project.write(
        """
        from simsock import Link

        @pytest.mark.simsock(seed=1, link=Link(latency="1ms", loss=0.5))
        def test_it(sim):
            visit(sim, sim.serve(Counter, Count))
            assert False
        """
    )
    lines = section(project.failure(), "deviations").splitlines()
    assert lines[0] == "what was not as usual in this run:"
    assert lines[1] == "  1. packet 1 client->server was lost"


def test_a_failure_that_needs_no_deviation_says_so(project, section):
    project.write("def test_it(sim): assert False")
    assert "fails with the" in section(project.failure(), "deviations")


@pytest.mark.parametrize("shown", ["no", "stdout", "all"])
def test_the_command_is_shown_whatever_output_is_hidden(project, shown):
    project.write_lost_update()
    result = project.run(f"--show-capture={shown}", "-v")
    assert result.stdout.str().count("--simsock-replay=simsock1.") == 1
    result.stdout.fnmatch_lines(["*simsock: repeat*", "*simsock: deviations*", "*simsock: tasks*", "*simsock: last records*"])


def test_sections_are_not_on_tests_that_pass_or_have_no_world(project):
    project.write("def test_passes(sim): pass\ndef test_fails(): assert False\n@pytest.mark.xfail\ndef test_known(sim): assert False")
    assert not [title for report in project.reports() for title, _ in report.sections if title.startswith("simsock")]


def test_a_report_folder_gets_a_file_for_every_failure(project):
    project.write_lost_update()
    project.write("@pytest.mark.parametrize('x', ['a/b', 'a:b', 'a b'])\ndef test_it(sim, x): assert False\ndef test_passes(sim): pass", name="test_other")
    result = project.run("--simsock-report=out/here")
    result.assert_outcomes(failed=4, passed=1)
    both = sorted((project.pytester.path / "out" / "here").iterdir())
    files = [path for path in both if path.suffix == ".txt"]
    index = [both[0].with_name(name) for name in ("index.html", "index.json", "simsock.sarif")]
    assert both == sorted([*files, *index, *(path.with_suffix(kind) for path in files for kind in (".html", ".json", ".pcapng"))])
    for path in files:
        shown = result.outlines.index(f"out/here/{path.with_suffix('.html').name}")
        assert result.outlines[shown : shown + 4] == [f"out/here/{path.with_suffix(kind).name}" for kind in (".html", ".txt", ".json", ".pcapng")]
    assert [re.sub("-[0-9a-f]{6}.txt$", "", file.name) for file in files] == ["test_it.py-test_count", *["test_other.py-test_it-a-b"] * 3]
    text = files[0].read_text()
    for said in ("== test\ntest_it.py::test_count\n", "assert served.server.count == 3", "--simsock-replay=", "shrunk to", "== simsock: tasks\ntask "):
        assert said in text


def packets(path):
    """The hosts in a capture and how many packets it has, read by a library that is not ours."""
    with open(path, "rb") as file:
        found = [block.interface.options["if_name"] for block in FileScanner(file) if isinstance(block, EnhancedPacket)]
    return set(found), len(found)


@pytest.mark.filterwarnings("ignore:Field type should not be:DeprecationWarning")  # python-pcapng's, of its own tables
def test_a_report_folder_gets_a_capture_of_the_run_that_failed(project, section, command_in):
    project.write_lost_update()
    project.write("def test_it(sim):\n    visit(sim, sim.serve(Counter, Count))\n    assert False", name="test_single")
    plain = {report.nodeid: section(report, "repeat") for report in project.reports() if report.failed}
    reports = {report.nodeid: report for report in project.reports("--simsock-report=out") if report.failed}
    assert {nodeid: section(report, "repeat") for nodeid, report in reports.items()} == plain, "a capture changes nothing"
    found = [packets(section(report, "files").splitlines()[-1]) for report in reports.values()]
    assert [hosts for hosts, _ in found] == [{"server", "client"}, {"server", "client"}]
    assert found[0][1] == 3 * found[1][1] > 20, "three visits, one visit"
    project.failure("--simsock-report=again", *command_in(plain["test_it.py::test_count"]))
    (again,) = (project.pytester.path / "again").glob("*.pcapng")
    assert again.read_bytes() == (project.pytester.path / "out" / again.name).read_bytes()


def test_a_capture_changes_no_digest(project):
    project.write(
        """
        worlds = []
        def test_it(sim):
            worlds.append(sim)
            visit(sim, sim.serve(Counter, Count))
        def test_after():
            print("\\ndigest", worlds[0].digest)
        """
    )
    plain, captured = ([line for line in project.run("-s", *options).outlines if line.startswith("digest")] for options in ([], ["--simsock-report=out"]))
    assert plain == captured and len(plain) == 1
    left = {path.name: path for path in (project.pytester.path / "out").iterdir()}
    assert left.keys() == {"index.html", "index.json", "simsock.sarif"}, "of a run that passes nothing is left but an index that lists nothing"
    assert json.loads(left["index.json"].read_text())["reports"] == []


def test_an_error_of_the_handler_at_the_end_has_its_capture_too(project, section):
    project.write("def test_it(sim):\n    visit(sim, sim.serve(Counter, Refuse))")
    assert section(project.failure("--simsock-report=out"), "files").count(".pcapng") == 1


@pytest.mark.filterwarnings("ignore:Field type should not be:DeprecationWarning")  # python-pcapng's, of its own tables
def test_the_failing_example_under_given_has_a_capture_and_a_test_expected_to_fail_has_none(project, section):
    project.write(
        """
        from hypothesis import given, settings, strategies as st

        @settings(max_examples=5)
        @given(st.integers())
        def test_given(sim, number):
            visit(sim, sim.serve(Counter, Count))
            assert number < 0

        @pytest.mark.xfail
        def test_known(sim):
            assert False
        """
    )
    *_, path = section(project.failure("--simsock-report=out"), "files").splitlines()
    assert packets(path)[0] == {"server", "client"}
    assert len(list((project.pytester.path / "out").iterdir())) == 7, "a page, text, JSON, a capture, and the index as page, JSON and SARIF"


def test_a_report_folder_that_cannot_be_made_fails_the_test_in_one_line(project):
    project.write("def test_it(sim): pass\ndef test_without(): pass")
    (project.pytester.path / "out").write_text("a file")
    result = project.run("--simsock-report=out")
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["*options of the sim fixture: --simsock-report=*out: cannot be made: File exists"])


def test_failures_under_xdist_say_the_same(project, command_in):
    project.write_lost_update()
    project.write("@pytest.mark.parametrize('n', '123')\ndef test_it(sim, n):\n    assert sim.seed == 'x'\n", name="test_other")
    result = project.run_apart("-n2", "--simsock-seed=random")
    result.assert_outcomes(failed=4)
    seed = re.search(r"^simsock 0\S+, seed (\d+), network sim$", result.stdout.str(), re.MULTILINE)[1]  # that of all workers, as they say:
    result.stdout.fnmatch_lines_random([f"pytest 'test_other.py::test_it[[]{n}[]]' --simsock-seed={seed}" for n in "123"])
    assert f"of seed {seed} failed" in result.stdout.str()
    assert project.pytester.runpytest_inprocess(*project.without, "--simsock-seed=last", "--co").stdout.str().count(f"seed {seed},") == 1
    for title in ("repeat", "deviations", "tasks"):
        assert result.stdout.str().count(f"- simsock: {title} -") == 4
    command = next(line for line in result.outlines if "--simsock-replay=" in line)
    project.run(*command_in(command)).assert_outcomes(failed=1)


WAITS = """
    def test_it(sim):
        with sim.datagram() as inbox:
            inbox.settimeout(3)
            inbox.recv(10)  # nobody sends
"""


def test_a_traceback_ends_at_the_program_s_line_if_that_is_what_the_call_came_to(project):
    project.write(WAITS)
    text = project.failure().longreprtext
    assert "inbox.recv(10)  # nobody sends" in text and "TimeoutError: timed out" in text
    assert "_receiving.py" not in text
    assert "_receiving.py" in project.failure("--full-trace").longreprtext


HANDLER = """
    import json
    import socketserver
    import simsock
    from simsock.strategies import requests

    class Reads(socketserver.StreamRequestHandler):
        def handle(self):
            json.loads(self.rfile.readline())
"""


def test_a_handler_s_error_is_told_without_what_called_the_handler(project):
    project.write_plain(HANDLER, "def test_it(): simsock.fuzz(Reads, requests('lines'), examples=5)")
    text = project.failure().longreprtext
    assert "json.loads(self.rfile.readline())" in text and "simsock.talk(Reads, b" in text
    for ours in ("launcher.py", "talking.py", "fuzzing.py", "Look for a request"):
        assert ours not in text
    project.write_plain(HANDLER, "def test_it(sim):\n    sim.connect(sim.serve(Reads)).close()")
    text = project.failure().longreprtext
    assert "json.loads(self.rfile.readline())" in text and "launcher.py" not in text


def test_what_a_stub_misses_is_told_without_the_stub_s_code(project):
    project.write_plain(
        """
        def test_it(sim):
            with sim.connect(sim.stub(lines={"GET a": "x"})) as client:
                client.sendall(b"GET b\\n")
                client.recv(10)
        """
    )
    text = project.failure().longreprtext
    assert "no answer to 'GET b': there is one to 'GET a'" in text
    assert "_refuse" not in text and "fixtures.py" not in text


def test_any_other_error_shows_every_frame(project):
    project.write(
        """
        def test_it(sim):
            sim.network.threading.Lock().acquire(timeout=object())
        """
    )
    assert "simsock/stdlib/" in project.failure().longreprtext


EVIL = "bad \\x1b[31m\\x1b]0;title\\x07 \\u202e\\ud800\\x7f end"


def test_nothing_that_a_failed_test_with_a_world_prints_or_writes_is_a_control_character(project):
    project.write_plain(
        f"""
        import threading
        EVIL = "{EVIL}"
        def check(text):
            local = text
            raise ValueError(text)
        def test_it(sim):
            sim.spawn(threading.Event().wait, name=EVIL)
            sim.sleep(1)
            check(EVIL)
        """
    )
    for more in ((), ("-l", "--tb=long"), ("--tb=native",), ("--tb=line", "-rA"), ("--simsock-report=out",)):
        result = project.run("--color=no", *more)
        text = result.stdout.str() + result.stderr.str()
        assert "bad \\x1b[31m" in text
        assert not [character for character in text if not character.isprintable() and character != "\n"]
    (told,) = (project.pytester.path / "out").glob("*.txt")
    assert "bad \\x1b[31m" in told.read_text()
    assert told.read_text().replace("\n", "").isprintable()


FIXTURE = """
import threading
import pytest

@pytest.fixture
def resource():
    yield 1
    pass
    torn = "down"

def talk():
    try:
        threading.Event().wait()
    finally:
        print("last words of a task")

@pytest.mark.simsock(schedules=50)
def test_it(sim, resource):
    threading.Thread(target=talk, daemon=True).start()
    count = [0]
    def bump():
        seen = count[0]
        count[0] = seen + 1
    threads = [threading.Thread(target=bump) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert count[0] == 2
"""


def test_a_story_ends_on_the_line_that_failed_and_not_in_the_teardown_of_a_fixture(project):
    project.write_plain(FIXTURE)
    text = project.run().stdout.str()
    told = text.partition("step by step")[2].partition("--- simsock")[0]
    assert "assert count[0] == 2" in told
    assert "torn" not in told


def test_what_dying_tasks_print_is_shown_with_v_only(project):
    project.write_plain(FIXTURE)
    assert "last words of a task" not in project.run().stdout.str()
    shown = project.run("-v").stdout.str()
    assert "simsock: printed by tasks that ended with their world" in shown
    assert "last words of a task" in shown


def test_a_plain_mistake_gets_no_story(project, section):
    project.write(
        """
        import asyncio

        def test_once(sim):
            sim.serve(Counter)

        @pytest.mark.simsock(schedules=20, preempt="lines")
        def test_searched(sim):
            sim.sleep("5 sec")

        @pytest.mark.simsock(schedule=5)
        def test_marked(sim):
            pass

        def test_at_the_end(sim):
            sim.partition("client", "nobody")
            sim.serve(Counter, Count, host="client")

        @pytest.mark.simsock(schedules=5, strategy="dfs")
        def test_whose_world_cannot_be_made(sim):
            pass

        @pytest.fixture
        async def later(sim):
            pass

        def test_plain(later):
            pass

        def test_no_such_fixture(sim, served):
            pass

        def test_of_the_program(sim):
            assert sim.now == 1
        """
    )
    failed = {report.nodeid.partition("::")[2]: report for report in project.reports() if report.failed}
    titles = {name: [title for title, _ in report.sections if title.startswith("simsock")] for name, report in failed.items()}
    only = ["simsock: repeat"]
    assert titles.pop("test_of_the_program")[:3] == ["simsock: repeat", "simsock: deviations", "simsock: tasks"]
    assert titles.pop("test_whose_world_cannot_be_made") == only, "nobody repeats it, and says that it did not come out the same"
    assert titles.pop("test_at_the_end") == only and failed["test_at_the_end"].longreprtext.count("\n") < 3, "no word on frames that are hidden"
    assert titles == {"test_once": only, "test_searched": only, "test_marked": [], "test_plain": only, "test_no_such_fixture": only}
    told = failed["test_marked"].longreprtext
    assert "\n" not in told, "nothing about frames that are hidden"
    assert failed["test_plain"].longreprtext.startswith("the async fixture 'later' is made in the event loop"), "and nothing of what pytest would have said"
    assert told.startswith("@pytest.mark.simsock: unknown option 'schedule'; did you mean 'schedules'?"), (
        "pytest has said which test, and its summary is one line"
    )
    assert "sim.serve(Counter, Handler)" in failed["test_once"].longreprtext


def test_on_a_narrow_terminal_tables_are_paragraphs_and_in_files_they_are_tables(project, section, monkeypatch):
    project.write_plain(
        DEADLOCK.replace("task.result()", "sim.sleep(1)\n        raise OSError").replace('"second"', '"the second task, which has a rather long name"'),
        DEADLOCK.replace("test_it", "test_that").replace('"second"', '"the second task, which has a rather long name"'),
    )
    monkeypatch.setattr("pytest_simsock.telling._terminal_width", lambda config: 60)
    reports = {report.nodeid.partition("::")[2]: report for report in project.reports("--simsock-report=out") if report.failed}
    paragraph = "the second task, which has a rather long name\n{0}  waits for  acquire Lock-1\n{0}  where      ?\n{0}  held by    main\n"
    assert paragraph.format("") in section(reports["test_it"], "tasks")
    assert paragraph.format("E       ") in reports["test_that"].longreprtext
    assert "simsock: tasks" not in [title for title, _ in reports["test_that"].sections], "the error has said it"
    for written in (project.pytester.path / "out").glob("*.txt"):
        assert re.search("task +waits for +where +held by", written.read_text())
