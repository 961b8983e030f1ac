"""gevent and eventlet: refused by name, whether they are under the standard modules already or used inside a world. (Stand-ins of ours have their names.)"""

from __future__ import annotations

import contextlib
import sys
import threading
import types

import pytest

from simsock import Fenced, Unsupported


@pytest.fixture
def install(monkeypatch):
    """``install(name, **attributes)``: a module of that name."""

    def make(name, **attributes):
        module = types.ModuleType(name)
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return make


PATCHED = [("gevent.monkey", "saved", r"gevent\.monkey\.patch_all\(\)"), ("eventlet.patcher", "already_patched", r"eventlet\.monkey_patch\(\)")]


@pytest.mark.parametrize(("module", "table", "call"), PATCHED)
def test_a_process_that_they_have_patched_has_no_worlds(world, install, module, table, call):
    made = install(module, **{table: {}})
    with world():
        pass
    getattr(made, table)["socket"] = True
    with pytest.raises(Unsupported, match=rf"^{call} has replaced the standard modules of this process"), world():
        pass


@pytest.mark.parametrize(("module", "name"), [("gevent.hub", "Hub"), ("eventlet.hubs.hub", "BaseHub")])
def test_none_of_their_schedulers_begins_in_a_world(world, install, module, name):
    class Scheduler:
        def __init__(self, loop):
            self.loop = loop

    before = Scheduler.__init__
    install(module, **{name: Scheduler})
    with world(), pytest.raises(Fenced, match=rf"a real {module}\.{name}\(\) from inside a world.*use threads or asyncio in a world"):
        Scheduler(1)
    with pytest.raises(Fenced, match="in task begin-1"), world():

        def begin():
            with contextlib.suppress(Exception):
                Scheduler(1)

        thread = threading.Thread(target=begin)
        thread.start()
        thread.join()
    assert Scheduler.__init__ is before
    assert Scheduler(1).loop == 1


def test_nor_do_they_patch_inside_one(world, install):
    done = []
    monkey = install("gevent.monkey", saved={}, patch_all=lambda: done.append(1))
    with world(), pytest.raises(Fenced, match=r"a real gevent\.monkey\.patch_all\(\) from inside a world"):
        monkey.patch_all()
    monkey.patch_all()
    assert done == [1]
