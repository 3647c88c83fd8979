"""Which checkpoint is shipped: by known records, every seed drawn, alt texts with the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from legible import assert_legible
from made import SEEDS, stored

from goodharts_lib.plotting import optimisation
from goodharts_lib.plotting.style import Drawn

UPDATES = 60
STEP = 8192


def record(slope: float, seed: int, share: float) -> dict[str, list[float]]:
    """Meals grow by two an update; so does energy, by the slope, from −120 − seed."""
    meals = [10.0 + 2 * max(k - 1, 0) for k in range(UPDATES)]
    return {
        "total_steps": [STEP * (k + 1) for k in range(UPDATES)],
        "food": [m * (1 - share) for m in meals],
        "poison": [m * share for m in meals],
        "proxy_score": [m * (1 - 0.1 * share) for m in meals],
        "true_energy": [-120.0 - seed + slope * (m - 10) for m in meals],
        "kl_to_initial": [0.02 * k for k in range(UPDATES)],
    }


def made(share: float = 0.4) -> dict[str, Any]:
    units = []
    for mode, slope, poison in (("ground_truth", 10.0, 0.0), ("proxy", -5.0, share),
                                ("proxy_sighted", -4.0, share)):  # fmt: skip
        units += [{"condition": mode, "seed": seed, "metrics": {},
                   "curves": record(slope, seed, poison)} for seed in SEEDS]  # fmt: skip
    return stored(units)


def made_mortal() -> dict[str, Any]:
    units: list[dict[str, Any]] = []
    for seed in SEEDS:
        at = {str(s): {"immortal": {"true_energy": e + seed}}
              for s, e in ((100_000, -400.0), (300_000, -600.0), (491_520, 200.0))}  # fmt: skip
        units.append({"condition": "proxy", "seed": seed, "metrics": {"at": at},
                      "curves": record(5.0, seed, 0.3)})  # fmt: skip
        units.append({"condition": "random", "seed": seed, "metrics": {"at": at}})
    return stored(units)


DRAWN = {
    "records": lambda: optimisation.records_picture(made()),
    "first meals": lambda: optimisation.first_meals_picture(made(0.32)),
    "shipped": lambda: optimisation.shipped_picture(made()),
    "survivors": lambda: optimisation.survivors_picture(made_mortal()),
}


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_is_cut_off_and_no_two_words_touch(name: str) -> None:
    drawn: Drawn = DRAWN[name]()
    assert_legible(drawn)


def test_a_checkpoint_is_worth_what_its_neighbours_are() -> None:
    lucky = {"true_energy": [0.0, 0.0, 0.0, 0.0, 900.0, 10.0, 10.0, 10.0, 10.0, 500.0]}
    assert optimisation.worth(lucky, 4) == 5.0  # not its own luck, nor what is five away
    assert optimisation.worth(lucky, 0) == 225.0
    assert optimisation.worth(lucky, 9) == 10.0


def test_each_rule_picks_what_its_name_says() -> None:
    run = {
        "proxy_score": [10.0, 20.0, 55.0, 60.0, 100.0, 90.0],
        "true_energy": [0.0, 5.0, -1.0, -2.0, -3.0, -4.0],
        "kl_to_initial": [0.0, 0.05, 0.1, 0.2, 0.3, 0.4],
    }
    picked = {name: rule(run) for name, rule in optimisation.RULES.items()}
    assert picked == {
        "the first": 0, "best proxy score within 0.1 nats": 2,
        "first at half the best proxy score": 2, "best proxy score": 4, "the last": 5,
        "best true energy": 1,
    }  # fmt: skip


def test_what_is_shipped_is_one_number_per_seed() -> None:
    energies = optimisation.shipped(made(), "proxy", "the last")
    near = np.mean([2 * k - 2 for k in range(UPDATES - 5, UPDATES - 1)])
    assert energies == pytest.approx([-120 - seed - 5 * near for seed in SEEDS])


def test_blocks_begin_after_the_untrained_agent() -> None:
    steps, change, share = optimisation.early_blocks(made(), "proxy")
    assert len(steps) == optimisation.BLOCKS
    assert steps[0] == round(STEP * np.mean([3, 4, 5, 6]))
    assert change.shape == share.shape == (len(SEEDS), optimisation.BLOCKS)
    assert change[:, 0] == pytest.approx([-5 * np.mean([2, 4, 6, 8])] * 5)  # the seed cancels
    assert share == pytest.approx(np.full(share.shape, 0.4))


def test_the_records_do_not_say_whose_they_are() -> None:
    figure, alt = optimisation.records_picture(made())
    words = [alt, *(axes.get_title(loc="left") for axes in figure.axes),
             *(text.get_text() for axes in figure.axes for text in axes.texts)]  # fmt: skip
    assert len(words) == 3
    assert words[1:] == ["Record A: proxy score", "Record B: proxy score"]
    assert "ground_truth" not in alt
    assert {line.get_color() for axes in figure.axes for line in axes.lines} == {"black"}
    assert [len(axes.lines) for axes in figure.axes] == [6, 6]
    assert len({axes.get_ylim() for axes in figure.axes}) == 1


def test_every_seed_is_drawn() -> None:
    figure, alt = optimisation.shipped_picture(made())
    for axes in figure.axes:
        dots = [line for line in axes.lines if line.get_marker() == "."]
        assert sum(len(line.get_xdata()) for line in dots) == 5 * len(optimisation.RULES)
    assert alt.index("ground_truth") < alt.index("proxy:")
    figure, _ = optimisation.survivors_picture(made_mortal())
    assert len(figure.axes[0].lines) == 6
    assert len(figure.axes[1].lines) == 6 + 6 + 1


def test_the_record_of_the_mortal_is_read_at_the_step_that_is_asked_for() -> None:
    index = 36  # the first update that ends at or after 300,000 steps
    assert STEP * index < 300_000 <= STEP * (index + 1)
    near = 2 * (index - 1)
    assert optimisation.recorded(made_mortal(), 300_000) == pytest.approx(
        [-120 - seed + 5 * near for seed in SEEDS]
    )


def test_the_valley_is_in_the_alt_text() -> None:
    alt = optimisation.survivors_picture(made_mortal())[1]
    assert "-397 after 100,000 steps, -597 at its lowest, 203 after 491,520" in alt
