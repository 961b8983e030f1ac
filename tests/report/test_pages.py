"""Reports as pages: what stands in them, and that nothing in them runs or asks for anything."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

import simsock
from simsock.report.drawing import axis, client_charts, sequence, time_text
from simsock.report.files import Reports
from simsock.report.page import index_page, page
from simsock.report.sight import Seen, Sight
from simsock.scenario.facts import facts_of_search

HOSTILE = "</script></style></title><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202e{{ 7*7 }}{% raw %}"


class Page(HTMLParser):
    """What a browser makes of a page: its elements with their attributes, and its text."""

    def __init__(self, source):
        super().__init__()
        self.elements = []
        self.words = []
        self.feed(source)
        self.close()
        assert source.isprintable() or set(re.findall(r"[^ -~]", source)) <= {letter for letter in source if letter == "\n" or letter.isprintable()}

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(self.words)

    def shape(self):
        """Which elements there are of those that a payload would need, and every attribute that could run or load something."""
        tags = sorted(tag for tag, _ in self.elements if tag in ("script", "style", "img", "iframe", "object", "link", "base", "form", "meta"))
        loads = [value for _, attributes in self.elements for name, value in attributes.items() if name.startswith("on") or name in ("src", "style", "srcdoc")]
        links = [attributes["href"] for tag, attributes in self.elements if tag == "a"]
        return tags, loads, links


HARMLESS = ["meta"] * 4 + ["script", "style"]


def losing(sim):
    """A client whose packets are cut off for a while, and lost."""
    sim.link("client", "server", latency="20ms")
    served = sim.serve(Greets)
    with sim.connect(served) as client:
        client.sendall(b"hello")
        assert client.recv(5) == b"HELLO"
        sim.partition("client", "server")
        client.sendall(b"lost")
        sim.sleep(1)
        sim.heal()
        sim.sleep(3)
    raise ValueError(HOSTILE)


class Greets(simsock.socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(100):
            self.request.sendall(data.upper())


def seen(test, **options):
    """What is seen of a world that ``test`` fails in, and its digest."""
    sight = Sight()
    sim = simsock.Simulation(**options)
    try:
        with sim:
            Seen(test, sight)(sim)
    except ValueError:
        pass
    return sight, sim.digest


def test_what_is_lost_late_and_cut_off_is_seen_and_changes_nothing():
    sight, digest = seen(losing)
    plain = simsock.Simulation()
    try:
        with plain:
            losing(plain)
    except ValueError:
        assert plain.digest == digest
    packets = [packet.as_dict() for packet in sight.packets()]
    first = packets[0]
    assert (first["source"], first["target"], first["flags"], first["sent_ns"], first["arrived_ns"]) == ("client", "server", "SYN", 0, 20_000_000)
    assert [
        (packet["bytes"], packet["fate"], packet["why"], packet["again"]) for packet in packets if packet["data"] == "lost" and packet["fate"] != "arrived"
    ][:2] == [(4, "cut off", "a partition", False), (4, "cut off", "a partition", True)]
    assert any(packet["data"] == "lost" and packet["again"] and packet["fate"] == "arrived" for packet in packets)
    assert [fault["what"] for fault in sight.faults] == ["link", "partition", "heal"][-len(sight.faults) :]
    assert {"client", "server"} <= set(sight.hosts)
    assert any(task[0].startswith("main") for task in sight.tasks)
    assert json.loads(json.dumps(sight.as_dict()))["packets_left_out"] == 0


def test_a_lost_packet_says_so_and_a_slow_one_how_late_it_was():
    def lossy(sim):
        sim.link("client", "server", latency="10ms", rate="8kbit")
        one, other = sim.datagram(host="client"), sim.datagram(host="server", address=("server", 9))
        for number in range(3):
            one.sendto(b"%d" % number * 100, ("server", 9))
        for _ in range(3):
            other.recv(1000)
        sim.link("client", "server", loss=1)
        one.sendto(b"gone", ("server", 9))

    sight, _ = seen(lossy)
    packets = sight.packets()
    assert [packet.fate for packet in packets] == ["arrived"] * 3 + ["lost"]
    assert packets[0].late_ns < packets[1].late_ns < packets[2].late_ns


def test_of_very_many_packets_the_first_the_last_and_the_unusual_are_kept():
    def much(sim):
        one, other = sim.datagram(host="client"), sim.datagram(host="server", address=("server", 9))
        for number in range(1_000):
            if number in (500, 501):
                sim.link("client", "server", loss=501 - number)
            one.sendto(b"%d" % number, ("server", 9))
        del other

    sight, _ = seen(much)
    packets = sight.packets()
    assert (packets[0].data, packets[-1].data, len(packets), sight.as_dict()["packets_left_out"]) == ("0", "999", 301, 699)
    assert [packet.data for packet in packets if packet.fate == "lost"] == ["500"]


def facts_of(test, **options):
    options = {"schedules": 20, **options}
    verdict = simsock.explore(test, **options)
    sight, _ = seen(test)
    return facts_of_search("mine:test", verdict, "simsock replay simsock1.abc mine:test", str(verdict), sight)


def test_a_page_shows_the_story_the_packets_and_the_command():
    facts = facts_of(losing)
    shown = Page(page({**facts, "simsock": "1"}, ["mine-test.json"]))
    for words in (
        "ValueError",
        "simsock replay simsock1.abc mine:test",
        "again: data 4 B  lost",
        "cut off: a partition",
        "partition client",
        "raise ValueError",
    ):
        assert words in shown.text, words
    ids = [attributes["id"] for _, attributes in shown.elements if "id" in attributes]
    assert len(ids) == len(set(ids)), "an id stands for one thing"
    assert {"story", "packets", "time", "tasks", "text"} <= set(ids)
    assert {attributes["href"][1:] for tag, attributes in shown.elements if tag == "a" and attributes["href"].startswith("#")} <= set(ids)
    assert all("tabindex" in attributes for _, attributes in shown.elements if "scroll" in attributes.get("class", "").split()), "the keyboard gets there"
    assert HOSTILE.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e") in shown.text


def test_no_payload_runs_and_nothing_is_asked_for():
    facts = {**facts_of(losing), "simsock": "1"}
    hostile = _everywhere(facts, HOSTILE)
    source = page(hostile, ["a.json"])
    tags, loads, links = Page(source).shape()
    assert (tags, loads) == (HARMLESS, [])
    assert all(link.startswith(("#", "./")) for link in links)
    assert "49" not in Page(source).text.split(), "a text is no template"
    (policy,) = [attributes["content"] for tag, attributes in Page(source).elements if attributes.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe" not in policy
    index = index_page([{**_row(facts), "title": HOSTILE, "error": HOSTILE, "page": "javascript:alert(1)", "files": [HOSTILE, "a.json"]}])
    tags, loads, links = Page(index).shape()
    assert (tags, loads) == (HARMLESS, [])
    assert all(link.startswith("./") for link in links), links


def _row(facts):
    return {"title": facts["title"], "kind": "test", "outcome": "fails", "good": False, "said": "", "error": None, "command": "", "page": "a.html", "files": []}


SET = {"fate", "kind", "good", "what", "protocol", "flags", "state"}


def _everywhere(value, text, key=""):
    """The same facts with ``text`` in the place of every other text."""
    if isinstance(value, str):
        return value if key in SET else text
    if isinstance(value, dict):
        return {name: _everywhere(one, text, name) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_everywhere(one, text, key) for one in value]
    return value


FACTS = {**facts_of(losing), "simsock": "1"}


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(), max_size=30) | st.sampled_from(["'\"`=<>&", "<!--", "]]>", "&lt;script&gt;", "\x00", "\ud800", "${1}", "{{x}}", "#}"]))
def test_whatever_text_there_is_the_page_has_the_same_elements(text):
    shown = Page(page(_everywhere(FACTS, text), [text]))
    tags, loads, _ = shown.shape()
    assert (tags, loads) == (HARMLESS, [])
    assert not any(name.startswith("on") for _, attributes in shown.elements for name in attributes)


numbers = st.integers(0, 10**15)
packets = st.lists(
    st.fixed_dictionaries(
        {
            "source": st.sampled_from(["a", "b", "c 1.2.3.4:5"]),
            "target": st.sampled_from(["a", "b", "d"]),
            "sent_ns": numbers,
            "number": st.integers(1, 1000),
            "arrived_ns": st.none() | numbers,
            "fate": st.sampled_from(["arrived", "lost", "cut off", "under way"]),
            "why": st.just(""),
            "late_ns": numbers,
            "expected_ns": numbers,
            "again": st.booleans(),
            "protocol": st.sampled_from(["tcp", "udp"]),
            "flags": st.sampled_from(["", "SYN", "PSH ACK", "RST"]),
            "bytes": numbers,
            "data": st.text(max_size=5),
        }
    ),
    max_size=8,
)
faults = st.lists(
    st.fixed_dictionaries(
        {
            "at_ns": numbers,
            "after_packets": st.integers(0, 1000),
            "what": st.sampled_from(["partition", "heal", "crash", "restart", "link"]),
            "on": st.lists(st.sampled_from("ab")),
            "text": st.text(),
        }
    ),
    max_size=4,
)


@settings(max_examples=20, deadline=None)
@given(packets, faults, numbers)
def test_pictures_can_be_drawn_of_whatever_happened(packets, faults, ended):
    picture = sequence(packets, faults)
    assert len(picture["arrows"]) == len(packets) and len(picture["bands"]) == len(faults)
    assert all(0 <= arrow["y1"] <= arrow["y2"] <= picture["height"] for arrow in picture["arrows"])
    line = axis(ended, packets, faults, ["a", "b"])
    assert (line is None) == (ended == 0)
    if line is not None:
        assert len(line["ticks"]) <= 12
        assert all(0 <= tick["x"] <= line["width"] for row in line["rows"] for tick in row["ticks"])


def test_within_one_moment_what_came_first_stands_above():
    sight, _ = seen(losing)
    picture = sequence([packet.as_dict() for packet in sight.packets()], sight.faults)
    (cut,) = [band["y"] for band in picture["bands"] if band["text"].startswith("partition")]
    assert min(arrow["y1"] for arrow in picture["arrows"] if arrow["kind"] == "cut") > cut


def test_times_are_told_in_the_unit_that_suits_them():
    assert [time_text(ns) for ns in (0, 999, 1_500, 20_000_000, 3_320_000_000)] == ["0", "999 ns", "1.5 µs", "20 ms", "3.32 s"]


def test_clients_are_counted_by_when_they_ended_and_how_long_they_took():
    (chart,) = client_charts({"polite": [("served", 0.0, 1.0), ("served", 0.0, 1.0), ("refused", 10.0, 0.0), ("timed out", 2.0, 10.0)]})
    assert [part for part in chart["over"] if part] == [{"served": 2}, {"refused": 1}, {"timed out": 1}]
    assert sum(chart["times"]) == 4 and chart["last_s"] == 12


def test_an_index_lists_all_reports_that_were_written(tmp_path):
    reports = Reports(str(tmp_path), "1")
    for _ in range(2):
        paths = reports.write("index", "text", lambda: FACTS)
    assert [path.rpartition("/")[2] for path in paths] == ["index-3.html", "index-3.txt", "index-3.json"], "the index's own name is taken"
    listed = json.loads((tmp_path / "index.json").read_text())["reports"]
    assert [row["page"] for row in listed] == ["index-2.html", "index-3.html"]
    assert "2 reports" in (tmp_path / "index.html").read_text()
    assert json.loads((tmp_path / "index-2.json").read_text())["schema"] == 1
