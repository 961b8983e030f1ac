"""Putting the stand-ins into the process, and taking them out again.

Owns the order in which that happens. ``Patching.prepare``, ``apply`` and ``remove`` frame a session, ``enter`` and ``leave`` each world in it.
Laws: after ``remove`` no module attribute holds a stand-in, by identity, unless somebody has asked that sessions share them (``share``); what is found once
is not searched for again. The one thing that stays are hybrid locks and queues where there were real ones: to everybody outside a world they are real ones.
"""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager, nullcontext
from itertools import chain
from operator import call, is_, itemgetter
from types import ModuleType
from typing import TYPE_CHECKING, Any

from simsock.errors import KeptWarning, UsageError
from simsock.hypothesis_time import not_counted
from simsock.kernel import Kernel
from simsock.kernel.file_times import FileTimes
from simsock.kernel.undoing import do_all, each_again
from simsock.patching import clocks, descriptors, fence, files, foreign, forks, handlers, imports, late, outsiders, pairs, polls, sockets, tls
from simsock.patching.captured import Holds
from simsock.patching.chance import Chance
from simsock.patching.connections import close_connections as close_connections
from simsock.patching.locks import Kind
from simsock.patching.module_names import Names, Place
from simsock.patching.room import Room
from simsock.patching.task_locals import Carrier
from simsock.patching.threads import Registry
from simsock.stdlib import _makers
from simsock.supported import check_clocks

if TYPE_CHECKING:
    from collections.abc import Iterator

SIMSOCK_ROOM = "face"

_known: tuple[Names, Holds] | None = None
_in_force: Patching | None = None
_resting: Patching | None = None
"""One whose stand-ins are still in place, between two sessions that share them: each does what its original does."""
_sharing = 0
"""How many have asked that stand-ins stay in place between sessions."""


def known() -> tuple[Names, Holds]:
    """What this process is known to hold."""
    global _known
    if _known is None:
        replacements = {id(original): (original, replacement) for original, replacement in pairs.make_pairs()}
        _known = Names(replacements), Holds(replacements)
    return _known


def look_around() -> None:
    """Look where things are held now, so that the world that is entered next need not, or hardly: it takes moments, which somebody may be timing."""
    if _in_force is None and _resting is None:
        _look()
        known()[1].settle()


def _look() -> list[Place]:
    """Every place in which a world has to put something else."""
    names, holds = known()
    places, changed = names.places()
    if spaces := names.lacking(holds.refresh(places if changed else None)):
        names.forget(spaces)
        places, _ = names.places()
    return places


def share() -> None:
    """From now on stand-ins stay in place between worlds that follow each other."""
    global _sharing
    _sharing += 1


def share_no_more() -> None:
    """Whoever asked for it does not need it any more; the last one to say so finds everything as it was. Safe to call again after an interrupt."""
    global _sharing
    if _sharing == 1:
        put_back()
    _sharing = max(0, _sharing - 1)


def put_back() -> None:
    """What is to come must see the originals: stand-ins that are in place between worlds are taken out. The next world puts them in again."""
    global _resting
    resting = _resting
    if resting is not None:
        resting._take_out()
        _resting = None


def _must_be_free() -> None:
    """Nobody looks where originals are held while stand-ins are in their places."""
    if _in_force is not None:
        raise UsageError("the process is patched already: one patched world or search at a time")


class Patching:
    """The patched state of the process."""

    def __init__(self, entropy: str = "tape") -> None:
        self._chance = Chance(entropy)
        self._carrier = Carrier()
        self._registry = Registry()
        self._places: list[Place] = []
        self._classes: list[Place] | None = None
        """Those that hold ``socket.socket``, once somebody asks for them: outside the world, programs ask for exactly that class as well."""
        self._others: list[Place] = []
        """Those that held something else when the patched state began, which a mock may have put there."""
        self._spaces: list[Any] = []
        self._getters: list[Any] = []
        self._values: list[Any] = []
        """The namespaces, what gets the names that are places there (but for the class of sockets), and what all of them are between two worlds: compared
        in one go."""
        self._counts: list[int] = []
        """How many references there are to each original that is a function, when the stand-ins are in place."""

    def prepare(self) -> None:
        """Look where things are held. Before garbage collection is told to pass over everything: what it passes over cannot be searched."""
        check_clocks()
        _must_be_free()
        if _resting is not None and not _resting._is_as_it_was():
            put_back()
        if _resting is None:
            with not_counted():
                self._places = _look()
            for kept in known()[1].news_of_kept():
                warnings.warn(
                    f"{kept}, where no world can put another one: it stays real in this one. Look the name up when it is called, or keep it in an "
                    "attribute, a list, a dict or a set (simsock doctor lists all)",
                    KeptWarning,
                    stacklevel=2,
                )

    def apply(self) -> None:
        """The patched state begins."""
        global _in_force, _resting
        _must_be_free()
        resting = _resting
        if resting is not None:
            self._places, self._classes, self._others = resting._places, resting._classes, resting._others
            self._spaces, self._getters, self._values, self._counts = resting._spaces, resting._getters, resting._values, resting._counts
            self._carrier, self._registry = resting._carrier, resting._registry
            _in_force, _resting = self, None
            self._show_class()
            known()[1].show()
            if not outsiders.is_in_place():  # something else is loaded now
                outsiders.remove()
                outsiders.apply()
                outsiders.note()
            self._chance.apply()
            return
        self._put_in()
        self._chance.apply()
        if _sharing:
            outsiders.note()
            self._counts = known()[1].count()

    def _put_in(self) -> None:
        global _in_force
        names, holds = known()
        found = self._places
        self._places, self._others = [], []
        put = self._places.append
        _in_force = self
        for place in found:
            space, key, original, replacement = place
            try:
                now = space[key]
            except KeyError:
                now = None
            if now is original:
                put(place)
                space[key] = replacement
            elif id(original) not in names.resident:
                # What stands in for it is there when a mock, which began between worlds that shared it, has put it back.
                (self._places if now is replacement else self._others).append(place)
        holds.swap()
        sockets.apply()
        polls.apply()
        clocks.apply()
        files.apply()
        handlers.apply()
        tls.apply()
        outsiders.apply()
        imports.apply(names, put_back)
        late.originals = self._originals

    def remove(self) -> None:
        """The patched state ends; the stand-ins come out, by identity, also from modules that were imported meanwhile. Safe to call again.

        While sessions are shared they stay, and everybody who looks for what a program may see finds it as it was.
        """
        global _in_force, _resting
        if _in_force is not self:
            return
        if _sharing:
            do_all(self._chance.remove, self._hide_class, self._hide_captured)
            if not self._values:
                self._note_places()
            _resting = self
        else:
            self._take_out()
        _in_force = None

    def _take_out(self) -> None:
        late.originals = None
        names, holds = known()
        outer = (outsiders.remove, tls.remove, handlers.remove, files.remove, clocks.remove, polls.remove, sockets.remove)
        do_all(self._chance.remove, imports.remove, *outer, holds.restore, self._restore_names)
        names.restore(names.unseen())
        self._places, self._others, self._spaces, self._getters, self._values = [], [], [], [], []
        self._classes = None
        holds.settle()  # when nothing of ours that refers to stand-ins will go any more

    def _is_as_it_was(self) -> bool:
        """Whether since the stand-ins were put in nobody has come to hold an original, nor put anything else where a stand-in was."""
        if known()[1].count() != self._counts or not sockets.is_in_place():
            return False
        for space, key, original, _ in self._others:
            if space.get(key) is original:
                return False
        try:
            return all(map(is_, chain.from_iterable(map(call, self._getters, self._spaces)), self._values))  # no == of a mock's
        except KeyError:  # a name is gone
            return False

    def _note_places(self) -> None:
        """What ``_is_as_it_was`` compares."""
        shown: dict[int, list[Place]] = {}
        for place in self._places:
            if place[3] is not sockets.standing:
                shown.setdefault(id(place[0]), []).append(place)
        for places in shown.values():
            places += places[:1]  # of one name ``itemgetter`` makes no tuple
            self._spaces.append(places[0][0])
            self._getters.append(itemgetter(*(place[1] for place in places)))
            self._values += [place[3] for place in places]

    def _hide_captured(self) -> None:
        known()[1].hide(sockets.standing)

    def _restore_names(self) -> None:
        for places in (self._places, self._others):
            for space, key, original, replacement in places:
                try:
                    if space[key] is replacement:
                        space[key] = original
                except KeyError:  # the name is gone
                    pass

    @contextmanager
    def _originals(self) -> Iterator[None]:
        """A block in which modules hold the originals, and this thread is outside the world: what it imports is as if imported before."""
        names, _ = known()
        kernel = imports.world_of_thread()
        shown = [place for place in self._places if place[0].get(place[1]) is place[3]]
        try:
            for space, key, original, _ in shown:
                space[key] = original
            with imports.outside(kernel) if kernel is not None else nullcontext():
                yield
        finally:
            for space, key, original, replacement in shown:
                if space.get(key) is original:
                    space[key] = replacement
            for space in names.unseen():
                for place in names.look(space):
                    if place[0].get(place[1]) is place[2]:
                        place[0][place[1]] = place[3]
                        self._places.append(place)

    def _hide_class(self) -> None:
        if self._classes is None:
            self._classes = [place for place in self._places if place[3] is sockets.standing]
        for space, key, original, replacement in self._classes:
            if space.get(key) is replacement:
                space[key] = original

    def _show_class(self) -> None:
        for space, key, original, replacement in self._classes or ():
            if space.get(key) is original:
                space[key] = replacement

    def enter(self, kernel: Kernel) -> None:
        """A world begins. ``leave`` takes back what was begun, also half of it."""
        check_clocks()
        _makers.watch()
        kernel.room(FileTimes)
        sockets.enter(kernel)
        descriptors.enter(kernel)
        self._registry.enter()
        self._chance.enter(kernel, kernel.seed)
        foreign.enter(kernel)
        forks.in_force = self
        self._carrier.enter(kernel)
        fence.put_up(kernel)

    def suspend(self) -> None:
        """Its thread is outside the world for a while: the stand-ins recognise that, what is kept for the thread or the process is exchanged."""
        fence.take_down()
        if (renewed := self._renewed()) is not None:
            renewed.hide()
        self._hide_class()
        self._chance.suspend()
        self._registry.suspend()
        self._carrier.suspend()

    def resume(self) -> None:
        """The world goes on. What was not suspended, because that was interrupted, is left as it is."""
        self._carrier.resume()
        self._registry.resume()
        self._chance.resume()
        self._show_class()
        kernel = self._carrier.kernel
        if kernel is not None:
            if (renewed := self._renewed()) is not None:
                renewed.show()
            fence.put_up(kernel)

    def _renewed(self) -> Any:
        kernel = self._carrier.kernel
        return None if kernel is None else kernel.room(Room).renewed

    def leave(self) -> None:
        """The world is over. Safe to call again."""
        try:
            self._leave_processes()
            fence.take_down()
            self._forget_imports()
            foreign.leave()
            self._carrier.leave()
            self._chance.leave()
            self._registry.leave()
        except BaseException:
            inner = (fence.take_down, self._forget_imports, foreign.leave)
            each_again(self._leave_processes, *inner, self._carrier.leave, self._chance.leave, self._registry.leave)
            raise

    def _leave_processes(self) -> None:
        forks.leave(self._carrier)

    def _forget_imports(self) -> None:
        if self._carrier.kernel is not None:
            imports.leave(self._carrier.kernel)
            if (renewed := self._renewed()) is not None:
                renewed.hide()


class Hybrids:
    """Locks that are hybrids from birth: what a program gets from ``threading`` and ``queue`` as long as this is put in.

    Worlds then need not search for locks that were made just before them, and reach those in plain local variables too.
    """

    def __init__(self) -> None:
        self._swapped: list[Any] = []
        self._before: set[int] = set()

    def put_in(self) -> None:
        """From now on; modules of the harness keep the real ones."""
        put_back()
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
        put_back()
        names, _ = known()
        names.resident = frozenset()
        for space, key, original, replacement in self._swapped:
            if space.get(key) is replacement:
                space[key] = original
        self._swapped.clear()
        names.restore([vars(module) for module in list(sys.modules.values()) if id(module) not in self._before and isinstance(module, ModuleType)])


def make_patching(options: Any) -> Patching | None:
    """What a world or a search with these options needs: None when nothing is to be patched, nor left so by worlds that share a session."""
    if options.patch:
        return Patching(options.entropy)
    put_back()
    return None
