"""Other plugins' ways with every test, and what becomes of them for tests that live in a world."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pytest_simsock import neighbours


class Item:
    """A collected test, as far as it is looked at."""

    def __init__(self, options, markers=(), fixtures=("sim",)):
        self.config = SimpleNamespace(getoption=lambda name, default: options.get(name, default))
        self.fixturenames = fixtures
        self.markers = list(markers)

    def get_closest_marker(self, name):
        return name if name in self.markers else None

    def add_marker(self, name):
        self.markers.append(name)


def test_disable_socket_of_pytest_socket_does_not_stop_the_sockets_of_a_world():
    item = Item({"disable_socket": True})
    neighbours.arrange(item)
    assert item.markers == ["enable_socket"]


@pytest.mark.parametrize(
    "item",
    [
        Item({}),
        Item({"disable_socket": False}),
        Item({"disable_socket": True, "allow_hosts": "127.0.0.1"}),
        Item({"disable_socket": True}, ["disable_socket"]),
        Item({"disable_socket": True}, ["allow_hosts"]),
        Item({"disable_socket": True}, ["enable_socket"]),
        Item({"disable_socket": True}, fixtures=("sim", "socket_disabled")),
    ],
)
def test_nothing_is_said_where_the_plugin_does_nothing_or_the_test_speaks_for_itself(item):
    before = list(item.markers)
    neighbours.arrange(item)
    assert item.markers == before


def test_an_error_of_pytest_socket_in_a_world_says_what_to_do():
    blocked = type("SocketBlockedError", (RuntimeError,), {"__module__": "pytest_socket"})("A test tried to use socket.socket.")
    for _ in range(2):
        neighbours.explain(blocked)
    (note,) = blocked.__notes__
    assert "@pytest.mark.enable_socket lets this test have them" in note
    other = RuntimeError("A test tried to use socket.socket.")
    neighbours.explain(other)
    assert not hasattr(other, "__notes__")
