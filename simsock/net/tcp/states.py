"""The states of a stream, and every step from one to another (RFC 9293, 3.3.2 and figure 5).

PYTEST_DONT_REWRITE

Owns the values, what each of them means to the rest of the machine, and the table of steps. Knows no socket. Laws: a stream has one state, which
``StreamSocket.turn`` alone changes; a step that is not in the table is an error in simsock itself.

CLOSED has four values, as Linux tells them apart too: what a call on such a socket says depends on how it came there. A connection in TIME-WAIT
is the port table's alone: the socket whose it was is closed, as on Linux.
"""

from __future__ import annotations

from typing import Literal

Event = Literal["listen", "connect", "syn", "join", "established", "fail", "close", "fin", "fin acknowledged", "end", "disconnect"]
"""What can happen to a stream:

* ``listen``, ``connect``: the program's calls; ``disconnect``: the socket begins anew;
* ``syn``: it is the accepting end of a handshake; ``join``: it is connected; ``established``: the handshake's last acknowledgement is here;
* ``fail``: connect(2) came to nothing;
* ``close``: this end says no more, its FIN is queued behind its data; ``fin acknowledged``: the peer has it;
* ``fin``: the peer says no more;
* ``end``: nothing more is to come: a reset, a time-out, a crash, or the last step of a good end.
"""


class State:
    """One state. Compared by identity; ``name`` is RFC 9293's."""

    __slots__ = ("closes", "connected", "name", "steps", "unacknowledged")

    def __init__(self, name: str, connected: bool = False, closes: bool = False, unacknowledged: bool = False) -> None:
        self.name = name
        self.connected = connected
        """There is a connection, at least half of it."""
        self.closes = closes
        """This end's FIN is queued, or has set out."""
        self.steps: dict[Event, State] = {}
        """The table below, from here on."""
        self.unacknowledged = unacknowledged
        """The peer has not acknowledged this end's FIN."""

    def __repr__(self) -> str:
        return self.name


NEW = State("CLOSED")
"""Not connected yet, or begun anew."""
LISTEN = State("LISTEN")
SYN_SENT = State("SYN-SENT")
SYN_RECEIVED = State("SYN-RECEIVED", connected=True)
ESTABLISHED = State("ESTABLISHED", connected=True)
FIN_WAIT_1 = State("FIN-WAIT-1", connected=True, closes=True, unacknowledged=True)
FIN_WAIT_2 = State("FIN-WAIT-2", connected=True, closes=True)
CLOSE_WAIT = State("CLOSE-WAIT", connected=True)
CLOSING = State("CLOSING", connected=True, closes=True, unacknowledged=True)
LAST_ACK = State("LAST-ACK", connected=True, closes=True, unacknowledged=True)
TIME_WAIT = State("TIME-WAIT", closes=True)
"""For as long as it takes to enter the port in its table."""
FAILED = State("CLOSED")
"""connect(2) failed in the background, and nobody has called it again since."""
ENDED = State("CLOSED", closes=True)
"""Over in good order: what the peer sends again is acknowledged again."""
ABORTED = State("CLOSED")
"""Over by a reset, a time-out or a crash."""

STATES = (
    *(NEW, LISTEN, SYN_SENT, SYN_RECEIVED, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2),
    *(CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT, FAILED, ENDED, ABORTED),
)

_STEPS: dict[tuple[State, Event], State] = {
    (NEW, "listen"): LISTEN,
    (NEW, "connect"): SYN_SENT,
    (NEW, "syn"): SYN_RECEIVED,
    (NEW, "join"): ESTABLISHED,
    (SYN_SENT, "join"): ESTABLISHED,
    (SYN_SENT, "fail"): FAILED,
    (SYN_RECEIVED, "close"): FIN_WAIT_1,
    (ESTABLISHED, "close"): FIN_WAIT_1,
    (CLOSE_WAIT, "close"): LAST_ACK,
    (SYN_RECEIVED, "fin"): CLOSE_WAIT,
    (ESTABLISHED, "fin"): CLOSE_WAIT,
    (FIN_WAIT_1, "fin"): CLOSING,
    (FIN_WAIT_2, "fin"): TIME_WAIT,
    (FIN_WAIT_1, "fin acknowledged"): FIN_WAIT_2,
    (CLOSING, "fin acknowledged"): TIME_WAIT,
    (LAST_ACK, "fin acknowledged"): ENDED,
    (TIME_WAIT, "end"): ENDED,
    (ENDED, "end"): ENDED,
}
_STEPS.update({(state, "end"): ABORTED for state in STATES if (state, "end") not in _STEPS})
_STEPS.update({(state, "disconnect"): NEW for state in STATES if not state.connected})
_STEPS.update({(state, "established"): state for state in STATES if state is not SYN_RECEIVED})
_STEPS[SYN_RECEIVED, "established"] = ESTABLISHED
# The link may end a connection in the peer's name, whose own FIN then comes as well.
_STEPS.update({(state, "fin"): state for state in (CLOSE_WAIT, CLOSING, LAST_ACK)})
for (_state, _event), _next in _STEPS.items():
    _state.steps[_event] = _next


def after(state: State, event: Event) -> State:
    """The state after something happened."""
    try:
        return _STEPS[state, event]
    except KeyError:
        raise AssertionError(f"a stream in {state.name} cannot {event!r}") from None
