"""Trying all orders that can differ: a search through the tree of schedules which leaves out those that only exchange what is independent.

Owns the tree and its sleep sets (Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems", 1996). Does not know worlds: it is told of
questions, and what each transition touched. A task whose next transition was tried from a state sleeps in the states after its siblings' until something
is done that meets that transition: until then, to run it would only exchange two independent steps. And where nothing that others did later, in all runs
from a state on, met the transition that was tried there first, no other is tried there (Flanagan and Godefroid, "Dynamic Partial-Order Reduction for Model
Checking Software", POPL 2005, more coarsely). Laws:

* every schedule that is left out has the same outcome as one that was tried;
* unbounded: sleep sets and bounds together lose outcomes, so this is the last level and has no bound;
* a run that asks otherwise than the same picks did before is not this test's, and nothing is said to hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.kernel.footprints import NOTHING, Footprint, Touch
from simsock.kernel.items import meet
from simsock.kernel.touching import ANY, Standing, Touching

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

QUESTIONS_MAX = 100_000
"""Questions of one run; a longer one cannot be searched through."""


class Node:
    """A question: who could go on (dull answer first), who sleeps, what was tried, and what was picked now."""

    __slots__ = ("after", "asks", "candidates", "chosen", "done", "forced", "is_met", "sleep", "standing", "touched")

    def __init__(self, asks: tuple[str, int], candidates: tuple[str, ...], sleep: dict[str, Footprint], chosen: str, standing: Standing) -> None:
        self.asks = asks
        self.candidates = candidates
        self.sleep = sleep
        self.chosen = chosen
        self.standing = standing
        self.done: dict[str, Footprint] = {}
        """Those that were tried, with what their transitions touched."""
        self.touched: Footprint = ANY
        """By the transition that followed the pick; anything, until the next question has come."""
        self.forced: tuple[str, ...] = ()
        """Who went on after it without a question; ``after``: what they touched."""
        self.after: Footprint = NOTHING
        self.is_met = False
        """Whether others have touched what a transition from here touched, after it: only then does it matter who goes first."""

    def ends(self, touching: Touching) -> None:
        """The next question has come, or the end."""
        self.touched, self.forced, self.after = touching.own, tuple(touching.forced), touching.after


class Pruned:
    """The tree of one test."""

    def __init__(self, in_scope: Callable[[str], bool]) -> None:
        self._in_scope = in_scope
        self._path: list[Node] = []
        self._picker: Picker | None = None
        """Of the run before."""
        self.is_exhausted = False
        self.is_broken = False
        """Whether a run asked otherwise than before."""

    def next(self) -> Picker | None:
        """The picks of the run to be made next; None when there is none left."""
        if self._picker is not None:
            self._picker.run_is_over()
            if not self._turn_back():
                self.is_exhausted = not self.is_broken
                return None
        self._picker = Picker(self, self._path, self._in_scope)
        return self._picker

    def _turn_back(self) -> bool:
        """Go back to the last question that has another answer."""
        path = self._path
        while path and not self.is_broken:
            node = path[-1]
            node.done[node.chosen] = node.touched
            for candidate in node.candidates if node.is_met else ():
                if candidate not in node.sleep and candidate not in node.done:
                    node.chosen, node.touched = candidate, ANY
                    return True
            path.pop()
        return False


class Picker:
    """Picks in one run, and lengthens the path by its questions. ``prepare`` lets it hear of a world."""

    def __init__(self, tree: Pruned, path: list[Node], in_scope: Callable[[str], bool]) -> None:
        self._tree = tree
        self._path = path
        self._given = len(path)
        self._asked = 0
        self._touching = Touching(in_scope, sleeps=self._given > 0)
        self.preemptions = 0
        self.is_redundant = False
        """Whether everybody slept at some question: from there on the run is one that others stand for."""

    def prepare(self, sim: object) -> None:
        """Of a world that has not begun."""
        sim._questions = self  # type: ignore[attr-defined]
        sim.add_watcher(self._touching)  # type: ignore[attr-defined]

    def choose(self, kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
        """Whose turn it is."""
        candidates = [task, *kernel.runq] if preempting else list(kernel.runq)
        paths = tuple(candidate.path for candidate in candidates)
        closed = self._touching.closed(task, preempting)
        path, place = self._path, self._asked
        node: Node | None
        if self._given <= place <= len(path) and place:  # what came before is known
            path[place - 1].ends(self._touching)
        if place < self._given:
            node = path[place]
            if node.asks != (task.label, index) or node.candidates != paths:
                self._tree.is_broken = True
            elif place == self._given - 1:
                self._touching.wakes(node.standing)
        elif place == len(path) and not self.is_redundant and place < QUESTIONS_MAX:
            node = self._new(task.label, index, paths, closed)
        else:
            node = None
        if place >= QUESTIONS_MAX:
            self._tree.is_broken = True
        self._asked += 1
        pick = paths.index(node.chosen) if node is not None and node.chosen in paths else 0
        self.preemptions += bool(pick) and preempting
        self._touching.begins(candidates[pick], task)
        return pick

    def run_is_over(self) -> None:
        """There was no question after the last one."""
        if self._asked == len(self._path) > 0:
            self._path[-1].ends(self._touching)
        later: dict[str, set[Touch]] = {}
        for node in reversed(self._path):
            for name in node.forced:
                later.setdefault(name, set()).update(node.after)
            if not node.is_met:
                node.is_met = self._touching.is_cut or any(meet(node.touched, frozenset(touched)) for name, touched in later.items() if name != node.chosen)
            later.setdefault(node.chosen, set()).update(node.touched)

    def _new(self, label: str, index: int, paths: tuple[str, ...], closed: Footprint) -> Node | None:
        path = self._path
        sleep: dict[str, Footprint] = {}
        if path:
            last = path[-1]
            for name, touched in (*last.sleep.items(), *last.done.items()):
                if name != last.chosen and last.forced[:1] == (name,) and not meet(touched, last.touched):
                    self.is_redundant = True  # it slept, and nobody else could go on
                    return None
                if name != last.chosen and not meet(touched, closed):
                    sleep[name] = touched
        awake = next((name for name in paths if name not in sleep), None)
        if awake is None:
            self.is_redundant = True
            return None
        node = Node((label, index), paths, sleep, awake, self._touching.standing())
        path.append(node)
        return node


__all__ = ["Picker", "Pruned"]
