"""Reports of many runs in one: exact where it can be, and of a bounded size."""

import pickle
import random

from simsock.clients import Outcome, Report
from simsock.clients.tally import TIMES_MAX, Tally


def report(*times, title="polite", result="served"):
    return Report({title: [Outcome(title, result, b"", time) for time in times]})


def tally_of(reports):
    tally = Tally()
    for one in reports:
        tally.add(one)
    return tally


def test_the_rows_of_many_runs_are_those_of_one_run_with_all_their_clients():
    source = random.Random(1)
    runs = [[source.randrange(1, 400) / 100 for _ in range(source.randrange(1, 8))] for _ in range(200)]
    tally = tally_of(report(*times) for times in runs)
    assert tally.runs == 200
    assert tally.rows() == report(*(time for times in runs for time in times)).rows()


def test_results_are_counted_by_kind_in_the_order_of_the_first_report():
    both = Report({"b": [Outcome("b", "reset", seconds=2.0)], "a": [Outcome("a", "served", seconds=1.0)]})
    tally = tally_of([both, report(3.0, title="a", result="left"), both])
    assert [(row.kind, row.count, row.results["reset"], row.results["served"], row.results["left"]) for row in tally.rows()] == [
        ("b", 2, 2, 0, 0),
        ("a", 3, 0, 2, 1),
    ]


def test_no_runs_have_no_rows():
    assert (Tally().runs, Tally().rows()) == (0, [])


def many(count):
    """Reports with a time of its own for each client, and the times in order."""
    times = [round(1 + number / 7_000, 9) for number in range(count)]
    mixed = times[:]
    random.Random(2).shuffle(mixed)
    return [report(*mixed[place : place + 10]) for place in range(0, count, 10)], times


def test_times_stay_exact_up_to_a_limit_and_have_three_digits_from_then_on():
    reports, times = many(TIMES_MAX)
    assert tally_of(reports).rows() == report(*times).rows()
    reports, times = many(TIMES_MAX + 10)
    tally = tally_of(reports)
    ((row,), (exact,)) = tally.rows(), report(*times).rows()
    assert (row.count, row.min, row.max) == (exact.count, exact.min, exact.max)
    assert row.median == float(f"{exact.median:.3g}") != exact.median
    assert abs(row.p99 - exact.p99) <= 0.005
    assert len(tally._kinds["polite"].times) < 1_000


def test_the_parts_and_their_order_do_not_matter_once_merged():
    for count in (2_000, TIMES_MAX + 10, 3 * TIMES_MAX):
        reports, _ = many(count)
        whole = tally_of(reports).rows()
        for order in (1, -1):
            parts = [pickle.loads(pickle.dumps(tally_of(reports[start::3]))) for start in range(3)][::order]
            merged = Tally()
            for part in parts:
                merged.merge(part)
            assert merged.rows() == whole
            assert merged.runs == len(reports)
