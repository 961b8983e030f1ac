"""What a test holds from packages that its world imports anew (``fresh=``), beyond the names of loaded modules.

Owns the list: parameters, what fixtures gave before the world, conftests. Does not know how anything is exchanged.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from simsock.patching.room import belongs


def holders_of(item: Any) -> list[tuple[str, dict[str, Any]]]:
    """(words, namespace): pytest takes a conftest out of ``sys.modules`` when it loads the next by that name."""
    callspec = getattr(item, "callspec", None)
    found = [("the parameter ", callspec.params)] if callspec is not None else []
    found.append(("the fixture ", getattr(item, "funcargs", {})))
    for plugin in item.config.pluginmanager.get_plugins():
        if isinstance(plugin, ModuleType) and plugin.__name__.rpartition(".")[2] == "conftest":
            found.append((plugin.__name__, vars(plugin)))
    return found


def mistake_in_fresh(item: Any, packages: tuple[str, ...]) -> str:
    """What is wrong with importing these anew around this test; empty when nothing is."""
    name = getattr(getattr(item, "module", None), "__name__", "")
    if belongs(name, packages):
        return f"fresh={list(packages)!r}: {name} is the module of the test itself, which runs as it was imported: name the packages that it tests"
    return ""


__all__ = ["holders_of", "mistake_in_fresh"]
