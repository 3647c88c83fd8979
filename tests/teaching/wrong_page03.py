"""Plausible wrong answers to the exercises of page 3."""

from __future__ import annotations

from typing import Any

import numpy as np

NUMBERS = {"3.1"}  # exercises whose answer is no function


def _planted(clone: Any, expert: Any, env: Any, steps: int) -> Any:  # noqa: ARG001
    samples, views = [], env.views()
    for _ in range(steps):
        moves = clone.act(views, env.generator)
        samples.append((views, moves))
        views = env.step(moves).views
    return samples


def _expert_walks(clone: Any, expert: Any, env: Any, steps: int) -> Any:
    return _planted(expert, clone, env, steps)


def _advice_too_late(clone: Any, expert: Any, env: Any, steps: int) -> Any:
    samples, views = [], env.views()
    for _ in range(steps):
        before, views = views, env.step(clone.act(views, env.generator)).views
        samples.append((before, expert.act(views, env.generator)))
    return samples


def _shifted_views(clone: Any, expert: Any, env: Any, steps: int) -> Any:
    samples, views = [], env.views()
    for _ in range(steps):
        advice = expert.act(views, env.generator)
        views = env.step(clone.act(views, env.generator)).views
        samples.append((views, advice))
    return samples


def _clone_advises(clone: Any, expert: Any, env: Any, steps: int) -> Any:
    samples, views = [], env.views()
    for _ in range(steps):
        samples.append((views, clone.act(views, env.generator)))
        views = env.step(expert.act(views, env.generator)).views
    return samples


def _one_world(clone: Any, expert: Any, env: Any, steps: int) -> Any:
    return [(views[:1], moves[:1]) for views, moves in _planted(expert, clone, env, steps)]


def _steps_cancel_in_one_coordinate(path: Any) -> Any:
    return (path[2:] == path[:-2]).any(1).mean()


def _of_all_positions(path: Any) -> Any:
    return (path[2:] == path[:-2]).all(1).sum() / len(path)


def _of_all_steps(path: Any) -> Any:
    return (path[2:] == path[:-2]).all(1).sum() / (len(path) - 1)


def _not_new(path: Any) -> Any:
    """On a way to and fro this is what `_of_all_positions` gives as well."""
    return 1 - len({tuple(place) for place in path}) / len(path)


def _ever_been_here(path: Any) -> Any:
    seen = [tuple(place) for place in path]
    return np.mean([place in seen[:number] for number, place in enumerate(seen)][2:])


def _stays(path: Any) -> Any:
    return (path[1:] == path[:-1]).all(1).mean()


WRONG: dict[str, dict[str, Any]] = {
    "3.1": {
        "added up": 28,
        "rounded down": 38,
        "not rounded up": 38.16,
        "on average": 56,
        "98 percent": 35,
        "a guess": 100,
        "negative": -39,
        "words": "many",
    },
    "3.2": {
        "its own moves": _planted,
        "the expert walks": _expert_walks,
        "advice too late": _advice_too_late,
        "views too late": _shifted_views,
        "the clone advises": _clone_advises,
        "one world only": _one_world,
        "nothing": lambda *_: None,
        "one pair": lambda clone, expert, env, steps: _planted(clone, expert, env, 1),  # noqa: ARG005
    },
    "3.3": {
        "any": _steps_cancel_in_one_coordinate,
        "of all": _of_all_positions,
        "of all steps": _of_all_steps,
        "not new": _not_new,
        "ever here": _ever_been_here,
        "stays": _stays,
        "nothing": lambda path: None,  # noqa: ARG005
    },
}
