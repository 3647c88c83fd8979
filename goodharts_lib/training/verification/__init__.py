"""Fitness tests of trained models: directional accuracy, a choice, and survival."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from goodharts_lib import runtime
from goodharts_lib.config import Config
from goodharts_lib.evaluation import Policy, check_view
from goodharts_lib.training.verification.directional import choice_accuracy, directional_accuracy
from goodharts_lib.training.verification.survival import alive_share

MIN_DIRECTIONAL = 0.80
MIN_CHOICE = 0.90
MIN_ALIVE = 0.90


@dataclass(frozen=True)
class Verdict:
    """How a policy did, and whether a ground_truth model would pass with it."""

    directional: dict[str, list[float]]  # arrow -> accuracy at distances 1..5
    choice: float
    alive: float

    @property
    def accuracy(self) -> float:
        """Mean directional accuracy."""
        cells = [value for row in self.directional.values() for value in row]
        return sum(cells) / len(cells)

    @property
    def passed(self) -> bool:
        """Whether all three thresholds are reached."""
        return (
            self.accuracy >= MIN_DIRECTIONAL
            and self.choice >= MIN_CHOICE
            and self.alive >= MIN_ALIVE
        )


def verify(
    policy: Policy, config: Config, seed: int, on_step: Callable[[], None] | None = None
) -> Verdict:
    """Run all tests on one policy; `[evaluation]` says in which worlds it must survive.

    Args:
        policy: anything with ``act(views, generator)``.
        config: the worlds.
        seed: of the worlds and the policy's choices.
        on_step: called after every step of survival, e.g. to tell how far it is.

    Raises:
        UserError: a learned policy sees another window than these worlds show.
    """
    check_view(policy, config)
    reach = config.agent.view_range
    device = runtime.find_device(str(getattr(policy, "device", "cpu")))
    draw = runtime.make_generators(seed, device)["action"]
    return Verdict(
        directional_accuracy(policy, reach, draw),
        choice_accuracy(policy, reach, draw),
        alive_share(policy, config, seed, on_step),
    )
