"""Who refers to something, asked in the fast way: the answer is that of the slow one."""

from __future__ import annotations

import gc
import sys

import pytest

from simsock.patching import referrers
from simsock.patching.referrers import addresses, common_kinds, of_kinds, referrers_of


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


class Meanwhile:
    """A profile function, as far as another OS thread can be told of: it lets go of something where Python runs a line of simsock's."""

    def __init__(self, spare):
        self.spare = spare

    def __call__(self, frame, event, argument):
        if event == "c_return" and frame.f_code.co_filename == referrers.__file__ and self.spare:
            self.spare.pop()


def test_that_somebody_lets_go_of_something_meanwhile_hides_no_holder(monkeypatch):
    """Another OS thread, say, which cannot be kept waiting for as long as the search of a large process takes."""
    monkeypatch.setattr(referrers, "_FEW", 3)
    monkeypatch.setattr(referrers, "_BY_COUNTS", (1,))
    asked = [Thing() for _ in range(5)]
    holders = [Thing() for _ in range(5)]
    for one, holder in zip(asked, holders, strict=True):
        holder.thing = one
    monkeypatch.setattr(referrers, "tracked_objects", lambda: [Thing(), *holders, Thing()])
    for number in range(1, 30):  # so many are let go, one at each event
        spare = [asked[0]] * number
        sys.setprofile(Meanwhile(spare))
        try:
            found = referrers_of(asked)
        finally:
            sys.setprofile(None)
        assert [holder for holder in found if holder in holders] == holders, number


def test_that_an_object_ends_meanwhile_hides_none_of_its_kind(monkeypatch):
    monkeypatch.setattr(referrers, "_BY_COUNTS", (1,))
    for number in range(1, 30):
        spare = [Meanwhile([]) for _ in range(number)]
        objects = [1, Meanwhile([]), "text", Meanwhile([]), None]
        sys.setprofile(Meanwhile(spare))
        try:
            found = list(of_kinds(objects, (Meanwhile,)))
        finally:
            sys.setprofile(None)
        assert found == [objects[1], objects[3]], number


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
    assert not any(one is _asyncio for one in referrers.tracked_objects())


def test_the_heap_is_gone_through_again_after_a_search_for_what_is_alive_in_a_process_that_has_awaited(in_process):
    code = """
        import asyncio, faulthandler, gc
        faulthandler.dump_traceback_later(30, exit=True)

        async def one():
            await asyncio.get_running_loop().run_in_executor(None, int)

        async def many():
            await asyncio.gather(*(one() for _ in range(20)))

        from simsock.patching import living

        for _ in range(3):
            asyncio.run(many())
            living.find_living()
        print(len(gc.get_referrers(object())))
    """
    assert in_process(code) == "0\n"


def test_of_few_kinds_that_are_everywhere_one_is_found_after_the_other():
    class Odd(metaclass=Strange):
        pass

    objects = [1, Odd(), "a", Odd(), 2, len, print, Odd, True]
    found = common_kinds(objects, (Odd, int, type(len)))
    assert [next(place for place, one in enumerate(objects) if one is it) for it in found] == [1, 3, 0, 4, 5, 6]
    assert list(common_kinds(objects, (bytes,))) == list(common_kinds([], (int,))) == []


def test_an_address_that_lies_across_two_others_is_none(monkeypatch):
    wanted = id(int).to_bytes(8, sys.byteorder)
    across = b"\1" * 3 + wanted + b"\1" * 5 + wanted
    monkeypatch.setattr(referrers, "_memory", lambda held: across)
    assert list(common_kinds(["a", "b", 3], (int,))) == [3]
