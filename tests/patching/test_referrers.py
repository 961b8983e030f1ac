"""Who refers to something, asked in the fast way: the answer is that of the slow one."""

from __future__ import annotations

import gc
import sys

import pytest

from simsock.patching import referrers
from simsock.patching.referrers import addresses, of_kinds, referrers_of


class Thing:
    pass


class Strange(type):
    """A metaclass whose classes must not be compared."""

    def __hash__(cls):
        raise AssertionError("hashed")

    def __eq__(cls, other):
        raise AssertionError("compared")


@pytest.mark.parametrize("count", [0, 1, 3, 4, 9])
def test_the_holders_are_those_that_python_says(monkeypatch, count):
    monkeypatch.setattr(referrers, "_FEW", 3)
    asked = [Thing() for _ in range(count)]
    kept = []
    for number, thing in enumerate(asked):
        holder = Thing()
        holder.thing = thing
        kept.append((holder, [thing] if number % 2 else {"thing": thing}, (thing, None), lambda thing=thing, other=None: thing))
    expected = set()
    for thing in asked:
        expected |= {id(holder) for holder in gc.get_referrers(thing) if holder is not asked and not (type(holder) is tuple and len(holder) == 1)}
    assert len(expected) >= 4 * count
    assert {id(holder) for holder in referrers_of(asked)} == expected
    del kept


def test_containers_of_the_caller_are_left_out():
    asked = [Thing() for _ in range(2 * referrers._FEW)]
    other = list(asked)
    assert other in referrers_of(asked)
    assert not any(holder is other for holder in referrers_of(asked, other))


@pytest.mark.parametrize("few", [0, 64])
def test_a_tuple_that_is_being_made_is_no_holder_yet(monkeypatch, few):
    monkeypatch.setattr(referrers, "_FEW", few)
    thing = Thing()
    whole = (thing, None)

    def parts():
        yield thing
        half = [holder for holder in gc.get_referrers(thing) if type(holder) is tuple and holder is not whole and len(holder) > 1]
        if not half:
            pytest.skip("this Python makes tuples in another way")
        del half
        yield [holder for holder in referrers_of([thing]) if type(holder) is tuple]

    assert [len(found) for found in tuple(parts())[1:]] == [1]


def test_addresses_are_what_id_says():
    objects = [None, 1, "text", Thing(), Thing, sys, (), 2**70]
    assert addresses(objects) == list(map(id, objects))
    assert addresses([]) == []


def test_kinds_are_told_by_identity_and_not_compared():
    class Odd(metaclass=Strange):
        pass

    objects = [Odd(), Thing(), 1, Odd(), True]
    assert [objects.index(found) for found in of_kinds(objects, (Odd, int))] == [0, 2, 3]
    assert list(of_kinds([], (int,))) == []


@pytest.mark.skipif(sys.version_info[:2] != (3, 12), reason="of 3.12 alone")
def test_asyncio_s_module_in_c_which_tells_of_what_is_free_is_not_asked():
    import _asyncio

    assert any(one is _asyncio for one in gc.get_objects())
    assert not any(one is _asyncio for one in referrers._objects())
