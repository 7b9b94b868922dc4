"""What a worker can reach, with a real Ray: a search trial has no way to the test images."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fer_core.config import TrialConfig, View
from fer_core.data import protocols
from search_spaces.catalogue import load_space
from study.cluster.sharing import Shares
from study.engine import Engine
from study.plan import make_plan
from study.records.place import Place
from study.records.schemas import MEASURED
from study.records.shelf import Shelf
from study.records.tables import Tables
from study.search.sampler import Sampler


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    from study.cluster import connection

    with connection.connected(None):
        yield connection.ray


def test_only_fixed_and_confirm_trials_are_told_where_the_test_images_are(tmp_path: Path) -> None:
    from study.cluster.runner import Feed, Link

    plan = make_plan(
        load_space("se_placement"), budget="quick", protocol="challenge", data_name="fer2013", trials=4, seeds=2
    )
    engine = Engine(plan, Sampler(plan, tmp_path / "optuna.log"), Tables(tmp_path))
    shelf = Shelf(str(tmp_path))
    images: dict[View, tuple[list, list]] = {TrialConfig().data.view: (["the others"], ["where they are"])}
    link = Link(engine, Place(tmp_path), shelf, shelf, images, Shares(0))
    feed, phases = Feed(link, lambda: 100), set()
    epoch = {f"{part}_{name}": 0.5 for part in ("train", "val") for name in MEASURED}
    while not engine.finished:
        config = feed.suggest("any")
        phases.add(config["phase"])
        assert ("testing" in config) == (config["phase"] != "search")
        assert ("where they are" in str(config)) == (config["phase"] != "search")
        spec = link.specs[config["trial"]]
        engine.on_epochs(spec, [{"epoch": 1, **epoch, "learning_rate": 0.1, "seconds": 1.0}])
        engine.on_end(spec, "completed")
    assert phases == {"fixed", "search", "confirm"}


def test_a_worker_that_has_tested_holds_no_test_image_when_it_searches(
    ray: Any, parts: tuple[protocols.Learning, protocols.Testing], narrow: TrialConfig, tmp_path: Path
) -> None:
    from study.cluster.trial import TrialRun

    class Probe(TrialRun):
        """The same with a question."""

        def reachable(self) -> list[str]:
            gc.collect()
            held = [type(thing).__name__ for thing in gc.get_objects() if type(thing).__name__ == "Testing"]
            return held + ([] if self._testing is None else ["reference"])

    learning, testing = parts
    settings = narrow.override({"train.epochs": 1}).flat()
    confirm = {
        "trial": "a-1",
        "settings": settings,
        "seed": 1,
        "phase": "confirm",
        "gpu": 0,
        "learning": [ray.put(learning)],
        "testing": [ray.put(testing)],
    }
    search = {**confirm, "trial": "a-2", "seed": 2, "phase": "search"}
    del search["testing"]
    folders = {"checkpoints": str(tmp_path), "models": str(tmp_path), "threads": 1}
    worker = ray.remote(ray.tune.with_parameters(Probe, **folders)).remote(confirm)
    assert ray.get(worker.reachable.remote()) == ["reference"]
    assert ray.get(worker.train.remote())["report"].test is not None
    assert ray.get(worker.reset.remote(search, None))
    assert ray.get(worker.reachable.remote()) == []
    assert ray.get(worker.train.remote())["report"].test is None
    assert ray.get(worker.reachable.remote()) == []


def test_a_trial_without_room_in_its_gpu_says_so_and_its_worker_runs_the_next_one(
    ray: Any, parts: tuple[protocols.Learning, protocols.Testing], narrow: TrialConfig, tmp_path: Path
) -> None:
    from study.cluster.trial import OUT_OF_MEMORY, TrialRun

    class Greedy(TrialRun):
        """With one seed wants a million terabytes, and gets the backend's own error."""

        def _begin(self, config: dict[str, Any]) -> None:
            super()._begin(config)
            if config["seed"] == 13:
                import keras

                keras.ops.zeros((1 << 30, 1 << 30))

    folders = {"checkpoints": str(tmp_path), "models": str(tmp_path), "threads": 1}
    settings, learning = narrow.override({"train.epochs": 1}).flat(), [ray.put(parts[0])]
    config = {"trial": "a-13", "settings": settings, "seed": 13, "phase": "search", "gpu": 0.5, "learning": learning}
    worker = ray.remote(ray.tune.with_parameters(Greedy, **folders)).remote(config)
    starved = ray.get(worker.train.remote())
    assert (starved["report"].status, starved["report"].epochs, starved["done"]) == (OUT_OF_MEMORY, [], True)
    assert ray.get(worker.reset.remote({**config, "trial": "a-14", "seed": 14}, None))
    assert ray.get(worker.train.remote())["report"].status == "completed"


def test_a_trial_that_comes_back_reports_what_it_has_done_before_it_does_more(
    ray: Any, parts: tuple[protocols.Learning, protocols.Testing], narrow: TrialConfig, tmp_path: Path
) -> None:
    """The driver may not have heard of the last epoch, and may want to stop the trial there."""
    from study.cluster.trial import TrialRun

    folders = {"checkpoints": str(tmp_path), "models": str(tmp_path), "threads": 1}
    run = ray.remote(ray.tune.with_parameters(TrialRun, **folders))
    settings, learning = narrow.override({"train.epochs": 3}).flat(), [ray.put(parts[0])]
    config = {"trial": "a-3", "settings": settings, "seed": 3, "phase": "search", "gpu": 0, "learning": learning}

    def reported(worker: Any) -> list[int]:
        return [epoch["epoch"] for epoch in ray.get(worker.train.remote())["report"].epochs]

    first = run.remote(config)
    assert [reported(first), reported(first)] == [[1], [2]]
    second = run.remote(config)
    assert [reported(second), reported(second)] == [[1, 2], [3]]
