"""The mutations themselves: what is changed, what is left alone, and that a seed draws the same."""

from __future__ import annotations

import ast
import json
import time

import pytest

from tests.mutations import __main__ as command
from tests.mutations import drawing, noticing
from tests.mutations.noticing import Lines, Verdict
from tests.mutations.operators import mutations_of, short

SOURCE = '''"""Says something."""
LIMIT = 3

def late(now: int, deadline: int = 5) -> bool:
    """Says something, too."""
    total = 0
    if not now or deadline <= now:
        total += LIMIT
    if total < 0:
        raise ValueError(f"{total + 1}")
    return min(total, now) > 1
'''


def told(source=SOURCE):
    return [f"{short(one.old)} -> {short(one.new)}" for one in mutations_of("some.py", source)]


def test_comparisons_conditions_numbers_calls_and_statements_are_changed():
    assert set(told()) == {
        "LIMIT = 3 -> pass",
        "3 -> 4",
        "5 -> 6",
        "total = 0 -> pass",
        "0 -> 1",
        "not now -> (now)",
        "not now or deadline <= now -> (not now and deadline <= now)",
        "not now or deadline <= now -> (not now)",
        "not now or deadline <= now -> (deadline <= now)",
        "deadline <= now -> (deadline < now)",
        "total += LIMIT -> pass",
        "total < 0 -> (total <= 0)",
        "min(total, now) > 1 -> (min(total, now) >= 1)",
        "min(total, now) -> (max(total, now))",
        "1 -> 2",
    }


def test_every_mutation_of_a_real_file_is_python_and_differs():
    path = drawing.ROOT / "simsock" / "kernel" / "timers.py"
    whole = path.read_bytes()
    every = mutations_of("simsock/kernel/timers.py", whole.decode())
    assert len(every) > 30
    for one in every:
        changed = whole[: one.start] + one.new.encode() + whole[one.end :]
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(whole))


def test_a_mutation_knows_the_lines_of_its_statement_and_outside_of_functions_what_it_names():
    found = {short(one.old): (one.lines, one.names) for one in mutations_of("some.py", SOURCE)}
    assert found["LIMIT = 3"] == found["3"] == ((2, 2), ("LIMIT",))
    assert found["5"] == ((4, 4), ("late",))
    assert found["deadline <= now"] == ((7, 7), ())
    long = mutations_of("some.py", "def some(a, b):\n    if (\n        a\n        and b > 1\n    ):\n        return a\n    return b + 1\n")
    assert {one.lines for one in long if one.old == "b > 1"} == {(2, 4)}
    assert {one.lines for one in long if one.old == "1"} == {(2, 4), (7, 7)}
    assert [one.nth for one in long if one.old == "1"] == [0, 1]


def test_the_same_seed_draws_the_same_and_more_of_them_after_the_first():
    every = drawing.candidates(["kernel/timers", "net/tcp/congestion"], None)
    few, more = drawing.draw(every, 9, 5), drawing.draw(list(reversed(every)), 12, 5)
    assert len(set(few)) == 9 and more[:9] == few
    assert drawing.draw(every, 9, 6) != few


def test_what_is_drawn_of_a_file_does_not_depend_on_the_others():
    both = drawing.draw(drawing.candidates(["kernel/timers", "net/tcp/congestion"], None), 30, 5)
    alone = drawing.draw(drawing.candidates(["kernel/timers"], None), 30, 5)
    drawn = [one for one in both if "timers" in one.path]
    assert drawn and drawn == alone[: len(drawn)]


def test_every_file_of_a_room_has_tests_that_are_there():
    for prefix in noticing.TESTS:
        found = noticing.tests_for(prefix)
        assert found and all((drawing.ROOT / name).exists() for name in found), prefix


def test_the_tests_that_import_a_module_and_name_what_it_defines_come_first():
    assert noticing.nearest_first("simsock/net/tcp/congestion.py")[0] == "tests/net/tcp/test_congestion.py"
    assert noticing.nearest_first("simsock/kernel/timers.py")[0] == "tests/kernel/test_timers.py"
    every = noticing.nearest_first("simsock/choices/tape.py")
    assert every[0] == "tests/choices/test_tape.py" and len(every) == len(set(every)) and "tests/search/test_explore.py" in every


def test_what_changes_nothing_is_still_there():
    assert drawing.rows_found() == drawing.CHANGES_NOTHING.keys()


def test_a_row_of_what_changes_nothing_may_name_its_statement_and_is_not_tried(pretended, monkeypatch, capsys):
    monkeypatch.setattr(drawing, "CHANGES_NOTHING", {"simsock/kernel/timers.py: 1 -> 2 in self._dead += 1": "an example"})
    every = drawing.candidates(["kernel/timers"], None)
    idle = [one for one in every if drawing.row_of(one)]
    assert {one.statement for one in idle} == {"self._dead += 1"} and {one.old for one in idle} == {"1"}
    command.main(["kernel/timers", "--count", "1000", "--list"])
    text = capsys.readouterr().out
    assert text.startswith(f"{len(every)} of {len(every)} mutations, seed 2026; {len(idle)} of them change nothing\n")
    assert len(text.splitlines()) == 1 + len(every) - len(idle)


def lines(folder, tests):
    """Written as the plugin writes them: {a test: (how long it takes, {a file: lines})}."""
    folder.joinpath("tests+test_some.py.json").write_text(json.dumps(tests))
    return Lines(folder)


def test_the_tests_that_execute_a_line_are_known_and_the_most_telling_come_first(tmp_path):
    path = "simsock/kernel/timers.py"
    one = next(one for one in drawing.candidates(["kernel/timers"], None) if one.old == "self._dead += 1")
    known = lines(
        tmp_path,
        {
            "tests/test_some.py::test_elsewhere": (0.01, {path: [one.line - 1], "simsock/net/pipes.py": [one.line]}),
            "tests/test_some.py::test_slow": (9.0, {path: [one.line]}),
            "tests/test_some.py::test_more": (0.01, {path: [one.line, one.line + 1, one.line + 2]}),
            "tests/test_some.py::test_fast": (0.01, {path: [one.line]}),
        },
    )
    assert [test.partition("::")[2] for test in known.executing(one)] == ["test_more", "test_fast", "test_slow"]


def test_what_runs_at_import_is_executed_where_its_name_is_used(tmp_path):
    path = "simsock/kernel/timers.py"
    limit = next(one for one in drawing.candidates(["kernel/timers"], None) if one.names == ("_COMPACT_OVER",))
    used = next(number for number, line in enumerate((drawing.ROOT / path).read_text().splitlines(), 1) if "self._dead > _COMPACT_OVER" in line)
    known = lines(tmp_path, {"tests/test_some.py::test_uses_it": (0.01, {path: [used]}), "tests/test_some.py::test_does_not": (0.01, {path: [used + 1]})})
    assert known.executing(limit) == ["tests/test_some.py::test_uses_it"]


class Pretended:
    """Instead of a copy of the project: no test notices that a statement is left out."""

    tried = []

    def attempt(self, mutation, lines, end, whole):
        self.tried.append(mutation)
        return Verdict(mutation.new != "pass", "test_some")

    def stop(self):
        pass

    def remove(self):
        self.tried.clear()


@pytest.fixture
def pretended(monkeypatch):
    monkeypatch.setattr(command, "Copy", Pretended)
    return Pretended.tried


def test_survivors_are_told_and_the_exit_code_says_so(pretended, monkeypatch, capsys):
    assert command.main(["kernel/timers", "--count", "1000"]) == 1
    text = capsys.readouterr().out
    assert "survives: simsock/kernel/timers.py:" in text and "self._dead = 0 -> pass" in text
    monkeypatch.setattr(Pretended, "attempt", lambda *_: Verdict(True))
    assert command.main(["kernel/timers", "--count", "5"]) == 0
    assert "5 noticed, 0 survive" in capsys.readouterr().out
    assert command.main(["kernel/timers", "--count", "5", "--from", "3"]) == 0
    assert "2 noticed, 0 survive" in capsys.readouterr().out
    assert command.main(["kernel/timers", "--count", "5", "--minutes", "0"]) == 0
    assert "5 left when the time was over" in capsys.readouterr().out


def test_a_run_that_was_interrupted_goes_on_where_it_was(pretended, monkeypatch, tmp_path, capsys):
    kept, tried = str(tmp_path / "verdicts"), []
    attempt = Pretended.attempt

    def interrupted(self, mutation, *others):
        if len(tried) == 7:
            raise KeyboardInterrupt
        tried.append(mutation)
        return attempt(self, mutation, *others)

    monkeypatch.setattr(Pretended, "attempt", interrupted)
    with pytest.raises(KeyboardInterrupt):
        command.main(["kernel/timers", "--count", "12", "--verdicts", kept])
    first, tried[:] = list(tried), []
    command.main(["kernel/timers", "--count", "12", "--verdicts", kept])
    assert len(tried) == 5 and not set(first) & set(tried)
    capsys.readouterr()
    command.main(["kernel/timers", "--count", "12", "--verdicts", kept])
    assert len(tried) == 5 and "12 mutations" not in capsys.readouterr().err


@pytest.fixture
def copy(tmp_path):
    """A project of one file."""
    path = tmp_path / "simsock" / "kernel" / "some.py"
    path.parent.mkdir(parents=True)
    path.write_text("def some():\n    return 1\n\n\ndef other():\n    return 2\n")
    made = object.__new__(noticing.Copy)
    made.place = tmp_path
    return made


def test_a_mutation_is_made_tried_and_taken_back(copy, tmp_path, monkeypatch):
    path = tmp_path / "simsock" / "kernel" / "some.py"
    before, stat = path.read_text(), path.stat()
    one, two = (mutation for mutation in mutations_of("simsock/kernel/some.py", before) if mutation.old in "12")
    seen = []

    def run(files, tests, *others):
        seen.append((files, tests, path.read_text(), path.stat().st_mtime_ns))
        return Verdict("return 2\n\n" in path.read_text())

    monkeypatch.setattr(copy, "run", run)
    monkeypatch.setattr(noticing, "nearness_of", lambda path: {"every": (True, True, 0)})
    known = lines(tmp_path, {"tests/test_some.py::test_one": (0.01, {"simsock/kernel/some.py": [2]})})
    assert copy.attempt(one, known).noticed
    assert copy.attempt(two, known) == Verdict(False, "0 of 0 tests that execute it were run and 1 files")
    assert [each[:2] for each in seen] == [(["tests/test_some.py"], ["tests/test_some.py::test_one"]), (["every"], None)]
    assert [each[2] for each in seen] == [before.replace("return 1", "return 2"), before.replace("return 2", "return 3")]
    assert len({each[3] for each in seen} | {stat.st_mtime_ns}) == 3, "bytecode of one would be taken for the other's"
    assert path.read_text() == before and path.stat().st_mtime_ns == stat.st_mtime_ns


def test_tests_that_do_not_end_have_noticed_and_files_that_take_too_long_have_not(copy, tmp_path, monkeypatch):
    [one] = (mutation for mutation in mutations_of("simsock/kernel/some.py", (tmp_path / "simsock/kernel/some.py").read_text()) if mutation.old == "1")
    known = lines(tmp_path, {f"tests/test_some.py::test_{number}": (0.01, {"simsock/kernel/some.py": [2]}) for number in range(5)})
    monkeypatch.setattr(noticing, "nearness_of", lambda path: {"near": (False, True, 0), "far": (True, True, 0)})
    monkeypatch.setattr(copy, "run", lambda files, tests, *others: Verdict(None))
    assert copy.attempt(one, known) == Verdict(True, "it does not end")
    assert copy.attempt(one, known, end=0) == Verdict(None)
    asked = []
    monkeypatch.setattr(copy, "run", lambda files, tests, *others: Verdict(False) if tests else asked.append(files) or Verdict(None))
    assert copy.attempt(one, known) == Verdict(False, "5 of 5 tests that execute it were run and what there was time for of 1 files")
    assert copy.attempt(one, Lines(None)) == Verdict(False, "0 of 0 tests that execute it were run and what there was time for of 2 files")
    assert asked == [["near"], ["near", "far"]]


@pytest.mark.slow
def test_the_chosen_tests_run_in_a_copy_and_the_first_that_fails_is_told():
    name, path = "tests/kernel/test_timers.py", "simsock/kernel/timers.py"
    one = next(one for one in drawing.candidates(["kernel/timers"], None) if short(one.old) == "self._dead = 0" and one.nth == 1)
    copy = noticing.Copy()
    try:
        end = time.monotonic() + 600
        assert copy.run([name], None, end) == Verdict(False)
        text = (copy.place / path).read_bytes()
        (copy.place / path).write_bytes(text[: one.start] + b"pass" + text[one.end :])
        assert copy.run([name], [f"{name}::test_few_cancelled_ones_stay_where_they_are"], end) == Verdict(False)
        assert copy.run([name], None, end) == Verdict(True, f"{name}::test_cancelled_ones_never_outnumber_the_live_for_long")
        (copy.place / path).write_text("while True:\n    pass\n")
        assert copy.run([name], None, time.monotonic() + 3) == Verdict(None)
    finally:
        copy.remove()
    assert not copy.place.exists()
