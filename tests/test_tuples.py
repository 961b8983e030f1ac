"""Tuples with names are what ``typing.NamedTuple`` makes, but for their annotations, which stay texts."""

from __future__ import annotations

import pickle
import typing

import pytest

from simsock import tuples


class Ours(tuples.NamedTuple):
    """A place."""

    name: str
    """What it is called."""
    line: int = 1
    more: tuple[typing.NoSuchName, ...] = ()  # type: ignore[name-defined]  # nobody looks

    @property
    def text(self):
        """In words."""
        return f"{self.name}:{self.line}"

    @classmethod
    def first(cls, name):
        """Of a file."""
        return cls(name)


class Theirs(typing.NamedTuple):
    name: str
    line: int = 1
    more: tuple[int, ...] = ()


def test_such_a_class_has_what_typings_has():
    assert {name for name in dir(Theirs) if name not in ("__orig_bases__", "__annotate__", "__annotate_func__", "__annotations_cache__")} - set(
        dir(Ours)
    ) == set()
    assert (Ours._fields, Ours._field_defaults, Ours.__match_args__) == (Theirs._fields, Theirs._field_defaults, Theirs.__match_args__)
    assert Ours.__annotations__ == {"name": "str", "line": "int", "more": "tuple[typing.NoSuchName, ...]"}
    assert (Ours.__module__, Ours.__qualname__, Ours.__doc__, Ours.__bases__) == (__name__, "Ours", "A place.", (tuple,))


def test_its_objects_are_plain_tuples_with_names():
    place = Ours("a.py", 3)
    assert (place, place.name, place.text, Ours.first("b")) == (("a.py", 3, ()), "a.py", "a.py:3", Ours("b", 1, ()))
    assert repr(place) == repr(Theirs("a.py", 3)).replace("Theirs", "Ours")
    assert (place._replace(line=4), place._asdict()) == (("a.py", 4, ()), {"name": "a.py", "line": 3, "more": ()})
    assert pickle.loads(pickle.dumps(place)) == place and type(pickle.loads(pickle.dumps(place))) is Ours
    with pytest.raises(TypeError):
        Ours()
    with pytest.raises(TypeError):

        class Wrong(tuples.NamedTuple):
            name: str = ""
            line: int
