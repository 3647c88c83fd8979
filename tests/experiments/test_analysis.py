"""From stored results to numbers: worked examples whose answers are known."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from goodharts_lib.experiments import analysis
from goodharts_lib.modes import MODES

sys.path.insert(0, str(Path(__file__).parent.parent / "plotting"))
import made


def test_effects_are_wages_then_eyes() -> None:
    stored = made.two_by_two((1_000_000,))
    energy = {}
    for mode in MODES:
        food, poison = (4 + end for end in made.ends(mode))
        energy[mode] = 10 * food - 30 * poison - 100
    truth, proxy, jammed, sighted = energy.values()
    found = analysis.effects(stored, 1_000_000)
    assert found.first.estimate == pytest.approx((truth + jammed - proxy - sighted) / 2)
    assert found.second.estimate == pytest.approx((truth + sighted - proxy - jammed) / 2)
    assert found.interaction.estimate == pytest.approx(truth - jammed - sighted + proxy)


def test_steps_are_those_that_every_unit_was_judged_at() -> None:
    stored = made.two_by_two((100, 200))
    del stored["units"][0]["metrics"]["at"]["100"]
    assert analysis.judged(stored, "ground_truth") == [200]
    steps, energy = analysis.over_steps(stored, "proxy", "immortal.true_energy")
    assert steps == [100, 200]
    assert energy.shape == (5, 2)


def test_the_eyes_share_is_that_of_two_main_effects() -> None:
    stored = made.two_by_two((300_000, 1_000_000))
    for step in (300_000, 1_000_000):
        wages, eyes, _ = analysis.effects(stored, step)
        found = analysis.eyes_over_wages(stored, step)
        assert found.estimate == pytest.approx(eyes.estimate / wages.estimate)
        assert found.low < found.estimate < found.high
        assert found.method == "Fieller"


def energies(*course: float) -> dict:
    """One seed's true energy after 100, 200, ... steps."""
    at = {
        str(100 * number): {"immortal": {"true_energy": energy}}
        for number, energy in enumerate(course, 1)
    }
    return {"condition": "proxy", "seed": 1, "metrics": {"at": at}}


WALK = {"condition": "random", "seed": 1,
        "metrics": {"at": {"300": {"immortal": {"true_energy": -100.0}}}}}  # fmt: skip


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ((-300, -200, 100), 200 + 100 / 3),
        ((-300, 0, -200), None),  # it came back, and fell again
        ((0, 100, 200), 100),
        ((-50, -300, -60), 200 + 200 / 2.4),
    ],
)
def test_recovery_is_when_it_stays_above_the_random_walk(
    course: tuple[float, ...], expected: float | None
) -> None:
    found = analysis.recovery({"units": [energies(*course), WALK]})[0]
    assert found == (None if expected is None else pytest.approx(expected))


def test_learning_times_leave_out_what_is_not_the_plain_sweep() -> None:
    gaps, times, seen = analysis.learning_times(made.gap())
    assert set(gaps) == {0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0}
    assert all(seen)
    assert min(times) == pytest.approx(10_000 * 0.9)


def test_meals_are_worth_what_the_prices_say_for_every_harm_at_once() -> None:
    scores = [{"food": 20.0, "poison": 4.0}, {"food": 0.0, "poison": 1.0}]
    assert analysis.worth(scores, 3.0).tolist() == [200 - 120, -30]
    assert analysis.worth(scores, [0.0, 0.5, 3.0]).tolist() == [[200, 0], [180, -5], [80, -30]]


def test_mortal_cells_are_columns_of_their_own() -> None:
    stored = made.phase()
    extra = [{**unit, "condition": unit["condition"].replace("share", "mortal at")}
             for unit in stored["units"] if unit["condition"] == "share 0.2"]  # fmt: skip
    stored["units"] += extra
    assert list(analysis.phase_columns(stored)) == [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert list(analysis.phase_columns(stored, "mortal at")) == [0.2]
