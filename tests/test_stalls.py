"""When a silent trial is taken for hung."""

from study.cluster.stalls import PATIENCE, START_UP, UNKNOWN, Stalls

A, B = ("a", 0), ("b", 0)


def test_a_trial_is_hung_when_it_is_silent_for_much_longer_than_its_arms_epochs() -> None:
    stalls = Stalls()
    stalls.learn("none", [3.0, 5.0])
    stalls.learn("block", [60.0])
    running = [(A, "none"), (B, "block")]
    assert stalls.stalled(running, now=0.0) == []
    patience = START_UP + PATIENCE * 5.0
    assert stalls.stalled(running, now=patience) == []
    assert stalls.stalled(running, now=patience + 1) == [A]


def test_a_report_starts_the_wait_anew() -> None:
    stalls = Stalls(limit=10.0)
    assert stalls.stalled([(A, "none")], now=0.0) == []
    stalls.heard(A, now=8.0)
    assert stalls.stalled([(A, "none")], now=18.0) == []
    assert stalls.stalled([(A, "none")], now=18.1) == [A]


def test_the_next_attempt_begins_when_it_is_first_seen() -> None:
    stalls = Stalls(limit=10.0)
    stalls.stalled([(A, "none")], now=0.0)
    assert stalls.stalled([(("a", 1), "none")], now=100.0) == []
    assert stalls.stalled([(("a", 1), "none")], now=111.0) == [("a", 1)]


def test_an_arm_without_epochs_gets_the_benefit_of_the_doubt() -> None:
    assert Stalls().allowance("none") == UNKNOWN
