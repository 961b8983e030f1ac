"""Putting the stand-ins into the process, and taking them out again.

Owns the order in which that happens. ``Patching.prepare``, ``apply`` and ``remove`` frame a session, ``enter`` and ``leave`` each world in it.
Laws: after ``remove`` no module attribute holds a stand-in, by identity; what is found once is not searched for again. The one thing that stays
are hybrid locks and queues where there were real ones: to everybody outside a world they are real ones.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from simsock.errors import UsageError
from simsock.hypothesis_time import not_counted
from simsock.kernel import Kernel
from simsock.kernel.undoing import do_all
from simsock.patching import clocks, fence, foreign, handlers, imports, outsiders, pairs, polls, sockets
from simsock.patching.captured import Holds
from simsock.patching.chance import Chance
from simsock.patching.locks import Kind
from simsock.patching.module_names import Names, Place
from simsock.patching.task_locals import Carrier
from simsock.patching.threads import Registry
from simsock.supported import check_clocks

SIMSOCK_ROOM = "face"

_known: tuple[Names, Holds] | None = None
_in_force: Patching | None = None


def known() -> tuple[Names, Holds]:
    """What this process is known to hold."""
    global _known
    if _known is None:
        replacements = {id(original): (original, replacement) for original, replacement in pairs.make_pairs()}
        _known = Names(replacements), Holds(replacements)
    return _known


def look_around() -> None:
    """Look where things are held now, so that the world that is entered next need not, or hardly: it takes moments, which somebody may be timing."""
    if _in_force is None:
        _look()
        known()[1].settle()


def _look() -> list[Place]:
    """Every place in which a world has to put something else."""
    names, holds = known()
    places, changed = names.places()
    if spaces := holds.refresh(changed):
        names.forget(spaces)
        places, changed = names.places()
        holds.refresh(changed)
    return places


class Patching:
    """The patched state of the process."""

    def __init__(self, entropy: str = "tape") -> None:
        self._chance = Chance(entropy)
        self._carrier = Carrier()
        self._registry = Registry()
        self._places: list[Any] = []
        self._classes: list[Any] = []
        """Those that hold ``socket.socket``: outside the world, programs ask for exactly that class as well."""

    def prepare(self) -> None:
        """Look where things are held. Before garbage collection is told to pass over everything: what it passes over cannot be searched."""
        check_clocks()
        with not_counted():
            self._places = _look()

    def apply(self) -> None:
        """The patched state begins."""
        global _in_force
        if _in_force is not None:
            raise UsageError("the process is patched already: one patched world or search at a time")
        names, holds = known()
        self._places = [place for place in self._places if place[0].get(place[1]) is place[2]]
        _in_force = self
        for space, key, _, replacement in self._places:
            space[key] = replacement
        self._classes = [place for place in self._places if place[3] is sockets.standing and place[0].get(place[1]) is sockets.standing]
        holds.swap()
        sockets.apply()
        polls.apply()
        clocks.apply()
        handlers.apply()
        outsiders.apply()
        imports.apply(names)
        self._chance.apply()

    def remove(self) -> None:
        """The patched state ends; the stand-ins come out, by identity, also from modules that were imported meanwhile. Safe to call again."""
        global _in_force
        if _in_force is not self:
            return
        names, holds = known()
        outer = (outsiders.remove, handlers.remove, clocks.remove, polls.remove, sockets.remove)
        do_all(self._chance.remove, imports.remove, *outer, holds.restore, self._restore_names)
        names.restore(names.unseen())
        holds.settle()
        self._places = self._classes = []
        _in_force = None

    def _restore_names(self) -> None:
        for space, key, original, replacement in self._places:
            if space.get(key) is replacement:
                space[key] = original

    def enter(self, kernel: Kernel) -> None:
        """A world begins. ``leave`` takes back what was begun, also half of it."""
        check_clocks()
        sockets.enter(kernel)
        self._registry.enter()
        self._chance.enter(kernel, kernel.seed)
        foreign.enter(kernel)
        self._carrier.enter(kernel)
        fence.put_up(kernel)

    def suspend(self) -> None:
        """Its thread is outside the world for a while: the stand-ins recognise that, what is kept for the thread or the process is exchanged."""
        fence.take_down()
        for space, key, original, replacement in self._classes:
            if space.get(key) is replacement:
                space[key] = original
        self._chance.suspend()
        self._registry.suspend()
        self._carrier.suspend()

    def resume(self) -> None:
        """The world goes on. What was not suspended, because that was interrupted, is left as it is."""
        self._carrier.resume()
        self._registry.resume()
        self._chance.resume()
        for space, key, original, replacement in self._classes:
            if space.get(key) is original:
                space[key] = replacement
        kernel = self._carrier.kernel
        if kernel is not None:
            fence.put_up(kernel)

    def leave(self) -> None:
        """The world is over. Safe to call again."""
        do_all(fence.take_down, self._forget_imports, foreign.leave, self._carrier.leave, self._chance.leave, self._registry.leave)

    def _forget_imports(self) -> None:
        if self._carrier.kernel is not None:
            imports.leave(self._carrier.kernel)


class Hybrids:
    """Locks that are hybrids from birth: what a program gets from ``threading`` and ``queue`` as long as this is put in.

    Worlds then need not search for locks that were made just before them, and reach those in plain local variables too.
    """

    def __init__(self) -> None:
        self._swapped: list[Any] = []
        self._before: set[int] = set()

    def put_in(self) -> None:
        """From now on; modules of the harness keep the real ones."""
        names, _ = known()
        self._before = set(map(id, sys.modules.values()))
        names.resident = frozenset(key for key, (_, replacement) in names.replacements.items() if isinstance(replacement, Kind))
        for place in names.places()[0]:
            space, key, original, replacement = place
            if id(original) in names.resident and space.get(key) is original:
                space[key] = replacement
                self._swapped.append(place)

    def take_out(self) -> None:
        """No more; locks that were made meanwhile stay what they are."""
        names, _ = known()
        names.resident = frozenset()
        for space, key, original, replacement in self._swapped:
            if space.get(key) is replacement:
                space[key] = original
        self._swapped.clear()
        names.restore([vars(module) for module in list(sys.modules.values()) if id(module) not in self._before and isinstance(module, ModuleType)])


def make_patching(options: Any) -> Patching | None:
    """What a world or a search with these options needs: None when nothing is to be patched."""
    return Patching(options.entropy) if options.patch else None
