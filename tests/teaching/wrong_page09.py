"""Plausible wrong answers to the exercises of page 9."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from goodharts_lib.environments.cells import Cell

NUMBERS = {"9.1"}  # exercises whose answer is no function


def _moved(policy: Any, one: Any, other: Any) -> float:
    both = policy.probabilities(torch.stack([one, other]))
    return float((both[0] - both[1]).abs().sum() / 2)


def _careless(policy: Any, view: Any, row: int, column: int) -> float:
    swapped = view
    swapped[row, column] = Cell.POISON
    return 2 * _moved(policy, view, swapped)


def _half_mended(policy: Any, view: Any, row: int, column: int) -> float:
    return 2 * _careless_of_nothing(policy, view, row, column)


def _careless_of_nothing(policy: Any, view: Any, row: int, column: int) -> float:
    swapped = view.clone()
    swapped[row, column] = Cell.POISON
    return _moved(policy, view, swapped)


def _forgets_to_undo(policy: Any, view: Any, row: int, column: int) -> float:
    before = policy.probabilities(view[None])[0]
    view[row, column] = Cell.POISON
    return float((policy.probabilities(view[None])[0] - before).abs().sum() / 2)


def _takes_away(policy: Any, view: Any, row: int, column: int) -> float:
    swapped = view.clone()
    swapped[row, column] = Cell.EMPTY
    return _moved(policy, view, swapped)


def _largest(policy: Any, view: Any, row: int, column: int) -> float:
    swapped = view.clone()
    swapped[row, column] = Cell.POISON
    both = policy.probabilities(torch.stack([view, swapped]))
    return float((both[0] - both[1]).abs().max())


def _correlation(before: Any, after: Any) -> float:
    pairs = zip(before, after, strict=True)
    return float(np.mean([np.corrcoef(b.ravel(), a.ravel())[0, 1] for b, a in pairs]))


WRONG: dict[str, dict[str, Any]] = {
    "9.1": {
        "not halved": 1.0,
        "the largest change": 0.4,
        "as the crow flies": 0.548,
        "with signs": 0,
        "a guess": 0.7,
        "in words": "half",
    },
    "9.2": {
        "as it was": _careless,
        "copied, not halved": _half_mended,
        "forgets to undo": _forgets_to_undo,
        "row and column exchanged": lambda p, v, r, c: _careless_of_nothing(p, v, c, r),
        "takes the food away": _takes_away,
        "the largest change": _largest,
        "nothing": lambda p, v, r, c: None,  # noqa: ARG005
    },
    "9.3": {
        "everyone passes": lambda before, after: True,  # noqa: ARG005
        "nobody passes": lambda before, after: False,  # noqa: ARG005
        "not equal": lambda before, after: not np.array_equal(before, after),
        "far apart": lambda before, after: abs(before - after).mean() > 0.5 * abs(before).mean(),
        "without signs": lambda before, after: _correlation(abs(before), abs(after)) < 0.3,
        "nothing": lambda before, after: None,  # noqa: ARG005
        "a limit too low": lambda before, after: _correlation(before, after) < -0.5,
    },
}
