"""Each schedule of a search leaves some of several faults out, the first leaves out all; what else runs ask stays what it is."""

from __future__ import annotations

import socket
import threading

import pytest

import simsock
from simsock.choices.swarm import KINDS, SwarmSource, kind_of

BOTH = simsock.Link(latency="1ms", loss="30%", duplicate="30%")


def deliver(sim):
    inbox, sender = sim.datagram(host="server"), sim.datagram(host="client")
    inbox.settimeout(0.1)
    got = []
    for number in range(10):
        sender.sendto(bytes([number]), inbox.getsockname())
    while True:
        try:
            got.append(inbox.recv(10))
        except TimeoutError:
            return got


def mixes(schedules=60, **options):
    """Of each schedule: whether something was lost, and whether something was doubled."""
    seen = []

    def test(sim):
        got = deliver(sim)
        seen.append((len(set(got)) < 10, len(set(got)) < len(got)))

    assert simsock.explore(test, schedules, preempt="calls", strategy="fifo", **options).status == "inconclusive"
    return seen


def test_every_mix_comes_and_the_first_schedule_is_the_dull_one():
    seen = mixes(link=BOTH)
    assert seen[0] == (False, False)
    counts = {mix: seen.count(mix) for mix in seen}
    assert len(counts) == 4 and min(counts.values()) > 5


def test_one_fault_alone_is_in_every_schedule():
    assert all(lost for lost, _ in mixes(20, link=simsock.Link(loss="60%")))


def test_what_a_test_configures_itself_counts_as_well():
    def mix(sim):
        sim.link("client", "server", BOTH)
        got = deliver(sim)
        sim.sometimes(len(set(got)) == len(got) == 10, "nothing")
        sim.sometimes(len(set(got)) < 10, "lost")
        sim.sometimes(len(set(got)) < len(got), "doubled")

    verdict = simsock.explore(mix, 40, preempt="calls")
    assert verdict.status == "inconclusive"
    assert verdict.places["nothing"].happened_in >= 5


def test_a_failing_schedule_is_repeated_and_shrunk_without_what_was_left_out():
    def test(sim):
        got = deliver(sim)
        assert len(got) <= 10, "a datagram came twice"

    verdict = simsock.explore(test, 50, preempt="calls", link=BOTH)
    assert verdict.failed and verdict.failing_schedule > 1
    assert len(verdict.deviations) == 1
    with pytest.raises(AssertionError, match="came twice"):
        simsock.replay(test, verdict.token)


def test_in_the_first_schedule_every_send_takes_all():
    def test(sim):
        one, other = socket.socketpair()
        with one, other:
            assert one.send(b"x" * 100) == 100

    assert simsock.explore(test, 1, sends="random").status == "inconclusive"
    assert simsock.explore(test, 5, sends="random").failing_schedule == 2


def test_results_do_not_depend_on_the_number_of_processes():
    def seen(**more):
        verdict = simsock.explore(deliver_quietly, 30, preempt="calls", link=BOTH, **more)
        return verdict.faults

    assert seen() == seen(jobs=2)


def deliver_quietly(sim):
    deliver(sim)


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("link a->b loss", "loss"),
        ("link a->b loss in burst", "loss"),
        ("link a->b burst", "loss"),
        ("link a->b reorder", "reorder"),
        ("link a->b jitter", ""),
        ("task main/x stall", "stalls"),
        ("task main/x schedule", ""),
        ("task main/x collect", "collect"),
        ("sends a->b #1", "sends"),
        ("chunks a<-b #1", "chunks"),
        ("resolver a temporary", "resolver"),
        ("hostile link loss", ""),
        ("signal SIGTERM #1", ""),
    ],
)
def test_questions_are_known_by_their_labels(label, kind):
    assert kind_of(label) == kind
    assert not kind or kind in KINDS


def test_what_is_left_out_depends_on_the_schedule_s_seed_and_the_kind_alone():
    one, other = SwarmSource("7/3", 3), SwarmSource("7/3", 3)
    other.configured(["loss", "sends"])
    assert [one.leaves_out(kind) for kind in KINDS] == [other.leaves_out(kind) for kind in KINDS]
    shares = [sum(SwarmSource(f"0/{number}", number).leaves_out(kind) for number in range(2, 402)) for kind in KINDS]
    assert all(150 < share < 250 for share in shares)


# -- no option shifts what another one asks -----------------------------------------------------------------------------------------------------


def busy(sim):
    """Threads, a lock, a stream over a link that loses, and two datagrams."""
    lock, seen = threading.Lock(), []

    def work(number):
        with lock:
            seen.append(number)

    with sim.host("server"):
        listener = socket.create_server(("server", 80))
    client = sim.connect(("server", 80))
    accepted, _ = listener.accept()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    client.sendall(b"x" * 10)
    for thread in threads:
        thread.join()
    assert accepted.recv(10)
    accepted.close()
    listener.close()


def deviations(**options):
    with simsock.Simulation(seed=5, strategy="random", link=simsock.Link(latency="3ms", jitter="2ms", loss="20%"), **options) as sim:
        busy(sim)
    return sim.deviations, sim.digest


def test_the_options_off_is_the_same_run_as_the_options_not_said():
    plain = deviations()
    assert plain == deviations(stalls=None, sends="whole", chunks="whole", collect=None, asyncio_order="documented", require_faults=False)
    assert plain == deviations(require_faults=True)


@pytest.mark.parametrize("option", [{"sends": "random"}, {"chunks": "random"}, {"collect": "random"}, {"asyncio_order": "any"}], ids=str)
def test_one_that_is_on_adds_answers_of_its_own_and_leaves_the_others(option):
    [name] = option
    own = {"sends": "sends ", "chunks": "chunks ", "collect": "task ", "asyncio_order": "loop "}[name]
    plain, _ = deviations()
    more, _ = deviations(**option)
    rest = [answer for answer in more if not (answer[0].startswith(own) and not answer[0].endswith(" schedule"))]
    assert rest == plain


@pytest.mark.parametrize("seed", range(6))
def test_a_task_that_stands_still_changes_who_can_run_and_no_answer_of_others(seed):
    def answers(**options):
        with simsock.Simulation(seed=seed, strategy="random", link=simsock.Link(latency="3ms", jitter="2ms", loss="20%"), **options) as sim:
            busy(sim)
        return sim.deviations

    plain, stalled = answers(), answers(stalls="50ms")
    first = next((place for place, answer in enumerate(stalled) if answer[0].endswith(" stall")), len(stalled))
    assert stalled[:first] == plain[:first]
    known = {answer[:2]: answer[2] for answer in plain}
    questions = {}
    for label, index in known:
        questions[label] = max(questions.get(label, 0), index)
    for label, index, value in stalled:
        if label.startswith("link ") and index <= questions.get(label, -1):
            assert known.get((label, index)) == value


# -- hostile worlds --------------------------------------------------------------------------------------------------------------------------


def test_a_hostile_world_draws_stalls_short_sends_and_collections_too():
    drawn = {"stalls": 0, "sends": 0, "collect": 0}
    for seed in range(60):
        with simsock.Simulation(seed=seed, link="hostile") as sim:
            deliver(sim)
        for label, _, _ in sim.deviations:
            if label.startswith("hostile world "):
                drawn[label.removeprefix("hostile world ")] += 1
    assert all(count >= 15 for count in drawn.values()), drawn


def sent_at_once(data):
    with socket.create_server(("127.0.0.1", 80)) as listener, socket.create_connection(("127.0.0.1", 80)) as client:
        accepted, _ = listener.accept()
        sent = client.send(data)
        accepted.close()
        return sent


def test_what_a_hostile_world_has_drawn_is_told_and_repeated():
    def test(sim):
        sim.datagram(host="client")
        assert sent_at_once(b"hello world") == 11

    verdict = simsock.explore(test, 100, preempt="calls", link="hostile")
    assert verdict.status == "fails"
    assert "this hostile run has sends='random'" in str(verdict)
    assert len(verdict.deviations) == 2
    with pytest.raises(AssertionError):
        simsock.replay(test, verdict.token)


def test_what_is_said_beside_hostile_holds():
    with simsock.Simulation(seed=3, link="hostile", sends="bytes") as sim:
        sim.datagram(host="client")
        assert sent_at_once(b"hello") == 1
