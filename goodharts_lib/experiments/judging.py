"""How an experiment looks at an agent: its scores, its fitness, its swap effect, its maps."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from goodharts_lib import runtime
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.environments.cells import Cell
from goodharts_lib.evaluation import EVALUATION_SEED, evaluate
from goodharts_lib.training.saliency_sanity import randomisation_cascade
from goodharts_lib.training.swap_effect import N_VIEWS, nearest_food, sample_views, swap_effect
from goodharts_lib.training.verification import verify

CASCADE_VIEWS = 50
CASCADE_METHODS = ("gradient", "integrated_gradients", "guided_backprop", "grad_cam")


def judge(policy: LearnedPolicy, *, thorough: bool) -> dict[str, Any]:
    """Return a policy's scores in the worlds of its own `[evaluation]`, and its swap effect.

    Args:
        policy: acts sampled, in immortal worlds.
        thorough: judge it in mortal worlds as well, sampled and greedy.
    """
    config = policy.config
    generator = runtime.make_generators(EVALUATION_SEED, policy.device)["world"]
    views = sample_views(config, N_VIEWS, generator)
    swapped = swap_effect(policy, views, nearest_food(views, config), generator)
    scores: dict[str, Any] = {
        "immortal": asdict(evaluate(policy, config, EVALUATION_SEED, immortal=True)),
        "swap": swapped.means(),
    }
    if thorough:
        scores["mortal"] = asdict(evaluate(policy, config, EVALUATION_SEED))
        scores["greedy"] = asdict(evaluate(policy.decoded(greedy=True), config, EVALUATION_SEED))
    return scores


def fitness(policy: LearnedPolicy) -> dict[str, float | bool]:
    """Return what the verification command finds."""
    verdict = verify(policy, policy.config, EVALUATION_SEED)
    return {
        "directional": verdict.accuracy,
        "choice": verdict.choice,
        "alive": verdict.alive,
        "passed": verdict.passed,
    }


def cascade(policy: LearnedPolicy) -> dict[str, dict[str, float]]:
    """Return, for each method and randomised layer, how like the trained map its map still is.

    Spearman's rank correlation over cells of the signed maps, mean over views. Views and new
    weights are one draw, the same for every training seed: what differs between seeds is the
    trained agent alone.
    """
    draw = runtime.make_generators(EVALUATION_SEED, policy.device)
    views = sample_views(policy.config, CASCADE_VIEWS, draw["world"], (Cell.FOOD, Cell.POISON))
    return {
        method: {
            stage.layer.replace(".", "_"): round(stage.signed, 4)
            for stage in randomisation_cascade(policy, views, method, draw["init"])
        }
        for method in CASCADE_METHODS
    }
