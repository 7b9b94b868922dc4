"""One search of an arm: its trials in the order of their numbers, which of them wait, and how it ends."""

import heapq
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from fer_core.config import TrialConfig
from search_spaces.space import Arm
from study.plan import REDUCTION_FACTOR, Plan, SearchKey, TrialSpec
from study.search.timetable import Timetable

Details = dict[str, Any]  # what is to be recorded of a trial where it ends


class ArmSearch:
    """Search `number` of `arm`, and the confirmation of its winner.

    plan: as this search has it. confirming: whether no further trial of it will be proposed. closed: by a deadline.
    """

    def __init__(self, plan: Plan, arm: Arm, number: int) -> None:
        self.arm, self.number, self.plan = arm, number, plan.of_search(number)
        self.key: SearchKey = (arm.name, number)
        self._planned = plan.trials_in(arm)
        self.timetable = Timetable(plan.window, self._planned, plan.stops, plan.scheduler, REDUCTION_FACTOR)
        self.trials: list[TrialSpec] = []
        self.confirming = self.closed = False
        # Those that left their worker where it was not clear yet whether they go on, by epoch a heap of numbers.
        self._paused: dict[int, list[tuple[int, Details]]] = defaultdict(list)

    @property
    def proposed(self) -> bool:
        """Whether all its trials were proposed."""
        return not self.unproposed

    @property
    def unproposed(self) -> int:
        """How many of its trials are yet to be proposed."""
        return max(0, self._planned - len(self.trials))

    @property
    def given_up(self) -> bool:
        """Whether it counts for nothing: a later search that the deadline ended."""
        return self.closed and self.number > 0

    def close(self) -> None:
        """The deadline has come: no further trial, and none goes on. Only an arm's first search is confirmed then."""
        self.closed = True
        self.confirming = self.given_up

    def is_due(self) -> bool:
        """Whether the next trial can be proposed."""
        return not self.closed and not self.proposed and self.timetable.is_due()

    def begin(self, config: TrialConfig) -> TrialSpec:
        """Its next trial, which the timetable has begun."""
        number = len(self.trials)
        seed = self.plan.search_seed(number)
        self.trials.append(self.plan.spec(self.arm, "search", config, seed, self.number, number))
        return self.trials[-1]

    def confirmations(self, config: TrialConfig) -> list[TrialSpec]:
        """Those of the winner with this configuration."""
        seeds = self.plan.confirm_seeds
        return [self.plan.spec(self.arm, "confirm", config, seed, self.number) for seed in seeds]

    def passes(self, number: int, epoch: int) -> bool:
        """Whether it is clear by now that a trial's rank lets it go on after `epoch`."""
        return self.timetable.is_clear(number, epoch) and self.timetable.goes_on(number, epoch)

    def pause(self, number: int, epoch: int, details: Details) -> None:
        """A trial has left its worker after `epoch`."""
        heapq.heappush(self._paused[epoch], (number, details))

    def decided(self) -> Iterator[tuple[TrialSpec, Details, bool]]:
        """The paused trials of which it is clear by now whether they go on, and whether they do."""
        for epoch, paused in self._paused.items():
            while paused and (self.closed or self.timetable.is_clear(paused[0][0], epoch)):
                number, details = heapq.heappop(paused)
                goes_on = not self.closed and self.timetable.goes_on(number, epoch)
                if goes_on:
                    self.timetable.outlive(number, epoch)
                yield self.trials[number], details, goes_on
