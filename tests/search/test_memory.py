"""Failures are kept, tried first next time, and dropped when they pass; what is kept can do no harm."""

from __future__ import annotations

import functools
import itertools

import pytest
from hypothesis.database import DirectoryBasedExampleDatabase, InMemoryExampleDatabase

import simsock
from simsock import UsageError
from simsock.choices import Token, tokens
from simsock.search.memory import Memory, name_of
from tests.search import programs

STATE = {"mended": False}


def race(sim) -> None:
    """The lost update, until it is mended."""
    (programs.kept_update if STATE["mended"] else programs.lost_update)(sim)


@pytest.fixture
def race_is_there():
    """It can be mended by ``STATE``, and is there again afterwards."""
    STATE["mended"] = False
    yield
    STATE["mended"] = False


def entries(folder):
    """What is in a folder, by this project's own names: the texts of the tokens."""
    return [path.read_text() for path in folder.rglob("*") if path.is_file() and path.read_bytes().startswith(b"simsock1.")]


class TestAFailure:
    """Of one search is known to the next."""

    def test_it_is_tried_before_the_first_schedule_and_is_the_same_one(self, tmp_path):
        first = simsock.explore(programs.lost_update, seed=3, database=tmp_path)
        second = simsock.explore(programs.lost_update, seed=3, database=tmp_path)
        assert not first.is_kept
        assert second.is_kept
        assert (second.failing_schedule, second.seed, second.token) == (first.failing_schedule, 3, first.token)
        assert second.orders == 0
        assert "schedule" in str(second)
        assert ", kept from an earlier search, raised AssertionError" in str(second)

    def test_another_seed_s_search_meets_it_too(self, tmp_path):
        found = simsock.explore(programs.lost_update, seed=3, database=tmp_path)
        assert simsock.explore(programs.lost_update, seed=4, database=tmp_path).token == found.token

    def test_nothing_is_kept_unless_a_database_is_given(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for database in (None, "none"):
            assert simsock.explore(programs.lost_update, database=database).failed
        assert list(tmp_path.iterdir()) == []

    def test_a_search_that_finds_nothing_makes_no_folder(self, tmp_path):
        assert simsock.explore(programs.kept_update, 20, database=tmp_path / "made").status == "inconclusive"
        assert not (tmp_path / "made").exists()

    @pytest.mark.usefixtures("race_is_there")
    def test_it_is_dropped_when_it_passes_and_the_search_begins_with_schedule_1(self, tmp_path):
        assert simsock.explore(race, database=tmp_path).failed
        assert len(entries(tmp_path)) == 1
        STATE["mended"] = True
        verdict = simsock.explore(race, 5, database=tmp_path)
        assert (verdict.status, verdict.schedules) == ("inconclusive", 5)
        assert "passes now" in str(verdict)
        assert entries(tmp_path) == []
        STATE["mended"] = False
        assert simsock.explore(race, database=tmp_path).failing_schedule == simsock.explore(race).failing_schedule

    def test_a_shorter_story_takes_its_place(self, tmp_path):
        long = simsock.explore(programs.lost_update, seed=1, shrink=False, database=tmp_path)
        short = simsock.explore(programs.lost_update, seed=1, database=tmp_path)
        assert short.is_kept
        kept = [len(Token.decode(text).deviations) for text in entries(tmp_path)]
        assert kept == [len(Token.decode(short.token).deviations)] < [len(Token.decode(long.token).deviations)]

    def test_of_jobs_and_of_one_process_is_one(self, tmp_path):
        found = simsock.explore(programs.lost_update, seed=3, jobs=2, database=tmp_path)
        assert simsock.explore(programs.lost_update, seed=3, database=tmp_path).token == found.token

    def test_of_a_search_through_all_schedules_it_is_repeated_from_its_seed(self, tmp_path):
        found = simsock.explore(programs.lost_update, strategy="dfs", database=tmp_path)
        kept = simsock.explore(programs.lost_update, strategy="dfs", database=tmp_path)
        assert (kept.is_kept, kept.failing_schedule, kept.token) == (True, found.failing_schedule, found.token)

    def test_any_database_of_hypothesis_will_do(self, tmp_path):
        for database in (InMemoryExampleDatabase(), DirectoryBasedExampleDatabase(tmp_path)):
            assert not simsock.explore(programs.lost_update, database=database).is_kept
            assert simsock.explore(programs.lost_update, database=database).is_kept

    def test_it_can_be_kept_without_being_tried(self, tmp_path):
        simsock.explore(programs.lost_update, seed=3, database=tmp_path)
        other = simsock.explore(programs.lost_update, seed=4, database=tmp_path, tries_kept=False)
        assert (other.is_kept, other.seed) == (False, 4)
        assert len(entries(tmp_path)) == 2

    def test_a_search_that_is_interrupted_while_it_shrinks_keeps_the_shortest_run_so_far(self, tmp_path):
        found = simsock.explore(programs.lost_update, seed=1, scope=programs.__file__).failing_schedule
        runs = itertools.count(1)

        def pressing(sim):
            if next(runs) == found + 3:
                raise KeyboardInterrupt
            programs.lost_update(sim)

        with pytest.raises(KeyboardInterrupt) as caught:
            simsock.explore(pressing, seed=1, scope=programs.__file__, database=tmp_path, target="x")
        [note] = caught.value.__notes__
        assert note.startswith("interrupted while a failure was shrunk: schedule ")
        with pytest.raises(AssertionError):
            simsock.replay(programs.lost_update, note.rpartition("token: ")[2])
        assert simsock.explore(programs.lost_update, seed=1, database=tmp_path, target="x").is_kept

    def test_a_search_that_is_interrupted_before_says_how_far_it_came(self):
        def presses(sim):
            counted.append(1)
            if len(counted) == 7:
                raise KeyboardInterrupt

        counted = []
        with pytest.raises(KeyboardInterrupt) as caught:
            simsock.explore(presses, 100)
        assert caught.value.__notes__ == ["interrupted after 6 schedules; none had failed"]


class TestWhatIsNotThisSearch:
    """Is passed over."""

    def test_a_failure_of_other_options_stays_and_is_not_tried(self, tmp_path):
        simsock.explore(programs.lossy, 200, link="flaky-wifi", preempt="calls", database=tmp_path)
        before = entries(tmp_path)
        assert len(before) == 1
        assert simsock.explore(programs.lossy, 3, database=tmp_path).status == "inconclusive"
        assert entries(tmp_path) == before
        assert simsock.explore(programs.lossy, 200, link="flaky-wifi", preempt="calls", database=tmp_path).is_kept

    def test_a_failure_of_another_test_is_not_met(self, tmp_path):
        simsock.explore(programs.lost_update, database=tmp_path)
        assert not simsock.explore(programs.check_then_act, database=tmp_path).is_kept

    def test_the_same_function_with_other_arguments_is_another_test(self):
        made = [name_of(functools.partial(programs.bump, 1)), name_of(functools.partial(programs.bump, 2)), name_of(programs.bump)]
        assert made == ["tests.search.programs:bump(1)", "tests.search.programs:bump(2)", "tests.search.programs:bump"]

    def test_entries_of_worlds_that_asked_other_questions_are_passed_over_in_silence(self, tmp_path, monkeypatch):
        simsock.explore(programs.lost_update, database=tmp_path)
        monkeypatch.setattr(tokens, "QUESTIONS", tokens.QUESTIONS + 1)
        verdict = simsock.explore(programs.kept_update, 2, database=tmp_path, target=name_of(programs.lost_update))
        assert (verdict.status, verdict.notes) == ("inconclusive", [])

    def test_an_entry_that_passes_on_another_python_stays(self, tmp_path):
        database = DirectoryBasedExampleDatabase(tmp_path)
        key = Memory(database, "x")._key
        token = Token("0/3", {"preempt": "lines", "max_steps": 200_000, "max_time_ns": 86_400 * 10**9, "schedule": 3}, [("main", 0, 1)], python="3.99")
        database.save(key, token.encode().encode())
        assert simsock.explore(programs.kept_update, 2, database=database, target="x").notes == []
        assert len(entries(tmp_path)) == 1

    @pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"not a token", b"simsock1.AAAA", b"simsock1." + b"A" * 100_000, b"\x1b[31mred"])
    def test_an_entry_that_is_no_token_is_harmless_and_told(self, text):
        database = InMemoryExampleDatabase()
        database.save(Memory(database, "x")._key, text)
        verdict = simsock.explore(programs.lost_update, database=database, target="x")
        assert verdict.failed
        assert not verdict.is_kept
        [note] = [note for note in verdict.notes if "cannot be read and is passed over" in note]
        assert note.isprintable()

    def test_a_folder_that_cannot_be_written_costs_a_sentence(self, tmp_path):
        (tmp_path / "file").write_text("")
        verdict = simsock.explore(programs.lost_update, database=tmp_path / "file" / "under")
        assert verdict.failed
        assert "failures cannot be kept in" in str(verdict)

    def test_a_database_that_raises_costs_a_sentence(self):
        class Broken(InMemoryExampleDatabase):
            def fetch(self, key):
                raise ConnectionError("nobody there")

        assert "ConnectionError: nobody there" in str(simsock.explore(programs.kept_update, 2, database=Broken()))

    @pytest.mark.parametrize("database", [3, True, object(), InMemoryExampleDatabase, ""])
    def test_what_is_no_database_is_refused(self, database):
        with pytest.raises(UsageError, match="database: expected a folder, 'none' or one of Hypothesis's ExampleDatabase"):
            simsock.explore(programs.kept_update, 2, database=database)

    def test_a_file_is_no_folder(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(UsageError, match="expected a folder"):
            simsock.explore(programs.kept_update, 2, database=tmp_path / "file")
