"""Links by name: what they are, that tokens carry them, and that "hostile" is another in every run."""

from __future__ import annotations

import pickle
import threading
import time

import pytest

import simsock
from simsock.cli import main
from simsock.errors import UsageError
from simsock.net.fabric import fabric_of
from simsock.net.link.profiles import PROFILES, make_link
from simsock.net.link.settings import PERFECT, GilbertElliott, Link
from simsock.report.story import Teller

NAMES = "perfect loopback lan datacenter wifi flaky-wifi dsl 4g 3g edge gprs dial-up satellite-geo starlink busy phone hostile".split()


def ping(sim):
    """A datagram from client to server; the seconds it took, None when it was lost."""
    inbox, sender = sim.datagram(host="server"), sim.datagram(host="client")
    inbox.settimeout(20)
    sender.sendto(b"x", inbox.getsockname())
    try:
        inbox.recv(10)
    except TimeoutError:
        return None
    return sim.now


def test_all_names_are_there():
    assert list(PROFILES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_is_the_links_condition_and_its_token_carries_it(name):
    with simsock.Simulation(link=name, seed=5) as sim:
        assert sim.options.link == PROFILES[name]
        first = ping(sim)
        token = sim.token
    with simsock.Simulation(token=token) as again:
        assert again.options.link == PROFILES[name]
        assert repr(again.options.link) == repr(PROFILES[name])
        assert ping(again) == first


def test_a_profile_goes_into_sim_link_and_some_of_it_may_be_changed():
    with simsock.Simulation() as sim:
        sim.link("client", "server", "satellite-geo", loss=0, jitter=0)
        assert ping(sim) == pytest.approx(0.28, abs=1e-4)
        sim.link("client", "server", Link(latency="1s"), both_ways=False)
        before = sim.now
        assert ping(sim) == before + 1
        sim.link("client", "server")
        assert ping(sim) == before + 1


def test_a_changed_profile_keeps_the_rest():
    assert PROFILES["dsl"].but(latency="1ms") == Link(latency="1ms", jitter="3ms", loss="0.5%", rate="8Mbit", mtu=1492)
    assert PROFILES["perfect"] is PERFECT
    assert PROFILES["flaky-wifi"].loss == GilbertElliott(0.0132, 0.25)


def test_explore_and_the_marker_s_options_take_a_name():
    def needs_time(sim):
        ping(sim)
        assert sim.now == 0

    verdict = simsock.explore(needs_time, schedules=3, link="gprs")
    assert verdict.failed
    with pytest.raises(AssertionError):
        simsock.replay(needs_time, verdict.token)


def hostile_links(seeds):
    links = {}
    for seed in seeds:
        with simsock.Simulation(link="hostile", seed=seed) as sim:
            net = fabric_of(sim._kernel)
            links[seed] = net.wire(net.host("a"), net.host("b")).link
            assert net.wire(net.host("b"), net.host("c")).link is links[seed]
    return links


@pytest.mark.once
def test_hostile_draws_another_mix_in_each_run_with_some_faults_off_and_some_wild():
    links = hostile_links(range(200))
    assert links == hostile_links(range(200))
    assert len(set(map(repr, links.values()))) > 150
    for name in ("latency_ns", "jitter_ns", "loss", "duplicate", "corrupt", "rate", "mtu"):
        without = sum(not getattr(link, name) for link in links.values())
        assert 60 <= without <= 140, name  # half of 200, within 5.6 standard deviations
    assert any(isinstance(link.loss, GilbertElliott) for link in links.values())


def test_hostile_without_deviations_is_perfect():
    """What shrinking takes away is a fault."""
    with simsock.Simulation(link="hostile", seed=1) as sim:
        ping(sim)
        token = simsock.choices.Token.decode(sim.token)
    dull = simsock.choices.Token(token.seed, token.options, ()).encode()
    with simsock.Simulation(token=dull) as again:
        assert ping(again) == 0
        net = fabric_of(again._kernel)
        assert not net.wire(net.host("client"), net.host("server")).link.as_dict()


def test_a_failure_on_a_hostile_link_is_shrunk_to_the_faults_that_it_needs_and_told():
    def both_arrive(sim):
        assert ping(sim) is not None

    verdict = simsock.explore(both_arrive, schedules=300, link="hostile")
    assert verdict.failed
    texts = [str(step) for step in verdict.deviations]
    assert len(texts) <= 2
    assert all(text.startswith(("the hostile link of this run has ", "packet ")) for text in texts), texts


def test_what_hostile_drew_stands_in_the_records():
    with simsock.Simulation(link="hostile", seed=2) as sim:
        ping(sim)
        drawn = [record for record in sim.records if record[1:3] == ("net", "hostile")]
    assert len(drawn) == 1 and drawn[0][3].startswith("Link(")
    assert any(deviation.label.startswith("hostile link ") for deviation in sim.deviations)


def test_the_words_of_a_drawn_fault_name_it():
    sim = simsock.Simulation(link="hostile", seed=2)
    teller = Teller()
    teller.listen(sim)
    with sim:
        ping(sim)
        net = fabric_of(sim._kernel)
        drawn = net.wire(net.host("client"), net.host("server")).link
    text = str(teller.story(None))
    if drawn.mtu:
        assert f"the hostile link of this run has mtu={drawn.mtu}" in text
    assert "the hostile link of this run" in text


@pytest.mark.parametrize(
    ("condition", "impairments", "text"),
    [
        ("dialup", {}, "unknown profile 'dialup'; expected a Link or one of 'perfect', 'loopback'"),
        (3, {}, "expected a Link or a profile's name, got 3"),
        ("hostile", {"loss": 0.1}, "'hostile' draws all its impairments; loss cannot be given beside it"),
        ("lan", {"speed": 3}, "unknown impairment speed=3"),
        ("busy", {}, "'busy' says what all machines of the world are like, too (stalls='50ms', sends='random', collect='random'), so it can only be"),
        ("phone", {"loss": 0.1}, "the link alone is '4g'"),
    ],
)
def test_conditions_that_make_no_sense_are_errors(condition, impairments, text):
    with simsock.Simulation() as sim, pytest.raises(UsageError) as caught:
        sim.link("a", "b", condition, **impairments)
    assert text in str(caught.value)


@pytest.mark.parametrize(("name", "link", "said"), [("busy", "lan", ("50ms", "random", "random")), ("phone", "4g", ("random", "random", None))])
def test_a_profile_may_say_what_the_world_is_besides(name, link, said):
    changed = {"loss": "3%"}
    for given, impairments in ((name, {}), (PROFILES[name].but(**changed), changed), (pickle.loads(pickle.dumps(PROFILES[name])), {})):
        with simsock.Simulation(link=given, seed=7) as sim:
            assert (sim.options.stalls, sim.options.sends, sim.options.collect) == said
            assert sim.options.link == make_link(link).but(**impairments)
        with simsock.Simulation(token=sim.token) as again:
            assert again.options.as_dict() == sim.options.as_dict()


def test_what_is_said_beside_such_a_profile_goes_before_it():
    options = simsock.Simulation(link="busy", stalls="2s", sends="bytes").options
    assert (options.stalls, options.sends, options.collect) == ("2s", "bytes", "random")
    assert simsock.Simulation(link=simsock.Link(latency="1ms")).options.stalls is None


def test_a_search_by_such_a_profile_finds_what_takes_a_machine_that_is_late_and_tells_it():
    def asked_in_time(sim):
        ready = threading.Event()
        thread = threading.Thread(target=ready.set)
        thread.start()
        time.sleep(0.001)
        assert ready.is_set()

    assert simsock.explore(asked_in_time, 200, link="lan").status == "inconclusive"
    for link in ("busy", "phone"):
        verdict = simsock.explore(asked_in_time, 200, link=link)
        assert verdict.failed and "stood still" in str(verdict) and len(verdict.deviations) == 1
        with pytest.raises(AssertionError):
            simsock.replay(asked_in_time, verdict.token)


def test_the_command_lists_the_profiles(capsys):
    assert main(["profiles"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == NAMES
    assert lines[NAMES.index("busy")].endswith("rate 1 Gbit, stalls 50ms, sends random, collect random")
    assert "latency 185 ms" in lines[NAMES.index("dial-up")] and "rate 40 kbit" in lines[NAMES.index("dial-up")]
