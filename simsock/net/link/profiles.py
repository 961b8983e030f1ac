"""Links by name.

Owns the table of profiles, where their figures come from, and the drawing of ``hostile``. Does not know how links work. Law: a profile is
one direction of an ordinary ``Link``; nothing in the simulation asks for its name. Some say as well what the machines at its ends are like: options of a
world, which the world takes from it as if they had been given. ``hostile`` is no link but a rule for making one: each
run draws its own from the tape, and every dull answer takes a fault out of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError, meant
from simsock.net.link.distributions import DISTRIBUTIONS
from simsock.net.link.settings import PERFECT, GilbertElliott, Link

if TYPE_CHECKING:
    from typing import Unpack

    from simsock.choices import Tape
    from simsock.net.link.typed import Impairments

_TABLE: dict[str, tuple[str, dict[str, Any]]] = {
    "perfect": ("nothing is lost and nothing takes time", {}),
    # ping of 127.0.0.1 takes some 20 to 60 µs there and back; the lo interface of Linux has an MTU of 65536.
    "loopback": ("one machine", {"latency": "20us", "mtu": 65535}),
    # Ethernet (IEEE 802.3: 1 Gbit/s, MTU 1500): ping in one building takes 0.2 to 0.5 ms there and back.
    "lan": ("wired, one building", {"latency": "200us", "jitter": "50us", "rate": "1Gbit", "mtu": 1500}),
    # "Round trip within same datacenter: 500 µs" (J. Dean, "Numbers everyone should know", LADIS 2009); tails: Dean, Barroso, CACM 56(2).
    "datacenter": ("machines of one site", {"latency": "250us", "jitter": "100us", "distribution": "lognormal", "rate": "10Gbit", "mtu": 1500}),
    # Comcast is github.com/tylertreat/comcast; its README has a table of network conditions.
    # Its "WIFI (good)": 40 ms, 30 Mbit/s, 0.2 %. The latency includes a home's way to the Internet.
    "wifi": ("a good one at home", {"latency": "40ms", "jitter": "5ms", "distribution": "paretonormal", "loss": "0.2%", "rate": "30Mbit", "mtu": 1500}),
    # As wifi, in bursts: 5 % lost on average (p/(p+r)), four packets at a time (1/r), as interference does it (Salsano et al. on wireless loss).
    "flaky-wifi": (
        "the last table in the café",
        {
            "latency": "50ms",
            "jitter": "30ms",
            "distribution": "paretonormal",
            "loss": GilbertElliott(0.0132, 0.25),
            "reorder": "1%",
            "rate": "5Mbit",
            "mtu": 1500,
        },
    ),
    # Comcast's "DSL (good)": 40 ms, 8 Mbit/s, 0.5 %. PPPoE leaves 1492 bytes (RFC 2516).
    "dsl": ("a telephone line", {"latency": "40ms", "jitter": "3ms", "loss": "0.5%", "rate": "8Mbit", "mtu": 1492}),
    # ITU-R M.2134's user plane aims at 10 ms; round trips of LTE were measured as some 70 ms
    # in the median (Huang et al., "An in-depth study of LTE", SIGCOMM 2013). Tunnels to the core leave some 1428 bytes.
    "4g": ("LTE", {"latency": "40ms", "jitter": "10ms", "distribution": "normal", "loss": "0.1%", "rate": "12Mbit", "mtu": 1428}),
    # Comcast's "3G/HSDPA (good)": 250 ms, 750 kbit/s, 1.5 %.
    "3g": ("HSDPA", {"latency": "250ms", "jitter": "50ms", "distribution": "normal", "loss": "1.5%", "rate": "750kbit", "mtu": 1428}),
    # Comcast's "EDGE (good)": 300 ms, 250 kbit/s, 1.5 %.
    "edge": ("2.75G", {"latency": "300ms", "jitter": "80ms", "distribution": "normal", "loss": "1.5%", "rate": "250kbit", "mtu": 1428}),
    # Comcast's "GPRS (good)": 500 ms, 50 kbit/s, 2 %.
    "gprs": ("2.5G", {"latency": "500ms", "jitter": "150ms", "distribution": "normal", "loss": "2%", "rate": "50kbit", "mtu": 1428}),
    # Comcast's "DIAL-UP (good)": 185 ms, 40 kbit/s, 2 %. 576 bytes are what hosts have to take (RFC 791, 3.1), and what modems were set to.
    "dial-up": ("a modem", {"latency": "185ms", "jitter": "20ms", "loss": "2%", "rate": "40kbit", "mtu": 576}),
    # RFC 2488, 2: 239.6 ms up and down again, more with the ways on the ground; errors are rare but not absent (2, "Noise").
    "satellite-geo": ("geostationary", {"latency": "280ms", "jitter": "10ms", "loss": "0.1%", "rate": "20Mbit", "mtu": 1500}),
    # Round trips of 50 ms in the median, 40 to 60 in the quartiles, over 100 Mbit/s (Michel et al., IMC 2022; blog.apnic.net of 2022-11-28);
    # losses come in bursts, with the handovers (Kassem et al., "A browser-side view of Starlink connectivity", IMC 2022): here 1 %, 8 at a time.
    "starlink": (
        "low orbits",
        {"latency": "25ms", "jitter": "7ms", "distribution": "lognormal", "loss": GilbertElliott(0.00126, 0.125), "rate": "100Mbit", "mtu": 1500},
    ),
}
"""By name: what it is, and the impairments. One way; jitter and loss beside comcast's figures are common practice and no measurement."""

_MACHINES: dict[str, tuple[str, str, dict[str, str]]] = {
    # A test runner with more processes than cores: Linux's scheduler gives a thread its turn after tens of milliseconds then (sched(7): a real-time
    # task may leave 50 ms of each second to all others; CFS bandwidth control takes a container out for the rest of its 100 ms).
    "busy": ("wired, and machines that have too much to do", "lan", {"stalls": "50ms", "sends": "random", "collect": "random"}),
    # An application that is not in front is put aside at any moment, for as long as it pleases the telephone; what the radio has not sent fills the buffer.
    "phone": ("LTE, and an application that is put aside", "4g", {"stalls": "random", "sends": "random"}),
}
"""By name: what it is, the profile of its link, and what the world is besides. No measurement says how often: that is the tape's."""

# Swarm testing (Groce et al., ISSTA 2012): a mix that leaves some faults out finds what a mix of all of them hides. Of the answers to each
# question half mean "none"; the others grow.
_HOSTILE: dict[str, tuple[Any, ...]] = {
    "latency": ("1ms", "10ms", "100ms", "500ms", "2s"),
    "jitter": ("1ms", "20ms", "200ms", "1s"),
    "distribution": DISTRIBUTIONS[1:],
    "loss": (0.001, 0.01, 0.05, 0.2, 0.35),
    "bursts": (0.5, 0.25, 0.1),
    "duplicate": (0.01, 0.1, 0.5),
    "corrupt": (0.001, 0.01, 0.1),
    "reorder": (0.01, 0.1, 0.5),
    "rate": ("100Mbit", "1Mbit", "56kbit", "9600bit"),
    "queue": (100, 10, 2),
    "mtu": (1280, 576, 296),
}
HOSTILE_WORLD: dict[str, tuple[str, ...]] = {"stalls": ("50ms", "random"), "sends": ("random",), "collect": ("random",)}
"""What a world is besides whose link is hostile; drawn likewise."""


class Hostile(Link):
    """The ``link`` option when it is ``"hostile"``: stands for the link that a run draws."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'hostile'"

    def as_dict(self) -> dict[str, Any]:
        return {"profile": "hostile"}

    def draw(self, tape: Tape) -> Link:
        """The link of this run."""
        mix = {}
        for name, values in _HOSTILE.items():
            answer = tape.stream(f"hostile link {name}").choose(2 * len(values)) - len(values)
            if answer >= 0:
                mix[name] = values[answer]
        return Link(**_sensible(mix))


def _sensible(mix: dict[str, Any]) -> dict[str, Any]:
    """Without what has no meaning alone."""
    bursts = mix.pop("bursts", 0)
    if bursts and "loss" in mix:
        # p/(p+r) is the share of loss, 1/r the length of a burst.
        mix["loss"] = GilbertElliott(mix["loss"] * bursts / (1 - mix["loss"]), bursts)
    if "jitter" not in mix:
        mix.pop("distribution", None)
        if "latency" not in mix:
            mix.pop("reorder", None)
    if "rate" not in mix:
        mix.pop("queue", None)
    return mix


def hostile_words(what: str, answer: int) -> str:
    """What an answer to ``hostile`` means: nothing, or the fault that it adds."""
    values = _HOSTILE.get(what, ())
    place = answer - len(values)
    return f"the hostile link of this run has {what}={values[place]!r}" if 0 <= place < len(values) else ""


class WithMachines(Link):
    """A link that says as well what the machines at its ends are like: the options ``besides`` of the world whose link it is."""

    __slots__ = ("besides", "name")
    name: str
    besides: dict[str, str]

    def but(self, **impairments: Unpack[Impairments]) -> Link:
        link = WithMachines()
        self.copy_to(link, **impairments)
        link.name, link.besides = self.name, self.besides
        return link


def _with_machines(name: str) -> Link:
    _, link, besides = _MACHINES[name]
    made = WithMachines(**_TABLE[link][1])
    made.name, made.besides = name, besides
    return made


HOSTILE = Hostile()
PROFILES: dict[str, Link] = {
    **{name: Link(**settings) if settings else PERFECT for name, (_, settings) in _TABLE.items()},
    **{name: _with_machines(name) for name in _MACHINES},
    "hostile": HOSTILE,
}


def hostile_world_words(what: str, answer: int) -> str:
    """The same for what is not the link's."""
    values = HOSTILE_WORLD.get(what, ())
    place = answer - len(values)
    return f"this hostile run has {what}={values[place]!r}" if 0 <= place < len(values) else f"this hostile run has no {what}"


def make_link(link: Any) -> Link:
    """Read the ``link`` option: a ``Link`` or a profile's name."""
    if isinstance(link, Link):
        return link
    if isinstance(link, str):
        if link in PROFILES:
            return PROFILES[link]
        raise UsageError(f"link: unknown profile {link!r}; expected a Link or one of {', '.join(map(repr, PROFILES))}{meant(link, PROFILES)}")
    raise UsageError(f"link: expected a Link or a profile's name, got {link!r}")


def besides(link: Link) -> dict[str, str]:
    """Options of the world whose link it is, where nothing else is said of them."""
    return link.besides if isinstance(link, WithMachines) else {}


def line(link: Link) -> Link:
    """The link between some hosts of a world. Raises ``UsageError`` for one that says what machines are like: that is the world's."""
    if isinstance(link, WithMachines):
        options = ", ".join(f"{name}={value!r}" for name, value in link.besides.items())
        raise UsageError(
            f"link: {link.name!r} says what all machines of the world are like, too ({options}), so it can only be the link of the whole world; "
            f"the link alone is {_MACHINES[link.name][1]!r}"
        )
    return link


def changed(link: Any, impairments: dict[str, Any]) -> Link:
    """A link or a profile, with some impairments of its own."""
    base = make_link(link)
    if not impairments:
        return base
    if isinstance(base, Hostile):
        raise UsageError(f"link: 'hostile' draws all its impairments; {', '.join(impairments)} cannot be given beside it")
    return base.but(**impairments)


def profile_rows() -> list[tuple[str, str, str]]:
    """(name, what it is, its impairments) of every profile, for people."""
    rows = [(name, about, PROFILES[name].described()) for name, (about, _) in _TABLE.items()]
    for name, (about, _, options) in _MACHINES.items():
        rows.append((name, about, ", ".join([PROFILES[name].described(), *(f"{option} {value}" for option, value in options.items())])))
    return [*rows, ("hostile", "each run draws its own mix: some faults off, some wild", "")]
