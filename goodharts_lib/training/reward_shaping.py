"""Potential-based reward shaping (Ng, Harada & Russell 1999): the only owner of the potential."""

from __future__ import annotations

import torch
from torch import Tensor

from goodharts_lib.config import Config
from goodharts_lib.environments.cells import EDIBLE, Cell, StepResult
from goodharts_lib.modes import Mode, pay_table


class RewardShaping:
    """Adds gamma * phi(s') - phi(s) to the pay, with phi = scale / distance.

    The distance is Chebyshev (eight moves), from the centre to the nearest visible item whose pay
    is positive in this mode; phi is 0 if there is none. It is 0 at death (Grzes 2017) and that of
    the true final view at a time limit, so over an episode the discounted sum telescopes to
    gamma^T * phi(s_T) - phi(s_0): the best policies stay the best.
    With `[training] shaping = false` phi is 0 everywhere.
    """

    def __init__(self, mode: Mode, config: Config, device: torch.device | str = "cpu") -> None:
        train = config.training
        pays = pay_table(mode, config)
        self.gamma = train.gamma
        self._attractive: list[Cell] = [c for c in EDIBLE if train.shaping and pays[c] > 0]
        reach = config.agent.view_range
        offset = torch.arange(-reach, reach + 1, device=device).abs()
        distance = torch.maximum(offset[:, None], offset[None, :])  # (V, V)
        self._height = train.shaping_scale / distance.clamp(min=1)  # (V, V)

    def potential(self, views: Tensor) -> Tensor:
        """Return phi of each view: (N, V, V) uint8 to (N,) float32."""
        if not self._attractive:
            return torch.zeros(len(views), device=views.device)
        wanted = views == self._attractive[0]
        for cell in self._attractive[1:]:
            wanted = wanted | (views == cell)
        return torch.where(wanted, self._height, 0.0).flatten(1).amax(1)

    def step(self, before: Tensor, result: StepResult) -> tuple[Tensor, Tensor]:
        """Shape one step.

        Args:
            before: (n,) phi of the views that the actions answered.
            result: what the world returned.

        Returns:
            The bonus, (n,), and phi of the views that the next actions will answer, (n,).
        """
        if not self._attractive:  # no pay is attractive: nothing to compute
            return torch.zeros_like(before), before
        after = self.potential(result.final_views)
        bonus = self.gamma * after.masked_fill(result.terminated, 0.0) - before
        return bonus, after if result.episodes is None else self.potential(result.views)
