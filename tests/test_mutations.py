"""The mutations themselves: what is changed, what is left alone, and that a seed draws the same."""

from __future__ import annotations

import ast
import random

from tests import mutations

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
    return [f"{mutations._short(one.old)} -> {mutations._short(one.new)}" for one in mutations.mutations_of("some.py", source)]


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
    path = mutations.ROOT / "simsock" / "kernel" / "timers.py"
    whole = path.read_bytes()
    every = mutations.mutations_of("simsock/kernel/timers.py", whole.decode())
    assert len(every) > 30
    for one in every:
        changed = whole[: one.start] + one.new.encode() + whole[one.end :]
        assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(whole))


def test_the_same_seed_draws_the_same():
    every = mutations.candidates(["kernel/timers", "net/tcp/congestion"], None)
    assert random.Random(5).sample(every, 9) == random.Random(5).sample(mutations.candidates(["kernel/timers", "net/tcp/congestion"], None), 9)


def test_every_file_of_a_room_has_tests_that_are_there():
    for prefix in mutations.TESTS:
        found = mutations.tests_for(prefix)
        assert found and all((mutations.ROOT / name).exists() for name in found), prefix


def test_what_changes_nothing_is_still_there():
    rows, mutations.CHANGES_NOTHING = mutations.CHANGES_NOTHING, {}
    try:
        every = {str(one) for room in ("net", "kernel", "socketserver", "choices", "patching") for one in mutations.candidates([room], None)}
        assert rows.keys() <= every
    finally:
        mutations.CHANGES_NOTHING = rows


def test_survivors_are_told_and_the_exit_code_says_so(monkeypatch, capsys):
    monkeypatch.setattr(mutations, "copy_of_the_project", lambda: mutations.ROOT / "nowhere")
    monkeypatch.setattr(mutations, "survives", lambda mutation, place: mutation.new == "pass")
    assert mutations.main(["kernel/timers", "--count", "1000"]) == 1
    text = capsys.readouterr().out
    assert "survives: simsock/kernel/timers.py:" in text and "self._dead = 0 -> pass" in text
    monkeypatch.setattr(mutations, "survives", lambda mutation, place: False)
    assert mutations.main(["kernel/timers", "--count", "5"]) == 0
    assert "5 noticed, 0 survive" in capsys.readouterr().out
    assert mutations.main(["kernel/timers", "--count", "5", "--minutes", "0"]) == 0
    assert "5 left when the time was over" in capsys.readouterr().out
