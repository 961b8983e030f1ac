"""Where things stand in the pictures of a report: numbers for the page's templates to draw by.

Owns the geometry of the sequence diagram, of the axis of virtual time and of bars. Knows facts as they stand in a report's JSON, not where they come
from, and nothing of colours. Law: whatever the facts are, numbers come out, and as many as there are things to draw.
"""

from __future__ import annotations

from typing import Any

from simsock.kernel.units import NS

LANE_MIN, LANE_MAX, ROOM = 190, 420, 1000
"""Pixels between two lifelines, and what all of them have if they can."""
LETTER = 7.3
GUTTER = 96
ROW = 30
AXIS_WIDTH = 900
AXIS_LEFT = 130
BANDS = {"partition": "heal", "hold": "release", "crash": "restart", "pause": "resume"}
"""Faults that last, and what ends them."""
BINS = 24
_ENDS = frozenset(BANDS.values())


def time_text(ns: int) -> str:
    """``"1.25 ms"``: a virtual time for people."""
    for unit, size in (("s", NS), ("ms", 1_000_000), ("µs", 1_000)):
        if abs(ns) >= size:
            return f"{ns / size:.5g} {unit}"
    return f"{ns} ns" if ns else "0"


# -- the sequence diagram ----------------------------------------------------------------------------------------------------------------


def sequence(packets: list[dict[str, Any]], faults: list[dict[str, Any]]) -> dict[str, Any]:
    """Lifelines from left to right, time downwards, each moment at which something happened a row: arrows from row to row."""
    lines = list(dict.fromkeys(name for packet in packets for name in (packet["source"], packet["target"])))
    lane = max(LANE_MIN, min(LANE_MAX, ROOM // max(1, len(lines))))
    moments: list[tuple[int, int, int, str, int]] = []
    for number, packet in enumerate(packets):
        moments.append((packet["sent_ns"], 2 * packet["number"], number, "leaves", number))
        if packet["arrived_ns"] is not None and packet["arrived_ns"] > packet["sent_ns"]:
            moments.append((packet["arrived_ns"], -1, number, "arrives", number))
    moments += [(fault["at_ns"], 2 * fault["after_packets"] + 1, number, "fault", number) for number, fault in enumerate(faults)]
    left: dict[int, int] = {}
    there: dict[int, int] = {}
    times: list[dict[str, Any]] = []
    bands: list[dict[str, Any]] = []
    y, last = ROW, None
    for at, _, _, what, number in sorted(moments):
        if at != last:
            times.append({"y": y, "text": time_text(at)})
            last = at
        if what == "leaves":
            left[number] = y
        elif what == "arrives":
            there[number] = y
        else:
            bands.append({"y": y, "text": faults[number]["text"]})
        y += ROW
    arrows = [_arrow(packet, lines, lane, left[number], there.get(number, left[number])) for number, packet in enumerate(packets)]
    return {
        "lines": [{"name": name, "x": _x(place, lane)} for place, name in enumerate(lines)],
        "arrows": arrows,
        "times": times,
        "bands": bands,
        "height": y + ROW,
        "width": _x(max(0, len(lines) - 1), lane) + lane // 2 + 20,
    }


def _x(place: int, lane: int) -> int:
    return GUTTER + lane // 2 + place * lane


def _arrow(packet: dict[str, Any], lines: list[str], lane: int, top: int, bottom: int) -> dict[str, Any]:
    here, there = _x(lines.index(packet["source"]), lane), _x(lines.index(packet["target"]), lane)
    gone = packet["fate"] in ("lost", "cut off")
    end = here + round((there - here) * 0.55) if gone else there
    says = [packet["flags"].replace("PSH ACK", "data") if packet["protocol"] == "tcp" else packet["protocol"]]
    if packet["bytes"]:
        says.append(f"{packet['bytes']:,} B  {packet['data']}")
    if packet["again"]:
        says.insert(0, "again:")
    late = packet["late_ns"] * 2 > packet["expected_ns"] and packet["late_ns"] > 0
    kind = "lost" if packet["fate"] == "lost" else "cut" if packet["fate"] == "cut off" else "way" if packet["fate"] == "under way" else ""
    kind = kind or ("late" if late else "reset" if "RST" in packet["flags"] else "plain")
    fate = packet["fate"] + (f": {packet['why']}" if packet["why"] else "") if packet["fate"] != "arrived" else ""
    if late and not fate:
        fate = f"{time_text(packet['late_ns'])} late"
    right = there >= here
    told = f"{packet['source']} → {packet['target']}, {time_text(packet['sent_ns'])}: {packet['protocol']} {packet['flags']} {packet['data']} {fate}"
    return {
        "x1": here,
        "y1": top,
        "x2": end if here != there else here + 26,
        "y2": bottom,
        "itself": here == there,
        "kind": kind,
        "text": " ".join(filter(None, says))[: int((lane - 20) / LETTER)],
        "fate": fate,
        "text_x": here + (8 if right else -8),
        "anchor": "start" if right else "end",
        "head": 1 if right else -1,
        "title": told.strip(),
    }


# -- the axis of virtual time -------------------------------------------------------------------------------------------------------------


def axis(ended_ns: int, packets: list[dict[str, Any]], faults: list[dict[str, Any]], hosts: list[str]) -> dict[str, Any] | None:
    """One row a host with what it sent, and one for each fault that lasted. None when all of it took no virtual time."""
    if ended_ns <= 0:
        return None
    scale = (AXIS_WIDTH - AXIS_LEFT - 20) / ended_ns

    def x(ns: int) -> float:
        return round(AXIS_LEFT + min(max(ns, 0), ended_ns) * scale, 1)

    senders = [host for host in hosts if any(packet["source"].split(" ")[0] == host for packet in packets)][:12]
    rows = [
        {
            "name": host,
            "ticks": [
                {"x": x(packet["sent_ns"]), "kind": "odd" if packet["fate"] in ("lost", "cut off") else "plain"}
                for packet in packets
                if packet["source"].split(" ")[0] == host
            ],
        }
        for host in senders
    ]
    spans = []
    for place, fault in enumerate(faults):
        if fault["what"] in _ENDS:
            continue
        ends = BANDS.get(fault["what"])
        later = [one["at_ns"] for one in faults[place + 1 :] if one["what"] == ends and (not one["on"] or set(one["on"]) & set(fault["on"]))] if ends else []
        until = min(later, default=ended_ns) if ends else fault["at_ns"]
        spans.append({"x": x(fault["at_ns"]), "width": max(3.0, round(x(until) - x(fault["at_ns"]), 1)), "text": fault["text"], "lasts": bool(ends)})
    step = _step(ended_ns / 8)
    return {
        "rows": rows,
        "spans": spans[:20],
        "ticks": [{"x": x(ns), "text": time_text(ns)} for ns in range(0, ended_ns + 1, step)],
        "width": AXIS_WIDTH,
        "height": 30 + 26 * (len(rows) + len(spans[:20])),
    }


def _step(at_least: float) -> int:
    """1, 2 or 5 times a power of ten."""
    size = 1
    while size * 10 <= at_least:
        size *= 10
    return next(size * times for times in (1, 2, 5, 10) if size * times >= at_least or times == 10)


# -- what came of clients -------------------------------------------------------------------------------------------------------------------


def client_charts(outcomes: dict[str, list[tuple[str, float, float]]]) -> list[dict[str, Any]]:
    """Of each kind of client, from (result, when it came, seconds it took): how many ended how in each part of the time, and how long they took."""
    last = max((came + took for ends in outcomes.values() for _, came, took in ends), default=0.0)
    charts = []
    for kind, ends in outcomes.items():
        slowest = max((took for _, _, took in ends), default=0.0)
        over: list[dict[str, int]] = [{} for _ in range(BINS)]
        times = [0] * BINS
        for result, came, took in ends:
            part = over[_bin(came + took, last)]
            part[result] = part.get(result, 0) + 1
            times[_bin(took, slowest)] += 1
        charts.append({"kind": kind, "over": over, "last_s": last, "times": times, "slowest_s": slowest})
    return charts


def _bin(value: float, most: float) -> int:
    return min(BINS - 1, int(value / most * BINS)) if most > 0 else 0


def bars(chart: dict[str, Any]) -> dict[str, Any]:
    """Where the bars of such a chart stand, in a picture of 320 by 90."""
    width, height = 320 / BINS, 70
    most = max((sum(part.values()) for part in chart["over"]), default=0) or 1
    over = []
    for place, part in enumerate(chart["over"]):
        y = 80.0
        for result, count in part.items():
            tall = count / most * height
            y -= tall
            over.append({"x": round(place * width, 1), "y": round(y, 1), "h": round(tall, 1), "result": result, "count": count})
    tallest = max(chart["times"], default=0) or 1
    times = [
        {"x": round(place * width, 1), "y": round(80 - count / tallest * height, 1), "h": round(count / tallest * height, 1), "count": count}
        for place, count in enumerate(chart["times"])
        if count
    ]
    return {"over": over, "times": times, "bar": round(width - 1, 1), "most": most, "tallest": tallest}


__all__ = ["axis", "bars", "client_charts", "sequence", "time_text"]
