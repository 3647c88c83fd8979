"""The numbers of behaviour cloning: how well a clone imitates, and what tells the reasons apart.

Why may a faithful copy starve? Its expert shows no mistakes (`poison_adjacent`); it comes to states
that its expert does not visit (`shift`, and the gap to the ceiling there); its expert is no
survivor itself; and greedy decoding paces to and fro where the expert wanders (`pacing`).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from goodharts_lib.behaviors.action_space import ACTIONS, action_index
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.config import Config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.evaluation import Policy, Scores
from goodharts_lib.files import write_whole
from goodharts_lib.training.collect import Demonstrations, Walk, walk
from goodharts_lib.training.dataset import in_view, neighbours
from goodharts_lib.training.train_log import reserve

CEILING_DRAWS = 16  # over 10,000 states an eight-way random step is known to within 0.002
CHUNK = 2048  # states encoded at once


@dataclass(frozen=True)
class Imitation:
    """How well a policy imitates on given states. None: there are no such states.

    Attributes:
        accuracy: share of states where its likeliest action is the expert's.
        ceiling: the highest accuracy that anyone can expect, as the expert takes random steps.
        accuracy_food_in_view, ceiling_food_in_view: the same over states with food in view.
        cross_entropy: mean of -log p(the expert's action), nats per action.
    """

    accuracy: float
    ceiling: float
    accuracy_food_in_view: float | None
    ceiling_food_in_view: float | None
    cross_entropy: float


@torch.no_grad()
def ceiling(expert: Policy, views: Tensor, generator: torch.Generator) -> Tensor:
    """Estimate the probability of the expert's likeliest action in each state, (N,) float32.

    One batch of draws chooses the action, another measures its share: the largest share of a
    single batch would be too high, as a maximum of noisy numbers is.
    """
    draws = torch.stack([expert.act(views, generator) for _ in range(2 * CEILING_DRAWS)])  # (D, N)
    likeliest = draws[:CEILING_DRAWS].mode(0).values
    return (draws[CEILING_DRAWS:] == likeliest).float().mean(0)


@torch.no_grad()
def imitation(
    policy: LearnedPolicy, states: Demonstrations, ceilings: Tensor, generator: torch.Generator
) -> Imitation:
    """Compare a policy with the expert's actions.

    Args:
        policy: the clone.
        states: states and what the expert did there.
        ceilings: of these states, (N,), from `ceiling`.
        generator: needed by a noisy sensor only.
    """
    chunks = [policy.evaluate(views, generator)[0] for views in states.views.split(CHUNK)]
    logits = torch.cat(chunks)  # (N, 8)
    right = (logits.argmax(-1) == states.actions).float()
    food = in_view(states.views, Cell.FOOD)
    return Imitation(
        accuracy=right.mean().item(),
        ceiling=ceilings.mean().item(),
        accuracy_food_in_view=right[food].mean().item() if food.any() else None,
        ceiling_food_in_view=ceilings[food].mean().item() if food.any() else None,
        cross_entropy=F.cross_entropy(logits, states.actions).item(),
    )


def poison_adjacent(views: Tensor) -> float:
    """Return the share of states with poison one step away."""
    return (neighbours(views) == Cell.POISON).any(1).float().mean().item()


def pacing(walked: Walk) -> float:
    """Return the share of steps that take back the step before them, neither having eaten."""
    opposite = torch.tensor([action_index(-a.dx, -a.dy) for a in ACTIONS])
    back = walked.actions[1:] == opposite.to(walked.actions.device)[walked.actions[:-1]]
    hungry = (walked.eaten[1:] == Cell.EMPTY) & (walked.eaten[:-1] == Cell.EMPTY)
    return (back & hungry).float().mean().item()


def state_kinds(views: Tensor) -> Tensor:
    """Sort states into few kinds, (N,) int64: how far the nearest food is, and if poison is near.

    With a view of range r: 0 without food in view, otherwise its Chebyshev distance 1 to r; plus
    r + 1 if poison is one step away.
    """
    reach = views.shape[-1] // 2
    offset = torch.arange(-reach, reach + 1, device=views.device).abs()
    distance = torch.maximum(offset[:, None], offset[None, :])  # (V, V)
    nearest = torch.where(views == Cell.FOOD, distance, reach + 1).flatten(1).amin(1)
    near = (neighbours(views) == Cell.POISON).any(1)
    return nearest % (reach + 1) + near * (reach + 1)


def shift(one: Tensor, other: Tensor) -> float:
    """Return the total variation between the kinds of two sets of states, in [0, 1].

    Args:
        one: (N, V, V) uint8 views.
        other: (M, V, V) uint8 views of the same size.
    """
    kinds = one.shape[-1] + 1  # 2 (r + 1)
    shares = [
        torch.bincount(state_kinds(views), minlength=kinds) / len(views) for views in (one, other)
    ]
    return (shares[0] - shares[1]).abs().sum().item() / 2


@dataclass(frozen=True)
class Visit:
    """Where a policy's own walk leads it, and how well a clone imitates there.

    Attributes:
        imitation: of the expert, over the states of the walk.
        shift: from the states of the expert's walk, in [0, 1].
        poison_adjacent: share of states with poison one step away.
        pacing: share of steps that take back the step before them.
    """

    imitation: Imitation
    shift: float
    poison_adjacent: float
    pacing: float


def visit(
    policy: LearnedPolicy,
    expert: Policy,
    usual: Tensor,
    n_worlds: int,
    generators: Mapping[str, torch.Generator],
) -> Visit:
    """Follow a clone, and ask its expert what it would have done in the same states.

    Args:
        policy: the clone, with its way of choosing actions; its configuration names the worlds.
        expert: whom it imitates.
        usual: states of the expert's own walk, (N, V, V) uint8.
        n_worlds: episodes to follow.
        generators: as for `walk`.
    """
    walked = walk(policy, policy.config, n_worlds, generators)
    views = walked.views.flatten(0, 1)
    states = Demonstrations(views, expert.act(views, generators["action"]))
    ceilings = ceiling(expert, views, generators["action"])
    return Visit(
        imitation=imitation(policy, states, ceilings, generators["action"]),
        shift=shift(views, usual),
        poison_adjacent=poison_adjacent(views),
        pacing=pacing(walked),
    )


@dataclass(frozen=True)
class EpochRecord:
    """One pass over the samples, and what the clone can do after it.

    Attributes:
        epoch: from 1, counted through all rounds.
        round: 0, or the round of DAgger.
        samples: number of samples learned from.
        loss: mean weighted cross-entropy while learning, nats per action.
        train_accuracy: share of samples where the likeliest action was right, while learning.
        accuracy, ceiling, accuracy_food_in_view, ceiling_food_in_view, cross_entropy: on the
            held-out states, as in `Imitation`.
        true_energy_sampled, true_energy_greedy: per 1,000 steps, in `evaluation_envs` worlds.
    """

    epoch: int
    round: int
    samples: int
    loss: float
    train_accuracy: float
    accuracy: float
    ceiling: float
    accuracy_food_in_view: float | None
    ceiling_food_in_view: float | None
    cross_entropy: float
    true_energy_sampled: float
    true_energy_greedy: float


@dataclass(frozen=True)
class CloneResult:
    """What cloning returns."""

    config: Config
    seed: int
    policy: LearnedPolicy
    history: tuple[EpochRecord, ...]
    wall_time: float  # seconds


class CloneLog:
    """Writes ``{stem}_epochs.csv``, which grows, and ``{stem}_summary.json``.

    Args:
        directory: where to; it exists.
        name: of the clone. The stem is ``{name}_{timestamp}``; two runs never share one.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self.stem = directory / reserve(directory, name, "_epochs.csv")
        self.epochs = directory / f"{self.stem.name}_epochs.csv"
        self.summary = directory / f"{self.stem.name}_summary.json"
        self._append([field.name for field in fields(EpochRecord)])

    def write(self, record: EpochRecord) -> None:
        """Append one epoch."""
        self._append(astuple(record))

    def finish(
        self, result: CloneResult, scores: Mapping[str, Mapping[str, Scores]], model_path: Path
    ) -> None:
        """Write the summary; `scores` as in the command's last table."""
        summary = {
            "name": result.policy.name,
            "expert": result.config.cloning.expert,
            "mode": result.policy.mode.name,
            "seed": result.seed,
            "network": result.config.training.network,
            "epochs": len(result.history),
            "last_epoch": asdict(result.history[-1]),
            "scores": {
                name: {decoding: asdict(s) for decoding, s in decodings.items()}
                for name, decodings in scores.items()
            },
            "wall_time": result.wall_time,
            "model_path": str(model_path),
            "config": result.config.to_dict(),
        }
        write_whole(self.summary, (json.dumps(summary, indent=2) + "\n").encode())

    def _append(self, row: Iterable[Any]) -> None:
        with self.epochs.open("a", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerow(row)
