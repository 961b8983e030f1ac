"""Nothing in a world is real by accident: the table of C functions against this interpreter's modules, against a world, and against the page."""

from __future__ import annotations

import _signal
import importlib
from types import BuiltinFunctionType

import pytest

from simsock.patching import fence
from simsock.patching.pairs import make_pairs
from tests.everything import BY_OTHER_MEANS, PAGE, REFUSED, SIMULATED, TABLE, section

ROWS = [(module, name, kind) for module, kinds in TABLE.items() for kind, names in kinds.items() for name in names.split()]


@pytest.mark.parametrize("module", TABLE)
def test_every_function_and_type_in_c_is_classified(module):
    known = {name for where, name, _ in ROWS if where == module}
    found = {
        name
        for name, value in vars(pytest.importorskip(module, reason="this Python has none")).items()
        if callable(value) and not name.startswith("__") and not (isinstance(value, type) and issubclass(value, BaseException))
    }
    assert found - known == set(), f"new in {module}: say in tests/everything.py what a world makes of each, and make it so"


def test_what_is_said_to_be_simulated_or_refused_is_exchanged_and_nothing_else():
    exchanged = {id(original) for original, _ in make_pairs()}
    wrong = []
    for module, name, kind in ROWS:
        try:
            value = getattr(importlib.import_module(module), name)
            value = getattr(_signal, name, value) if module == "signal" else value  # some of signal are wrappers in Python
        except (ImportError, AttributeError):  # other Pythons have it
            continue
        if (module, name) in BY_OTHER_MEANS:
            if module == "posix" and BY_OTHER_MEANS[module, name] not in fence._EVENTS:
                wrong.append((module, name, "is not behind the fence"))
        elif (id(value) in exchanged) != (kind in (SIMULATED, REFUSED)):
            wrong.append((module, name, kind))
    assert wrong == []


def test_nothing_is_exchanged_that_the_table_does_not_know():
    assert len({(module, name) for module, name, _ in ROWS}) == len(ROWS), "nothing stands there twice"
    known = {(module, name) for module, name, _ in ROWS}
    for original, _ in make_pairs():
        if (
            isinstance(original, BuiltinFunctionType)
            and original.__module__ in TABLE
            and hasattr(importlib.import_module(original.__module__), original.__name__)
        ):
            assert (original.__module__, original.__name__) in known


def test_the_page_says_what_the_table_says():
    assert section() in PAGE.read_text(), "python -m tests.everything writes it"
