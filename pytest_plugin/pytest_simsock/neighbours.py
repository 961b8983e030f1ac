"""What other plugins do to every test, and must not do to one that lives in a world.

Owns what is said to them, in their own words (markers), when a test is collected, and what is said of their errors. Does not know worlds. Laws: what a test
says for itself stands; without the plugin, or without the option that makes it act, nothing is said.
"""

from __future__ import annotations

from typing import Any


def arrange(item: Any) -> None:
    """A test that asks for ``sim`` was collected."""
    _enable_sockets(item)


def _enable_sockets(item: Any) -> None:
    """pytest-socket's ``--disable-socket`` keeps tests from the network; a world does so anyway, and its sockets are no real ones."""
    config = item.config
    if not config.getoption("disable_socket", False) or config.getoption("allow_hosts", None):
        return
    if "socket_disabled" in item.fixturenames or any(item.get_closest_marker(name) for name in ("disable_socket", "allow_hosts", "enable_socket")):
        return
    item.add_marker("enable_socket")


def explain(error: BaseException) -> None:
    """A test in a world has failed: pytest-socket's own error does not say what to do about it."""
    if type(error).__module__.partition(".")[0] == "pytest_socket" and not getattr(error, "__notes__", None):
        error.add_note(
            "pytest-socket refuses the sockets of a world as well, which are simulated and reach nobody: "
            "@pytest.mark.enable_socket lets this test have them, @pytest.mark.allow_hosts those to some hosts"
        )


__all__ = ["arrange", "explain"]
