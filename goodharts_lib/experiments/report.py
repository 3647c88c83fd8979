"""The report on all predictions: for a terminal, and as `PREDICTIONS.md`.

The history of that file shows which came first, the prediction or the result.
"""

from __future__ import annotations

import re
from pathlib import Path

from goodharts_lib.experiments.catalog import EXPERIMENTS
from goodharts_lib.experiments.predictions import (
    PREDICTIONS,
    UNTESTED,
    Prediction,
    Untested,
    outcome_of,
)

CHANCE = """\
Each interval is judged at 95 % and nothing is corrected for their number: a claim above or below \
one limit is confirmed wrongly at most once in forty.
A claim of several parts is confirmed only if all hold, and refuted as soon as one fails, which \
chance does more often."""

HEAD = f"""\
Written down before the experiment ran that tests them; the history of this file shows which came \
first.
A claim that something is below a limit is *confirmed* if the whole 95 % interval over training \
seeds lies below it, *refuted* if the whole interval lies above it, and *undecided* otherwise.
P3 is judged otherwise, because it counts training seeds: it is confirmed if at least four fifths \
of them learn at gap 0.1 and none at gap 0, and refuted if not.
No claim rests on fewer than five training seeds.
{CHANCE}
This page is written by `python -m goodharts_lib.experiments report --markdown`."""


def report(directory: Path, *, markdown: bool = False) -> str:
    """Return all predictions beside what was measured.

    Args:
        directory: where results lie.
        markdown: return the whole of PREDICTIONS.md.
    """
    if markdown:
        return _page(directory)
    lines = []
    for prediction in PREDICTIONS:
        measured, verdict = _told(prediction, directory)
        lines += [
            f"{prediction.key}  {verdict.upper()}  ({prediction.experiment})",
            f"    predicted: {prediction.claim}",
            f"    refuted if: {prediction.refuted_if}",
            f"    measured:  {measured or '-'}",
        ]
    lines.append(CHANCE)
    lines += [f"{u.key}  NOT TESTED YET\n    predicted: {_claim(u)}" for u in UNTESTED]
    lines += [f"{name}  CUT\n    {why}" for name, why in _cuts().items()]
    return "\n".join(lines)


def _cuts() -> dict[str, str]:
    """Return what was cut, by experiment."""
    return {name: experiment.cut for name, experiment in EXPERIMENTS.items() if experiment.cut}


def _told(prediction: Prediction, directory: Path) -> tuple[str, str]:
    """Return what was measured, with true minus signs, and the verdict."""
    measured, verdict = outcome_of(prediction, directory)
    return re.sub(r"(?<!\w)-(?=\d)", "−", measured), verdict


def _claim(untested: Untested) -> str:
    """Return the claim, and what is known of it."""
    return f"{untested.claim} {untested.known}".strip()


def _page(directory: Path) -> str:
    """Return PREDICTIONS.md."""
    seen = "\n".join(f"- {p.key}: {p.seen}." for p in PREDICTIONS)
    untested = "\n".join(f"- {u.key}: {_claim(u)}" for u in UNTESTED)
    cut = "\n".join(f"- `{name}`: {why}" for name, why in _cuts().items())
    return f"""# Predictions

{HEAD}

{_table(directory)}

## What had been seen before

Pilot runs came first; their training seeds (0 to 4, 100 to 104) are not used again.

{seen}

## What was cut

{cut}

## Not tested yet

{untested}"""


def _table(directory: Path) -> str:
    lines = [
        "| | experiment | prediction | refuted if | measured | outcome |",
        "|---|---|---|---|---|---|",
    ]
    for prediction in PREDICTIONS:
        measured, verdict = _told(prediction, directory)
        cells = (
            prediction.key, f"`{prediction.experiment}`", prediction.claim, prediction.refuted_if,
            measured, f"**{verdict}**",
        )  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
