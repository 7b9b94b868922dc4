"""When a silent trial is taken for hung."""

from study.cluster.stalls import PATIENCE, START_UP, STARTS, UNKNOWN, Stalls

A, B = ("a", 0), ("b", 0)


def test_a_trial_is_hung_when_it_is_silent_for_much_longer_than_its_arms_epochs() -> None:
    stalls = Stalls()
    stalls.learn("none", [3.0, 5.0])
    stalls.learn("block", [60.0])
    running = [(A, "none"), (B, "block")]
    stalls.heard(A, now=0.0)
    stalls.heard(B, now=0.0)
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


def test_before_its_first_report_a_trial_may_be_silent_as_long_as_others_took_to_start() -> None:
    stalls = Stalls()
    assert stalls.stalled([(A, "none")], now=0.0) == []
    stalls.learn("none", [5.0])
    stalls.heard(A, now=300.0)  # what it loads takes long
    patience = START_UP + PATIENCE * 5.0
    assert stalls.stalled([(B, "none")], now=300.0) == []
    assert stalls.stalled([(B, "none")], now=300.0 + patience + STARTS * 300.0) == []
    assert stalls.stalled([(B, "none")], now=301.0 + patience + STARTS * 300.0) == [B]
    stalls.heard(B, now=2000.0)
    assert stalls.stalled([(B, "none")], now=2001.0 + patience) == [B]


def test_until_a_start_is_known_it_may_take_long() -> None:
    stalls = Stalls()
    stalls.learn("none", [5.0])  # of an earlier run of the study
    assert stalls.allowance("none", begun=False) == UNKNOWN
    stalls.heard(A, now=0.0)  # it took less than a look
    assert stalls.allowance("none", begun=False) == stalls.allowance("none")
