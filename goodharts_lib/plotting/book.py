"""The book's figures by name, each from the results that ship with the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from goodharts_lib.errors import one_of
from goodharts_lib.experiments.analysis import EARLY, LATE
from goodharts_lib.experiments.catalog import load_results
from goodharts_lib.plotting import cells, cloning, compared, optimisation, phase, seeds, sweeps
from goodharts_lib.plotting.style import Drawn, darken_text, with_true_minus

# A figure's name to the experiments that it draws, and the function that draws them.
FIGURES: Mapping[str, tuple[tuple[str, ...], Callable[..., Drawn]]] = {
    "headline_curves": (("two_by_two",), cells.headline_curves),
    "four_cells": (("two_by_two",), partial(cells.four_cells, step=LATE)),
    "eyes_and_wages": (("two_by_two",), cells.eyes_and_wages),
    "goodhart_curve": (("two_by_two",), cells.goodhart_curve),
    "swap_growth": (("two_by_two",), cells.swap_growth),
    "cascade": (("two_by_two",), cells.cascade_picture),
    "replication": (("replication",), compared.replication_picture),
    "agreement": (
        ("two_by_two", "two_by_two_base"),
        partial(compared.pair_picture, names=("small", "default"), step=EARLY),
    ),
    "shaping": (
        ("two_by_two", "shaping_off"),
        partial(compared.shaping_picture, steps=(EARLY, LATE)),
    ),
    "death": (("mortality", "two_by_two"), compared.death_picture),
    "death_cells": (
        ("two_by_two", "mortality"),
        partial(compared.pair_picture, names=("immortal", "mortal"), step=LATE),
    ),
    "death_and_eyes": (("mortality",), compared.eyes_for_death_picture),
    "gap": (("gap",), sweeps.gap_picture),
    "gap_meals": (("gap",), partial(sweeps.meals_picture, gaps=(0.2, 0.1, 0.05, 0.02, 0.0))),
    "gap_noise": (("gap",), sweeps.noise_picture),
    "interestingness": (("interestingness",), sweeps.lure_picture),
    "phase": (("phase",), phase.phase_picture),
    "phase_diet": (("phase",), phase.diet_picture),
    "phase_borders": (("phase",), phase.borders_picture),
    "phase_taught": (("phase",), phase.taught_picture),
    "seed_halves": (("two_by_two",), partial(seeds.halves_picture, step=LATE)),
    "seed_lottery": (("two_by_two",), seeds.lottery_picture),
    "cloning_epochs": (("cloning",), cloning.epochs_picture),
    "cloning_shortfall": (("cloning",), cloning.shortfall_picture),
    "cloning_remedies": (("cloning",), cloning.remedies_picture),
    "cloning_reasons": (("cloning",), cloning.reasons_picture),
    "records": (("two_by_two",), optimisation.records_picture),
    "first_meals": (("two_by_two",), optimisation.first_meals_picture),
    "shipped": (("two_by_two",), optimisation.shipped_picture),
    "survivors": (("mortality",), optimisation.survivors_picture),
}


def draw(name: str, directory: str | None = None) -> Drawn:
    """Draw a figure of the book.

    Args:
        name: one of `FIGURES`.
        directory: where results lie; by default those of the book.

    Raises:
        UserError: there is no such figure, or its results are missing or stale.
    """
    experiments, picture = FIGURES[one_of("figure", name, FIGURES)]
    figure, alt = picture(*(load_results(experiment, directory) for experiment in experiments))
    darken_text(figure)
    return figure, with_true_minus(alt)
