"""Behaviour cloning as an experiment: whom to copy, from how much, and one reason less at a time.

Four reasons are given why a faithful copy may starve. Its expert shows no mistakes: made-up samples
of poison (synthetic). It comes to states that its expert never visits: DAgger. Copying is not
surviving: a better expert. And greedy decoding, which takes no other training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from goodharts_lib import runtime
from goodharts_lib.config import load_config
from goodharts_lib.evaluation import EVALUATION_SEED, evaluate
from goodharts_lib.experiments.engine import Condition
from goodharts_lib.experiments.judging import judge
from goodharts_lib.training.cloning import EpochRecord, pacing, poison_adjacent, visit
from goodharts_lib.training.collect import walk
from goodharts_lib.training.train import Cloner

SAMPLES = (1_000, 3_000, 10_000, 30_000)  # demonstrations of a scripted expert
USUAL = 10_000  # samples; what stands below holds for so many
EXPERTS = ("food_only", "omniscient_seeker", "proxy_seeker")
# A few worlds are enough for the course over epochs; the last clone is judged in many.
BASE = {"training.network": "small_cnn", "cloning.evaluation_envs": 16}
BATCH = 256  # with 12 passes: 480 steps of Adam
# DAgger learns from the samples of all rounds so far, again and again: 2,208 steps of Adam in small
# batches. Compared with a plain clone it would show what more steps do as well, so a clone called
# longer takes as many (2,198) on the expert's own walk.
DAGGER_BATCH = 64
DAGGER = {"cloning.dagger_rounds": 5, "cloning.epochs": 4}
LONGER = {"cloning.epochs": 14}
SYNTHETIC = 0.2  # made-up samples for each real one: poison is rarely near an expert
WEIGHT = 5.0  # of what eats, or of what sees an item: most steps do neither
VISITED_WORLDS = 20  # episodes of each clone's own walk: 10,000 states, like the held-out ones
CURVES = ("samples", "loss", "train_accuracy", "accuracy", "accuracy_food_in_view",
          "cross_entropy", "true_energy_sampled", "true_energy_greedy")  # fmt: skip


def conditions(seeds: tuple[int, ...]) -> tuple[Condition, ...]:
    """Return the grid, each condition with these training seeds.

    Names are those of expert, samples and what is done about a reason: ``food_only 1000 DAgger``;
    ``food_only itself`` is the expert.
    """
    food, seeker, proxy = EXPERTS
    grid = [_plain(expert, samples) for expert in (food, seeker) for samples in SAMPLES]
    grid += [_dagger(food, samples) for samples in SAMPLES]
    grid += [_longer(food, samples) for samples in (SAMPLES[0], USUAL)]
    grid += [_synthetic(food, SAMPLES[0]), _synthetic(seeker, USUAL)]
    grid += [
        _plain(seeker, USUAL, weight, **{f"cloning.{weight}": WEIGHT})
        for weight in ("reward_weight", "visibility_weight")
    ]
    grid += [_dagger(seeker, USUAL), _longer(seeker, USUAL)]
    # Eyes that tell food from poison by their glow are all that this expert uses.
    grid.append(_plain(proxy, USUAL, **{"training.mode": "proxy"}))
    grid += [
        (f"{expert} itself", {"overrides": {}, "scripted": expert, "judge": ["end"]})
        for expert in EXPERTS
    ]
    return tuple(Condition(name, settings, seeds) for name, settings in grid)


Cell = tuple[str, dict[str, Any]]  # name and settings of a condition


def _clone(expert: str, samples: int, batch: int, words: str, changed: Mapping[str, Any]) -> Cell:
    """One clone. `batch` is for `USUAL` samples.

    Batches grow with the number of samples, made-up ones included, so that clones of all sizes take
    the same number of steps in the same number of passes.
    """
    total = samples + changed.get("cloning.synthetic", 0)
    overrides = BASE | {
        "cloning.samples": samples,
        "cloning.batch_size": round(batch * total / USUAL),
        **changed,
    }
    name = f"{expert} {samples} {words}".rstrip()
    return name, {"overrides": overrides, "expert": expert}


def _plain(expert: str, samples: int, words: str = "", **changed: Any) -> Cell:
    return _clone(expert, samples, BATCH, words, {"cloning.epochs": 12} | changed)


def _synthetic(expert: str, samples: int) -> Cell:
    made_up = round(SYNTHETIC * samples)
    return _plain(expert, samples, "synthetic", **{"cloning.synthetic": made_up})


def _dagger(expert: str, samples: int) -> Cell:
    return _clone(expert, samples, DAGGER_BATCH, "DAgger", DAGGER)


def _longer(expert: str, samples: int) -> Cell:
    return _clone(expert, samples, DAGGER_BATCH, "longer", LONGER)


def clone_unit(settings: Mapping[str, Any], seed: int, scratch: Path) -> dict[str, Any]:  # noqa: ARG001
    """Clone a scripted expert; look at the clone, at the expert, and at where each of them goes.

    Args:
        settings: ``overrides`` of the configuration, and ``expert``, whom to copy.
        seed: training seed.
        scratch: unused; a clone is made in about a minute.

    Returns:
        ``metrics``: ``at.end``, see `judge`; ``last_epoch``, see `EpochRecord`; ``expert``, its
        scores in the clone's immortal worlds with its ``poison_adjacent`` and ``pacing``; and
        ``visited``, ``sampled`` and ``greedy``, see `Visit`. ``curves``: columns over epochs.
        ``placement``.
    """
    changed = {"cloning.expert": settings["expert"], "runtime.threads": 1}
    cloner = Cloner(load_config(overrides={**settings["overrides"], **changed}), seed)
    result = cloner.run()
    config, usual = result.config, cloner.held_out.views
    alone = evaluate(cloner.expert, config, EVALUATION_SEED, immortal=True)
    followed = walk(cloner.expert, config, VISITED_WORLDS, cloner.generators)
    visited = {}
    for decoding in ("sampled", "greedy"):
        policy = result.policy.decoded(greedy=decoding == "greedy")
        seen = visit(policy, cloner.expert, usual, VISITED_WORLDS, cloner.generators)
        visited[decoding] = asdict(seen)
    metrics = {
        "at": {"end": judge(result.policy, thorough=True)},
        "last_epoch": asdict(result.history[-1]),
        "expert": asdict(alone)
        | {"poison_adjacent": poison_adjacent(usual), "pacing": pacing(followed)},
        "visited": visited,
    }
    placement = runtime.place(config).facts()
    return {"metrics": metrics, "curves": curves(result.history), "placement": placement}


def curves(history: tuple[EpochRecord, ...]) -> dict[str, list[float | None]]:
    """Return columns over epochs, four decimals each; None without a state with food in view."""
    return {
        key: [None if (value := getattr(record, key)) is None else round(value, 4)
              for record in history]
        for key in CURVES
    }  # fmt: skip
