"""gevent and eventlet: refused by name, whether they are under the standard modules already or used inside a world. (Stand-ins of ours have their names.)"""

from __future__ import annotations

import _socket
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


def test_nor_by_a_function_that_the_program_has_by_name(world, install):
    done = []
    monkey = install("gevent.monkey", saved={})
    exec("def patch_select():\n    _patch_module('select')", vars(monkey))
    monkey._patch_module = done.append
    patch_select = monkey.patch_select
    with world(), pytest.raises(Fenced, match=r"a real gevent\.monkey\.patch_all\(\) from inside a world"):
        patch_select()
    patch_select()
    assert done == ["select"]


class Before:
    """A scheduler from before the world."""

    waited = 0

    def __init__(self):
        """As the libraries' own."""

    def switch(self):
        self.waited += 1


def test_nobody_waits_in_a_scheduler_from_before_the_world_that_the_program_has(world, install):
    install("gevent.hub", Hub=Before)
    hub = Before()
    with world(), pytest.raises(Fenced, match=r"a real gevent\.hub\.Hub\.switch\(\) from inside a world.*use threads or asyncio in a world"):
        hub.switch()
    assert not hub.waited
    hub.switch()
    assert hub.waited == 1
    assert Before.switch.__module__ == __name__


def test_the_scheduler_of_the_worlds_thread_is_put_aside_for_so_long(world, install):
    keeper = types.SimpleNamespace()
    eventlets = keeper.hub = Before()
    install("eventlet.hubs", _threadlocal=keeper)
    of_gevent = [Before()]
    gevents = of_gevent[0]
    install("gevent._hub_local", get_hub_if_exists=lambda: of_gevent[0], set_hub=lambda hub: of_gevent.__setitem__(0, hub))
    with world():
        assert not hasattr(keeper, "hub")
        assert of_gevent == [None]
    assert keeper.hub is eventlets
    assert of_gevent == [gevents]


def test_a_real_socket_under_a_name_of_theirs_is_told_as_theirs(world, install):
    green = install("eventlet.green.socket", make=None)
    exec("def make():\n    return kind()", vars(green))
    green.kind = type("Kept", (_socket.socket,), {})
    with world(), pytest.raises(Fenced, match=r"a real socket\.__new__.*eventlet switches between greenlets of its own"):
        green.make()
