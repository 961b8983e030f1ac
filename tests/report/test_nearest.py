"""A story shows where the failing run leaves the nearest run that passes."""

from __future__ import annotations

import linecache
from types import SimpleNamespace

import pytest

import simsock
from simsock.report.columns import WIDTH
from simsock.report.listening import FAILURE, LINE, RECORD, Event, Listener
from simsock.report.nearest import ROWS_MAX, beside, nearest_passing, without_one
from simsock.report.story import Words

HERE = __file__


def lost_update(sim):
    shared = SimpleNamespace(value=0)

    def add():
        seen = shared.value
        shared.value = seen + 1

    for task in [sim.spawn(add), sim.spawn(add)]:
        task.result()
    assert shared.value == 2


def line_of(text):
    return next(number for number in range(1, 100) if linecache.getline(HERE, number).strip() == text)


def test_one_switch_shows_who_went_on_in_each_of_the_two():
    story = simsock.explore(lost_update, 100).story
    reads, writes = line_of("seen = shared.value"), line_of("shared.value = seen + 1")
    title, heads, first, *_ = story.beside
    assert title == "where it leaves the nearest run that passes:"
    assert heads.split("   ")[0].strip() == "this run" and heads.endswith("the nearest run that passes")
    ours, theirs = (part.strip() for part in first.split("   ") if part.strip())
    assert ours.endswith(f"{HERE.rpartition('/')[2]}:{reads} seen = shared.value"), "the other task reads before"
    assert theirs.endswith(f"{HERE.rpartition('/')[2]}:{writes} shared.value = seen + 1"), "the task itself writes first"
    assert ours.split()[0] != theirs.split()[0]
    assert story.text().endswith("\n".join(story.beside))


def test_what_fails_in_the_plain_schedule_has_no_run_beside_it():
    def fails(sim):
        raise ValueError("at once")

    assert simsock.explore(fails, 10).story.beside == []


def test_a_failure_that_was_not_shrunk_has_none_either():
    """Without one of many deviations it would say little."""
    assert simsock.explore(lost_update, 100, shrink=False).story.beside == []


def test_the_runs_without_one_deviation_are_tried_from_the_last_on():
    assert list(without_one(("a", "b"))) == [("a",), ("b",)]
    assert list(without_one(tuple("abcde"))) == [tuple("abcd"), tuple("abce"), tuple("abde")]
    assert list(without_one(())) == []
    assert nearest_passing(tuple("abc"), lambda run: run if run == ("a", "c") else None) == ("a", "c")
    assert nearest_passing(tuple("abc"), lambda run: None) is None


def notes(*events, dropped=0):
    listener = Listener("lines")
    listener.events = [Event(kind, task, ("nowhere.py", number) if number else None, words, now) for now, (kind, task, number, words) in enumerate(events)]
    listener.dropped = dropped
    return listener


def lines(numbers, task="main"):
    return [(LINE, task, number, "") for number in numbers]


def shown(failing, passing, ending="ValueError"):
    return [[part.strip() for part in row.split("   ") if part.strip()] for row in beside(failing, passing, Words(failing, passing), ending)[2:]]


def test_two_runs_part_at_the_first_event_that_differs_and_a_few_rows_are_shown():
    rows = shown(notes(*lines(range(1, 60))), notes(*lines(range(1, 40)), *lines(range(1, 30), "other")))
    assert len(rows) == ROWS_MAX
    assert [row[0].split()[1].rpartition(":")[2] for row in rows] == ["40", "41", "42", "43"]
    assert [row[1].split()[0] for row in rows] == ["other"] * ROWS_MAX


def test_a_run_that_ends_there_says_how_and_one_that_goes_on_does_not():
    assert shown(notes(*lines([1])), notes(*lines([1, 2])))[0][0] == "ValueError"
    assert all("ValueError" not in part for row in shown(notes(*lines(range(1, 9))), notes(*lines([1]))) for part in row)


@pytest.mark.parametrize("dropped", [0, 7])
def test_runs_of_which_the_oldest_events_were_forgotten_are_compared_from_where_both_are_known(dropped):
    whole = lines(range(1, 30))
    assert shown(notes(*whole[dropped:], *lines([40]), dropped=dropped), notes(*whole, *lines([50])))[0][1].rpartition(":")[2].startswith("50")


def test_runs_that_differ_in_nothing_but_time_show_nothing():
    one, other = notes(*lines([1, 2])), notes(*lines([1, 2]))
    other.events = [event._replace(now=event.now + 5) for event in other.events]
    assert beside(one, other, Words(one), "") == []


def test_failed_calls_are_shown_and_bookkeeping_is_not_and_no_row_is_too_wide():
    failing = notes((RECORD, "main", 0, "(ends)"), (FAILURE, "main", 3, "connect fails: ECONNREFUSED " + "x" * 200))
    rows = beside(failing, notes(), Words(failing), "")
    assert "ECONNREFUSED" in rows[2] and "(ends)" not in "".join(rows)
    assert all(len(row) <= WIDTH for row in rows)
