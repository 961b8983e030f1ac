"""The columns of a story: which rows are shown, and that they stay readable."""

import re
from pathlib import Path

import pytest

import simsock
from simsock.choices import Deviation
from simsock.kernel import units
from simsock.report import columns as layout
from simsock.report import listening
from simsock.report.listening import LINE, RECORD, Event, Listener, Pick
from simsock.report.story import Teller, Words
from simsock.search.runner import Runner
from simsock.world.options import Options

HERE = Path(__file__).name


def line_with(text):
    """The number of the one line of this file that ends in a remark."""
    numbers = [number for number, line in enumerate(Path(__file__).read_text().splitlines(), 1) if line.endswith(f"# {text}")]
    assert len(numbers) == 1, (text, numbers)
    return numbers[0]


def racing(sim):
    box = [0]

    def add():
        seen = box[0]  # read
        seen += 1  # add
        box[0] = seen  # write

    tasks = [sim.spawn(add), sim.spawn(add)]
    for task in tasks:
        task.result()
    assert box[0] == 2  # check


def raising(sim):
    def bad():
        value = 1
        raise ValueError(value)  # raise

    sim.spawn(bad).result()


@pytest.fixture(scope="module")
def race():
    return simsock.explore(racing, schedules=100).story


def rows_of(story):
    return [row.rstrip() for row in story.columns[1:]]


def test_each_task_has_a_column_and_each_row_one_step(race):
    title, *rows = rows_of(race)
    assert sorted(title.split()) == ["add-1", "add-2", "main"]
    first, second, main = map(title.index, title.split())  # the one that is switched out, the one that runs meanwhile
    read, add, write, check = (line_with(text) for text in ("read", "add", "write", "check"))
    in_first = [row[first:] for row in rows if row[first : first + 1].isdigit()]
    assert f"{read} seen = box[0]  # read" in in_first
    assert in_first[-1] == f"{write} box[0] = seen  # write"
    assert [row[second:] for row in rows if row[first:second].strip() == "" and row[second : second + 1].isdigit()] == [
        f"{read} seen = box[0]  # read",
        f"{add} seen += 1  # add",
        f"{write} box[0] = seen  # write",
    ]
    assert f"{check} assert box[0] == 2  # check" in rows[-2][main:]
    assert "AssertionError" in rows[-1]


def test_a_line_stands_where_it_ran_and_not_where_its_task_was_switched_out():
    """add-1 is switched out just before it writes; its writing stands below everything that add-2 did."""
    with Runner(racing, Options(preempt="lines")) as runner:
        for index in range(6):
            teller = Teller()
            outcome = runner.run(0, (Deviation("task add-1 schedule", index, 1),), prepare=teller.listen)
            story = teller.story(outcome.error, outcome.deviations)
            if story.steps and f" and {HERE}:{line_with('write')} of add-1" in str(story.steps[0]):
                break
        else:
            pytest.fail("add-1 was never switched out before it wrote")
    title, *rows = rows_of(story)
    first, second = title.index("add-1"), title.index("add-2")
    written = [number for number, row in enumerate(rows) if row[first : first + 2].isdigit() and row.endswith("# write")]
    others = [number for number, row in enumerate(rows) if not row[:second].strip(" 1") and row[second : second + 2].isdigit()]
    assert len(written) == 1
    assert len(others) >= 3
    assert written[0] > others[-1]


def test_the_margin_numbers_the_steps_of_the_story(race):
    marked = [row for row in rows_of(race) if re.match(r"  1 +\d", row)]
    assert len(marked) == 1
    assert f"{line_with('read')} seen = box[0]" in marked[0]


def test_the_file_is_named_once_when_there_is_only_one(race):
    assert race.columns[0] == f"step by step (lines of {HERE}):"
    assert not any(HERE in row for row in race.columns[1:])


def test_what_is_simsocks_own_never_shows(race):
    text = "\n".join([*race.columns, *simsock.explore(raising, schedules=1).story.columns])
    assert "kernel" not in text
    assert "search" not in text
    assert "runner" not in text


def test_it_does_not_even_when_it_is_searched_as_well():
    def napping(sim):
        sim.sleep("1ms")  # naps
        assert sim.now > 1

    with Runner(napping, Options(preempt="lines", scope=[units, __file__])) as runner:
        teller = Teller()
        outcome = runner.run(0, (), prepare=teller.listen)
        teller.story(outcome.error, ())
    assert (__file__, line_with("naps")) in [event.place for event in teller._listener.events]
    assert {Path(event.place[0]).name for event in teller._listener.events if event.place is not None} == {HERE}


def test_an_error_stands_in_the_column_of_the_task_that_raised_it():
    story = simsock.explore(raising, schedules=1).story
    title, *rows = rows_of(story)
    assert rows[-1].index("ValueError: 1") == title.index("bad-1")
    assert f"{line_with('raise')} raise ValueError(value)" in rows[-2]
    assert sum("ValueError" in row and "raises" in row for row in rows) == 0, "the error is told once"


def test_at_calls_rows_come_from_what_is_recorded_with_the_line_it_was_done_at():
    def fetch(sim):
        listener = sim.network.socket.create_server(("127.0.0.1", 0))
        client = sim.network.socket.create_connection(listener.getsockname())
        client.sendall(b"hello")  # send
        server, _ = listener.accept()
        assert server.recv(3) == b"hello"  # fails

    story = simsock.explore(fetch, schedules=1, strategy="fifo", preempt="calls").story
    text = "\n".join(story.columns)
    assert f"{line_with('fails')} " in text
    assert "AssertionError" in text


# -- limits, on made-up events -----------------------------------------------------------------------------------------------------------------


def made_up(count, tasks=2, words=""):
    listener = Listener("lines")
    for number in range(count):
        place = (__file__, number % 100 + 1)
        task = f"task-{number % tasks + 1}"
        listener.events.append(Event(RECORD, task, place, words, 0) if words else Event(LINE, task, place, "", 0))
    return listener


def a_pick(at, task="task-1", chosen="task-2"):
    return at, Pick(f"task {task} schedule", 0, at, "line", task, (__file__, 1), (__file__, 2), "", chosen, task, ())


def test_there_are_never_more_rows_than_fit_a_page_and_what_is_left_out_shows():
    listener = made_up(1_000)
    marks = [a_pick(at) for at in range(10, 990, 40)]
    rows = layout.columns(listener, marks, Words(listener), "AssertionError: x")
    assert 20 < len(rows) <= 42, "two lines for the heading and the titles"
    assert any(row.strip() == "…" for row in rows)
    assert rows[-1].strip() == "AssertionError: x"


def test_a_task_that_runs_for_very_long_while_another_is_switched_out_does_not_fill_the_page_either():
    listener = made_up(600)
    listener.events[10:590] = [event._replace(task="task-2") for event in listener.events[10:590]]
    rows = layout.columns(listener, [a_pick(10)], Words(listener), "")
    assert 20 < len(rows) <= 42
    assert any(row.strip() == "…" for row in rows)


def test_rows_stay_within_the_width_whatever_the_source_and_the_names():
    listener = made_up(200, tasks=9, words="recv " + "x" * 300)
    marks = [a_pick(at, f"task-{at % 9 + 1}", f"task-{at % 5 + 1}") for at in range(10, 190, 9)]
    rows = layout.columns(listener, marks, Words(listener), "E" * 500)
    assert max(map(len, rows)) <= 120
    assert len(rows[1].split()) <= layout.COLUMNS_MAX


def test_what_cannot_be_printed_is_left_out_of_cells():
    listener = made_up(10, words="recv \x1b[31m\t\x00")
    rows = layout.columns(listener, [a_pick(5)], Words(listener), "bad\x07")
    assert all(row.isprintable() for row in rows)


def test_a_run_without_anything_to_show_has_no_columns():
    listener = Listener("lines")
    assert layout.columns(listener, [], Words(listener), "") == []


def test_of_a_very_long_run_the_newest_events_are_kept(monkeypatch):
    monkeypatch.setattr(listening, "EVENTS_MAX", 100)

    def long(sim):
        total = 0
        for number in range(1_000):
            total += number
        assert total < 0  # ends here

    with Runner(long, Options(preempt="lines")) as runner:
        teller = Teller()
        outcome = runner.run(0, (), prepare=teller.listen)
        story = teller.story(outcome.error, ())
    assert f"{line_with('ends here')} assert total < 0" in "\n".join(story.columns)
    assert len(teller._listener.events) <= 200
    assert teller._listener.count > 2_000


def test_files_of_the_same_name_are_told_apart():
    listener = Listener("lines")
    for folder in ("a", "b"):
        listener.events.append(Event(LINE, "main", (f"/{folder}/same.py", 1), "", 0))
    words = Words(listener)
    assert words.file("/a/same.py") != words.file("/b/same.py")


def test_tasks_of_the_same_name_are_told_apart():
    listener = Listener("lines")
    for path in ("server-1/handler-1", "server-2/handler-1", "main"):
        listener.events.append(Event(LINE, path, (__file__, 1), "", 0))
    words = Words(listener)
    assert [words.task(path) for path in ("server-1/handler-1", "server-2/handler-1", "main")] == ["server-1/handler-1", "server-2/handler-1", "main"]
