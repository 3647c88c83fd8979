"""What one unit of an experiment does: train from one seed, look at the agent, return numbers."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from goodharts_lib import runtime
from goodharts_lib.behaviors.scripted import ScriptedAgent
from goodharts_lib.config import load_config
from goodharts_lib.evaluation import EVALUATION_SEED, evaluate
from goodharts_lib.experiments.cloning import VISITED_WORLDS, clone_unit
from goodharts_lib.experiments.judging import (
    CASCADE_METHODS,
    CASCADE_VIEWS,
    cascade,
    fitness,
    judge,
)
from goodharts_lib.networks.registry import get_network
from goodharts_lib.training.ppo import checkpoint
from goodharts_lib.training.ppo.records import UpdateRecord
from goodharts_lib.training.ppo.trainer import PPOTrainer
from goodharts_lib.training.swap_effect import N_VIEWS

CURVE = ("proxy_score", "true_energy", "food", "poison", "kl_to_initial", "entropy")
# What decides a unit's numbers beside the configuration; see `background`.
WINDOW = 5  # updates over which an agent must behave as learned
POISON_SHARE = 0.05  # of its meals: at most, to count as learned
MEALS = 20.0  # per 1,000 steps: at least, to count as learned


def background(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides a unit's numbers beside its settings, its seed and its machine.

    Args:
        settings: as for `agent_unit`.

    Returns:
        ``config``, without what does not matter to the unit, and with the learning rate that a
        network brings; ``protocol``, the numbers outside it that play a part. Plain values.
    """
    kind = _kind(settings)
    config = load_config(overrides=settings["overrides"]).to_dict()
    del config["runtime"]  # where numbers are computed, not which
    if kind != "clone":
        del config["cloning"]  # only clones read it
    train = config["training"]
    if kind != "scripted" and train["learning_rate"] == "auto":
        train["learning_rate"] = get_network(train["network"]).learning_rate
    return {"config": config, "protocol": _protocol(kind, cascade=bool(settings.get("cascade")))}


def _protocol(kind: str, *, cascade: bool) -> dict[str, Any]:
    known: dict[str, Any] = {"evaluation_seed": EVALUATION_SEED}
    if kind in ("trained", "clone"):
        known["swap_views"] = N_VIEWS
    if kind == "clone":
        known["visited_worlds"] = VISITED_WORLDS
    if kind == "trained":
        known["learned"] = {"updates": WINDOW, "poison_share": POISON_SHARE, "meals": MEALS}
    if cascade:
        known["cascade"] = {"views": CASCADE_VIEWS, "methods": list(CASCADE_METHODS)}
    return known


def _kind(settings: Mapping[str, Any]) -> str:
    """Return what a unit is of: a scripted agent, a clone, a peer, or one that we train."""
    if "scripted" in settings:
        return "scripted"
    if "expert" in settings:
        return "clone"
    return "peer" if settings.get("peer") else "trained"


def train_unit(settings: Mapping[str, Any], seed: int, scratch: Path) -> dict[str, Any]:
    """Train one agent, judging it on the way. Continues after an interruption.

    Args:
        settings: ``overrides`` of the configuration; ``judge``, training steps at which the agent
            is judged (rounded up to whole updates), or "end", whenever that comes;
            ``curve_every``, updates between two points of the curves; ``stop_when_learned``, to
            end as soon as the agent tells food from poison; ``verify``, to put its fitness to the
            test whenever it is judged; ``cascade``, to put its saliency maps to the test in the
            end.
        seed: training seed.
        scratch: where the unfinished run is kept.

    Returns:
        ``metrics``: ``at`` (step: scores, see `judge`), ``learned_at`` (steps, or None if it never
        told food from poison) and ``total_steps``; ``curves``: columns over training;
        ``placement``.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    kept = scratch / f"{_key(settings, seed)}.checkpoint.safetensors"
    trainer, rows, at = _begun(settings, seed, kept)
    interval = trainer.config.training.checkpoint_interval
    steps = trainer.steps_per_update
    moments = settings.get("judge", ())
    judged = {math.ceil(step / steps): step for step in moments if step != "end"}

    def on_update(record: UpdateRecord) -> None:
        rows.append([record.total_steps, *(getattr(record, key) for key in CURVE)])
        if record.update in judged:
            last = record.update == max(judged)
            scores = judge(trainer.policy(), thorough=last)
            if settings.get("verify"):
                scores["verification"] = fitness(trainer.policy())
            at[str(judged[record.update])] = scores
        if record.update % interval == 0:
            checkpoint.save_checkpoint(kept, trainer, {"rows": rows, "at": at})

    def should_stop() -> bool:
        return bool(settings.get("stop_when_learned")) and learned_at(rows) is not None

    result = trainer.run(on_update, should_stop)
    if "end" in moments:
        at["end"] = judge(result.policy, thorough=False)
    metrics = {"at": at, "learned_at": learned_at(rows), "total_steps": result.total_steps}
    if settings.get("cascade"):
        metrics["cascade"] = cascade(result.policy)
    kept.unlink(missing_ok=True)
    columns = curves(rows, settings.get("curve_every", 1))
    return {"metrics": metrics, "curves": columns, "placement": trainer.placement.facts()}


def _begun(
    settings: Mapping[str, Any], seed: int, kept: Path
) -> tuple[PPOTrainer, list[list[float]], dict[str, Any]]:
    """Return a trainer, its rows and its scores so far: those that were kept, or new ones."""
    if kept.exists():
        trainer, facts = checkpoint.load_checkpoint(kept)
        return trainer, facts["rows"], facts["at"]
    config = load_config(overrides={**settings["overrides"], "runtime.threads": 1})
    return PPOTrainer(config, seed), [], {}


def walk_unit(settings: Mapping[str, Any], seed: int, scratch: Path) -> dict[str, Any]:  # noqa: ARG001
    """Judge a scripted agent, in other worlds for each seed.

    Args:
        settings: ``overrides`` of the configuration, ``scripted``, its name, and ``judge``, the
            training steps of the learned agents beside which it stands.
        seed: of the worlds.
        scratch: unused.
    """
    there = {"runtime.device": "cpu", "runtime.precision": "float32", "runtime.threads": 1}
    config = load_config(overrides={**settings["overrides"], **there})
    placement = runtime.place(config)
    runtime.apply(placement)
    agent = ScriptedAgent(settings["scripted"], config)
    scores = {
        "immortal": asdict(evaluate(agent, config, EVALUATION_SEED + seed, immortal=True)),
        "mortal": asdict(evaluate(agent, config, EVALUATION_SEED + seed)),
    }
    at = {str(step): scores for step in settings["judge"]}
    return {"metrics": {"at": at}, "placement": placement.facts()}


def peer_unit(settings: Mapping[str, Any], seed: int, scratch: Path) -> dict[str, Any]:  # noqa: ARG001
    """Train one agent with stable-baselines3's PPO, and judge it in the end as ours are judged.

    Args:
        settings: ``overrides`` of the configuration, and ``judge``, with the last step alone.
        seed: training seed.
        scratch: unused.
    """
    from goodharts_lib.experiments import sb3  # an extra

    there = {"runtime.precision": "float32", "runtime.threads": 1}  # it knows no other precision
    config = load_config(overrides={**settings["overrides"], **there})
    placement = runtime.place(config)
    runtime.apply(placement)
    model = sb3.build(config, seed)
    model.learn(config.training.timesteps)
    peer = sb3.Peer(model, config)
    scores = {
        "immortal": asdict(evaluate(peer, config, EVALUATION_SEED, immortal=True)),
        "mortal": asdict(evaluate(peer, config, EVALUATION_SEED)),
    }
    at = {str(settings["judge"][-1]): scores}
    return {"metrics": {"at": at}, "placement": placement.facts()}


def agent_unit(settings: Mapping[str, Any], seed: int, scratch: Path) -> dict[str, Any]:
    """Do the unit that fits: of a scripted agent, a clone, a peer, or one that we train."""
    units = {"scripted": walk_unit, "clone": clone_unit, "peer": peer_unit, "trained": train_unit}
    return units[_kind(settings)](settings, seed, scratch)


def learned_at(rows: list[list[float]]) -> int | None:
    """Return the training steps after which an agent told food from poison, or None.

    That is the end of the first `WINDOW` updates over which poison is less than `POISON_SHARE` of
    its meals, and meals are more than `MEALS` per 1,000 steps.
    """
    food, poison = (1 + CURVE.index(key) for key in ("food", "poison"))
    for last in range(WINDOW, len(rows) + 1):
        window = rows[last - WINDOW : last]
        bad = sum(row[poison] for row in window)
        meals = bad + sum(row[food] for row in window)
        if meals > MEALS * WINDOW and bad < POISON_SHARE * meals:
            return int(window[-1][0])
    return None


def curves(rows: list[list[float]], every: int) -> dict[str, list[float]]:
    """Return columns over training, four digits each, at every so many updates and the last."""
    kept = rows[every - 1 :: every]
    if rows and kept[-1:] != rows[-1:]:
        kept = [*kept, rows[-1]]
    columns: dict[str, list[float]] = {"total_steps": [int(row[0]) for row in kept]}
    for index, key in enumerate(CURVE, 1):
        columns[key] = [float(f"{row[index]:.4g}") for row in kept]
    return columns


def _key(settings: Mapping[str, Any], seed: int) -> str:
    """Return a name for an unfinished unit, another one as soon as its numbers would be others."""
    text = json.dumps([settings, background(settings), seed], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
