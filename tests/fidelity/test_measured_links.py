"""Links do what their numbers say, by measurement: fixed seeds, and bands of four standard deviations unless said otherwise."""

from __future__ import annotations

from bisect import bisect
from hashlib import blake2b
from itertools import pairwise
from math import e, erf, exp, log, sqrt
from statistics import NormalDist

import pytest

import simsock
from simsock.net.fabric import fabric_of
from simsock.net.link.distributions import DISTRIBUTIONS, offset_ns, possibilities, table
from simsock.net.link.settings import GilbertElliott

PACKETS = 20_000
SEEDS = [1, 2, 3]


def wire(sim, **impairments):
    """The way from a to b, to ask about packets one by one."""
    sim.host("a"), sim.host("b")
    sim.link("a", "b", both_ways=False, **impairments)
    net = fabric_of(sim._kernel)
    return net.wire(net.host("a"), net.host("b"))


def runs(flags):
    """The lengths of the uninterrupted runs of True."""
    lengths = []
    before = False
    for flag in flags:
        if flag:
            lengths[-1:] = [lengths[-1] + 1] if before else [*lengths[-1:], 1]
        before = flag
    return lengths


def within(count, share, trials=PACKETS):
    """Binomial distribution: mean n·p, standard deviation sqrt(n·p·(1-p))."""
    return abs(count - trials * share) <= 4 * sqrt(trials * share * (1 - share))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("share", [0.001, 0.01, 0.05, 0.3])
def test_independent_loss_loses_its_share_in_runs_of_geometric_length(seed, share):
    with simsock.Simulation(seed=seed) as sim:
        way = wire(sim, loss=share)
        lost = [way.lost() for _ in range(PACKETS)]
    assert within(sum(lost), share)
    # Independent losses: a run goes on with probability p, so pairs of neighbours are both lost p² of the time (here 6 deviations,
    # since pairs overlap, and one for rounding).
    pairs = sum(one and two for one, two in pairwise(lost))
    assert abs(pairs - PACKETS * share**2) <= 6 * sqrt(PACKETS * share**2) + 1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("p", "r"), [(0.01, 0.25), (0.005, 0.1), (0.1, 0.5)])
def test_gilbert_elliott_loses_p_of_p_plus_r_in_bursts_of_1_over_r(seed, p, r):
    """Salsano et al.: share of loss p/(p+r) and mean burst 1/r, when all is lost in bad spells and nothing in good ones."""
    with simsock.Simulation(seed=seed) as sim:
        way = wire(sim, loss=GilbertElliott(p, r))
        lost = [way.lost() for _ in range(PACKETS)]
    bursts = runs(lost)
    # A burst is geometric: mean 1/r, variance (1-r)/r².
    assert abs(sum(bursts) / len(bursts) - 1 / r) <= 4 * sqrt((1 - r) / r**2 / len(bursts))
    # The share of a two-state chain: its variance is π(1-π)/n · (1+λ)/(1-λ) with λ = 1-p-r.
    share, memory = p / (p + r), 1 - p - r
    assert abs(sum(lost) / PACKETS - share) <= 4 * sqrt(share * (1 - share) / PACKETS * (1 + memory) / (1 - memory))


def test_gilbert_elliott_with_partial_loss_in_both_states():
    """Share of loss: bad_loss·p/(p+r) + good_loss·r/(p+r) = 0.5·0.2 + 0.01·0.8."""
    with simsock.Simulation(seed=4) as sim:
        way = wire(sim, loss=GilbertElliott("5%", "20%", "1%", "50%"))
        lost = sum(way.lost() for _ in range(PACKETS))
    assert abs(lost / PACKETS - 0.108) < 0.108 * 0.15


@pytest.mark.parametrize("seed", SEEDS)
def test_jitter_is_uniform(seed):
    """Kolmogorov-Smirnov: the largest distance from the distribution function exceeds 1.95/sqrt(n) in 1 of 1,000 samples."""
    with simsock.Simulation(seed=seed) as sim:
        way = wire(sim, latency="50ms", jitter="20ms")
        delays = sorted(way.delay_ns() / 1e6 for _ in range(PACKETS))
    distance = 0.0
    for number, delay in enumerate(delays):
        expected = (delay - 30) / 40
        distance = max(distance, expected - number / PACKETS, (number + 1) / PACKETS - expected)
    assert delays[0] >= 30 and delays[-1] <= 70
    assert distance <= 1.95 / sqrt(PACKETS)


def normal(x):
    return (1 + erf(x / sqrt(2))) / 2


def pareto(x):
    """P(X <= x) = 1 - x**-3 from 1, mean 3/2, variance 3/4 (Johnson, Kotz, Balakrishnan: Continuous Univariate Distributions, ch. 20)."""
    x = 1.5 + x * sqrt(0.75)
    return 1 - x**-3 if x > 1 else 0.0


def lognormal(x):
    """The logarithm is standard normal: mean exp(1/2), variance (e - 1)e (the same, ch. 14)."""
    x = exp(0.5) + x * sqrt((e - 1) * e)
    return normal(log(x)) if x > 0 else 0.0


def exponential(x):
    return 1 - exp(-1 - x) if x > -1 else 0.0


SHAPES = {"normal": normal, "pareto": pareto, "lognormal": lognormal, "exponential": exponential}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SHAPES)
def test_jitter_has_the_distribution_asked_for_with_latency_as_its_mean_and_jitter_as_its_deviation(seed, name):
    """Kolmogorov-Smirnov with the band of 1.95/sqrt(n) as above; the tables' 4,096 steps are at most 1/4,096 off (0.0002 of a band of 0.0138)."""
    with simsock.Simulation(seed=seed) as sim:
        way = wire(sim, latency="100ms", jitter="10ms", distribution=name)
        offsets = sorted((way.delay_ns() / 1e6 - 100) / 10 for _ in range(PACKETS))
    distance = 0.0
    for number, offset in enumerate(offsets):
        expected = SHAPES[name](offset)
        distance = max(distance, expected - number / PACKETS, (number + 1) / PACKETS - expected)
    assert distance <= 1.95 / sqrt(PACKETS)


@pytest.mark.parametrize("seed", SEEDS)
def test_paretonormal_is_made_of_quantiles_a_quarter_normal_and_three_quarters_pareto(seed):
    """The share of the delays below each of seven quantiles, within four standard deviations of the binomial."""
    with simsock.Simulation(seed=seed) as sim:
        way = wire(sim, latency="100ms", jitter="10ms", distribution="paretonormal")
        offsets = sorted((way.delay_ns() / 1e6 - 100) / 10 for _ in range(PACKETS))

    def quantile(u):
        return NormalDist().inv_cdf(u) / 4 + 0.75 * ((1 - u) ** (-1 / 3) - 1.5) / sqrt(0.75)

    for share in (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99):
        assert within(bisect(offsets, quantile(share)), share)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_smaller_answer_is_a_smaller_disturbance_and_the_smallest_is_none(name):
    jitter = 1_000_000
    answers = range(0, possibilities(name, jitter), 1 if name != "uniform" else 997)
    sizes = [abs(offset_ns(name, jitter, answer)) for answer in answers]
    assert sizes[0] == 0 and sizes[-1] > jitter // 2
    assert all(one <= other + 1 for one, other in pairwise(sizes))


def test_the_tables_are_the_same_everywhere():
    digest = blake2b("".join(f"{name} {table(name)}" for name in DISTRIBUTIONS[1:]).encode(), digest_size=8).hexdigest()
    assert digest == "2746b359f2cf4abb"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_datagram_in_fragments_is_lost_when_one_of_them_is(seed):
    """1 - (1 - p)**n for n fragments: 4,000 bytes and 8 of the UDP header over 1,500, by 1,480 bytes of payload each, are 3."""
    with simsock.Simulation(seed=seed) as sim:
        sim.link("a", "b", mtu=1500, loss="5%")
        inbox, sender = sim.datagram(host="b"), sim.datagram(host="a")
        inbox.setblocking(False)
        got = 0
        for _ in range(5_000):
            sender.sendto(bytes(4_000), inbox.getsockname())
            sim.settle()
            try:
                inbox.recv(5_000)
                got += 1
            except BlockingIOError:
                pass
    assert within(got, 0.95**3, 5_000)


@pytest.mark.parametrize("seed", SEEDS)
def test_duplicates_damage_and_reordering_have_their_shares(seed):
    with simsock.Simulation(seed=seed) as sim:
        way = wire(sim, latency="10ms", duplicate="3%", corrupt="2%", reorder="5%")
        twice = sum(way.copies() == 2 for _ in range(PACKETS))
        damaged = sum(way.damaged(b"x") is None for _ in range(PACKETS))
        early = sum(way.delay_ns() == 0 for _ in range(PACKETS))
    assert within(twice, 0.03) and within(damaged, 0.02) and within(early, 0.05)


@pytest.mark.parametrize("rate", [256_000, 2_000_000, 50_000_000])
def test_a_transfer_takes_its_size_over_the_rate(rate):
    """RFC 9293 segments of 1,460 bytes and 40 of headers: size · 1500/1460 · 8 / rate, within 5 %."""
    data = bytes(500_000)
    with simsock.Simulation() as sim:
        sim.link("client", "server", rate=rate)
        network = sim.network.socket
        with sim.host("server") as server:
            listener = network.create_server((server.addresses[0], 80))

        def send():
            with network.create_connection(("server", 80)) as client:
                client.sendall(data)

        task = sim.spawn(send, host="client")
        with listener, listener.accept()[0] as peer:
            began, count = sim.now, 0
            while part := peer.recv(1 << 20):
                count += len(part)
            took = sim.now - began
        task.result()
    expected = len(data) * 1500 / 1460 * 8 / rate
    assert count == len(data)
    assert 0.95 * expected <= took <= 1.05 * expected
