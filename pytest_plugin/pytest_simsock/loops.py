"""Event loops of ``async def`` tests under pytest-asyncio.

Owns what the plugin has to know of pytest-asyncio (1.0 and later), which is the name of the fixture that makes a loop, and a test's loop scope.
Law: in a patched world a loop was made in the world and ends in it, or the test is told by name what made it elsewhere: a loop from outside
waits for real sockets and real time.
"""

from __future__ import annotations

from typing import Any

SCOPES = ("function", "class", "module", "package", "session")
_RUNNER = "_{}_scoped_runner"


def mistake_in_loop(item: Any, inside: tuple[str, ...] | None = None) -> str:
    """Why this test's event loop is not one of the world that begins now; empty when it is, or when there is none.

    ``inside``: scopes that the world is as wide as.
    """
    scope = getattr(item, "_loop_scope", None)
    if scope in SCOPES[1:] and scope not in (inside or ()):
        return (
            f"its event loop has the scope {scope!r} (pytest-asyncio's loop_scope) and so is made before the world, or outlives it; "
            'in a patched world use @pytest.mark.asyncio(loop_scope="function")'
        )
    for scope in SCOPES:
        runner = _active(item, _RUNNER.format(scope))
        if runner is not None:
            users = [name for name in item.fixturenames if name in _coroutine_fixtures(item) and _active(item, name) is not None]
            of = f" (by the async fixture {users[0]!r}, which asks for no world)" if users else ""
            return f"its event loop was made before the world{of}; make the async fixture depend on sim"
    return ""


def end_loop(item: Any) -> None:
    """End the loop that was made in the world, and the async fixtures that live in it."""
    runner = _active(item, _RUNNER.format("function"))
    if runner is not None:
        runner.finish(item._request)


def _active(item: Any, name: str) -> Any:
    """The definition of a fixture that is set up for this test."""
    definition = getattr(getattr(item, "_request", None), "_fixture_defs", {}).get(name)
    return definition if definition is not None and definition.cached_result is not None else None


def _coroutine_fixtures(item: Any) -> set[str]:
    definitions: dict[str, Any] = item._fixtureinfo.name2fixturedefs
    return {name for name, found in definitions.items() if found and found[-1].func.__code__.co_flags & _ASYNC}


_ASYNC = 0x80 | 0x200
"""``CO_COROUTINE`` and ``CO_ASYNC_GENERATOR``."""
