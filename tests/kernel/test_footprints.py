"""What a line touches: read off its bytecode, the same on every Python, and off what its names stand for when it is about to run."""

from __future__ import annotations

import collections
import pathlib
import queue
import sys
import threading

import pytest

import simsock
from simsock.kernel.footprints import _FOREIGN_CODE, _UNKNOWN, ITEMS, OPAQUE, common, footprint_of, meet, mentions_aliases, static_attribute

TOTAL = 0
TABLE: dict[str, int] = {}


class Account:
    rate = 2

    def __init__(self):
        self.balance = 0
        self.lock = threading.Lock()
        self.lines = []
        self.orders = queue.Queue()
        self.ready = threading.Event()

    def pay(self):
        self.balance = 1

    @property
    def doubled(self):
        return self.balance * 2


class Strange:
    """As a library's class is, when only the test's own file is in scope."""


def line_of(function, nth=1):
    return function.__code__.co_firstlineno + nth


def static(function, nth=1):
    return footprint_of(function.__code__, line_of(function, nth))


def reads(*names):
    return {(name, "r") for name in names}


def writes(*names):
    return {(name, "w") for name in names}


# -- off the bytecode alone ----------------------------------------------------------------------------------------------------------------


def stores_an_attribute(account):
    account.balance = 1


def loads_an_attribute(account):
    return account.balance


def adds_to_a_global(account):
    global TOTAL
    TOTAL = TOTAL + 1


def stores_an_item(account):
    TABLE["a"] = 1


def loads_an_item(account):
    return TABLE["a"]


def deletes_an_item(account):
    del TABLE["a"]


def changes_a_list(account):
    account.lines.append(1)


def looks_at_a_list(account):
    return account.lines.count(1)


def moves(account):
    mine = account
    return mine


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (stores_an_attribute, writes("balance")),
        (loads_an_attribute, reads("balance")),
        (stores_an_item, reads("TABLE") | writes(ITEMS)),
        (loads_an_item, reads("TABLE", ITEMS)),
        (deletes_an_item, reads("TABLE") | writes(ITEMS)),
        (changes_a_list, reads("lines", "append") | writes(ITEMS)),
        (looks_at_a_list, reads("lines", "count", ITEMS)),
        (moves, set()),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_names_are_read_off_the_bytecode(function, expected):
    assert static(function) == expected


def test_a_global_is_read_and_written():
    assert static(adds_to_a_global, 2) >= reads("TOTAL") | writes("TOTAL")


def test_a_variable_that_functions_share_has_a_name_of_its_own():
    number = 0

    def add():
        nonlocal number
        number = number + 1

    assert static(add, 2) >= reads("cell number") | writes("cell number")
    assert number == 0


def test_an_instruction_is_a_place_as_well():
    code = stores_an_attribute.__code__
    found = [footprint_of(code, offset, by_line=False) for offset in range(0, len(code.co_code), 2)]
    assert [sorted(each) for each in found if each] == [[("balance", "w")]]


# -- off what the names stand for ----------------------------------------------------------------------------------------------------------


def with_the_lock(account):
    with account.lock:
        pass


def acquires(account):
    account.lock.acquire()
    account.lock.release()


def sets_an_event(account):
    account.ready.set()


def puts(account):
    account.orders.put(1)


def calls_its_own(account):
    account.pay()


def calls_a_library(account):
    return pathlib.PurePath("a")


def calls_a_library_s_method(account):
    counted = collections.Counter()
    counted.update("a")


def adds_numbers(account):
    account.balance += 1


def adds_lists(account):
    account.lines += [1]


def counts(account):
    number = 3
    number += 1
    return f"{number}"


def looks_at_a_property(account):
    return account.doubled


def calls_the_unknown(account):
    return account.lines[0].strike()


def calls_an_item(account):
    return account.lines[0](account.balance)


def calls_with_an_item(account):
    account.pay(account.lines[0].balance)


def seen(function, account):
    """The footprints of a function's lines as it runs, those of its frame alone."""
    found = {}

    def trace(frame, event, argument):
        if frame.f_code is function.__code__:
            if event == "line":
                nth = frame.f_lineno - function.__code__.co_firstlineno
                found.setdefault(nth, footprint_of(frame.f_code, frame.f_lineno, frame, in_scope=lambda filename: filename == __file__))
            return trace
        return None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(account)
    except (AttributeError, IndexError):
        pass
    finally:
        sys.settrace(before)
    return found


def test_locks_are_known_by_their_own_names():
    with simsock.Simulation():
        account, other = Account(), Account()
        first, second = seen(with_the_lock, account)[1], seen(with_the_lock, other)[1]
        assert first == seen(acquires, account)[1] - reads("acquire")
        assert "Lock-1" in common(first, first)
        assert not meet(first, second), "two locks"


def test_what_stands_on_a_lock_is_known_by_it():
    with simsock.Simulation():
        account = Account()
        assert meet(seen(sets_an_event, account)[1], seen(sets_an_event, account)[1])
        assert meet(seen(puts, account)[1], seen(puts, account)[1])
        assert not meet(seen(puts, account)[1], seen(sets_an_event, account)[1])


@pytest.mark.parametrize(
    ("function", "nth", "expected"),
    [
        (calls_its_own, 1, reads("pay")),
        (calls_a_library, 1, reads("pathlib", "PurePath") | {OPAQUE}),
        (adds_numbers, 1, reads("balance") | writes("balance")),
        (counts, 2, set()),
        (counts, 3, set()),
        (changes_a_list, 1, reads("lines", "append") | writes(ITEMS)),
        (looks_at_a_property, 1, reads("doubled")),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_calls_and_operators_are_told_by_what_they_are_applied_to(function, nth, expected):
    assert seen(function, Account())[nth] == expected


def test_what_cannot_be_followed_meets_everything():
    for function, nth in ((calls_a_library_s_method, 1), (calls_the_unknown, 1), (calls_an_item, 1)):
        assert OPAQUE in seen(function, Account())[nth], function.__name__
    assert OPAQUE not in seen(calls_with_an_item, Account())[1]
    assert meet({OPAQUE}, reads("balance"))
    assert common(reads("balance", "rate"), {OPAQUE}) == ["balance", "rate"]


def test_lists_that_are_added_to_in_place_are_written():
    assert seen(adds_lists, Account())[1] >= writes(ITEMS, "lines")


def test_readers_do_not_meet():
    assert not meet(reads("a", "b"), reads("a"))
    assert common(reads("a", "b"), writes("b", "c")) == ["b"]
    assert not meet(writes("a"), writes("b"))


def test_ways_around_names_are_noticed():
    def by_dict(account):
        return account.__dict__

    assert mentions_aliases(by_dict.__code__)
    assert not mentions_aliases(counts.__code__)


def test_looking_runs_nothing_of_the_program():
    asked = []

    class Nosy:
        def __getattr__(self, name):
            asked.append(name)
            return 1

        def __eq__(self, other):
            asked.append("==")
            return True

        __hash__ = None

    def looks(nosy):
        return nosy.value == nosy

    code = looks.__code__
    found = []

    def trace(frame, event, argument):
        if frame.f_code is code:
            if event == "line":
                before = list(asked)
                found.append(footprint_of(code, frame.f_lineno, frame, in_scope=lambda filename: filename == __file__))
                assert asked == before
            return trace
        return None

    before = sys.gettrace()
    sys.settrace(trace)
    looks(Nosy())
    sys.settrace(before)
    assert found[0] >= reads("value")


class Kind(type):
    """As ``ABCMeta`` is: not one of the builtins."""


class Shape(metaclass=Kind):
    sides = 4


class Odd:
    def __getattribute__(self, name):
        return 5


def test_looking_up_an_attribute_of_a_class_is_not_taken_for_code_of_the_program_whatever_its_metaclass():
    assert static_attribute(Shape, "sides") is static_attribute(Account, "rate") is _UNKNOWN
    assert static_attribute(Odd(), "sides") is _FOREIGN_CODE
    assert static_attribute(Account(), "rate") == 2
