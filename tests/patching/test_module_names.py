"""Names of modules that hold originals: found once, and looked for again only where something has changed."""

from __future__ import annotations

import sys
import time
from types import ModuleType

import pytest

from simsock.patching.module_names import Names


@pytest.fixture
def names():
    """That know of one replacement, and note whose namespaces they look into."""
    made = Names({id(time.sleep): (time.sleep, print)})
    made.looked, look = [], made.look

    def noted(space):
        made.looked.append(space["__name__"])
        return look(space)

    made.look = noted
    made.places()
    made.looked.clear()
    return made


@pytest.fixture
def module(monkeypatch):
    """A module that has just been imported."""
    made = ModuleType("just_imported")
    monkeypatch.setitem(sys.modules, "just_imported", made)
    return made


def test_nothing_is_looked_at_twice(names):
    assert names.places()[1] is False and names.looked == []


def test_of_a_module_that_has_come_only_its_own_names_are_looked_at(names, module):
    module.pause = time.sleep
    places, changed = names.places()
    assert changed and names.looked == ["just_imported"]
    assert (vars(module), "pause", time.sleep, print) in places


def test_a_module_that_has_got_a_name_is_looked_at_again(names, module):
    names.places()
    names.looked.clear()
    module.pause = time.sleep
    places, changed = names.places()
    assert changed and names.looked == ["just_imported"]
    assert (vars(module), "pause", time.sleep, print) in places
    assert names.unseen() == []


def test_the_names_of_a_module_that_is_told_to_have_changed_are_looked_at_again(names):
    names.forget([vars(time)])
    assert names.places()[1] and names.looked == ["time"]
