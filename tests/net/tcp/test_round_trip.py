"""How long a sender waits."""

from __future__ import annotations

from simsock.net.tcp.round_trip import RTO_CEILING_NS, RoundTrip

MS = 1_000_000


def test_before_the_first_measurement_it_waits_one_second():
    assert RoundTrip(None).timeout_ns == 1000 * MS


def test_the_first_measurement_counts_whole_with_half_of_it_as_variation():
    trip = RoundTrip(400 * MS)
    assert (trip.smoothed_ns, trip.variation_ns, trip.timeout_ns) == (400 * MS, 200 * MS, 1200 * MS)


def test_a_later_one_counts_an_eighth_and_its_distance_a_quarter():
    trip = RoundTrip(400 * MS)
    trip.measured(800 * MS)
    assert trip.variation_ns == 200 * MS + (400 - 200) * MS // 4
    assert trip.smoothed_ns == 450 * MS
    assert trip.timeout_ns == 450 * MS + 4 * 250 * MS


def test_it_waits_at_least_200_ms_longer_than_the_round_trip():
    assert RoundTrip(10 * MS).timeout_ns == 210 * MS
    assert RoundTrip(0).timeout_ns == 200 * MS


def test_the_wait_doubles_up_to_two_minutes_and_progress_undoes_it():
    trip = RoundTrip(0)
    waits = []
    for _ in range(11):
        trip.back_off()
        waits.append(trip.timeout_ns // MS)
    assert waits[:3] == [400, 800, 1600] and trip.timeout_ns == RTO_CEILING_NS == 120_000 * MS
    trip.renew()
    assert trip.timeout_ns == 200 * MS


def test_progress_before_any_measurement_leaves_it_at_a_second():
    trip = RoundTrip(None)
    trip.back_off()
    trip.renew()
    assert trip.timeout_ns == 1000 * MS


def test_no_measurement_makes_it_wait_longer_than_two_minutes():
    assert RoundTrip(200_000 * MS).timeout_ns == RTO_CEILING_NS
