"""Predictions are judged by intervals over seeds: confirmed, refuted, or left open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from goodharts_lib.errors import UserError
from goodharts_lib.experiments import outcomes, results
from goodharts_lib.experiments.analysis import TooFewError, phase_line
from goodharts_lib.experiments.catalog import EXPERIMENTS, GAPS, SHARES
from goodharts_lib.experiments.predictions import PREDICTIONS, outcome_of
from goodharts_lib.experiments.report import report

NOISE = (-20.0, -10.0, 0.0, 10.0, 20.0)


def cells(energy: dict[str, tuple[float, float]], proxy: dict[str, float]) -> dict[str, Any]:
    """Results of the four modes: true energy early and late, proxy score late."""
    made = []
    for mode, (early, late) in energy.items():
        for seed, shake in enumerate(NOISE):
            moments = {
                "300000": {"immortal": {"true_energy": early + shake, "proxy_score": 0.0}},
                "1000000": {
                    "immortal": {
                        "true_energy": late + shake,
                        "proxy_score": proxy.get(mode, 0.0) + shake / 10,
                    }
                },
            }
            made.append({"condition": mode, "seed": seed, "metrics": {"at": moments}})
    return {"units": made}


STORY = cells(
    {
        "ground_truth": (1400, 1600),
        "proxy_jammed": (0, 1300),
        "proxy": (-600, -650),
        "proxy_sighted": (-590, -640),
        "random": (-140, -140),
    },
    {"proxy": 217, "ground_truth": 176},
)


@pytest.mark.parametrize(
    "judge",
    [
        outcomes.proxy_earns_more,
        outcomes.proxy_below_random,
        outcomes.sight_does_not_help,
        outcomes.eyes_matter_early,
    ],
)
def test_the_story_as_predicted_is_confirmed(judge: Callable[[Any], outcomes.Outcome]) -> None:
    assert judge(STORY).verdict == "confirmed"


def test_the_opposite_is_refuted_and_a_tie_left_open() -> None:
    turned = cells(
        {
            "ground_truth": (1400, 1600),
            "proxy_jammed": (1390, 0),
            "proxy": (-600, 300),
            "proxy_sighted": (-590, 900),
            "random": (-140, -140),
        },
        {"proxy": 100, "ground_truth": 176},
    )
    assert outcomes.proxy_earns_more(turned).verdict == "refuted"
    assert outcomes.proxy_below_random(turned).verdict == "refuted"
    assert outcomes.sight_does_not_help(turned).verdict == "refuted"
    assert outcomes.eyes_matter_early(turned).verdict == "refuted"
    tie = cells(
        {"proxy": (0, -140), "random": (0, -140), "proxy_sighted": (0, 0)},
        {"proxy": 100, "ground_truth": 100},
    )
    assert outcomes.proxy_below_random(tie).verdict == "undecided"
    assert outcomes.sight_does_not_help(tie).verdict == "undecided"


def test_the_eyes_are_measured_against_the_wages_and_a_wide_interval_decides_nothing() -> None:
    measured = outcomes.eyes_matter_early(STORY).measured
    eyes, wages = (1600 - 640 - 1300 + 650) / 2, (1600 + 1300 + 650 + 640) / 2
    assert f"; +{eyes / wages:.4f} [" in measured
    assert measured.endswith("(95 % Fieller, n = 20) at 1 M")
    unsure = cells(
        {"ground_truth": (1400, 1600), "proxy_jammed": (0, 710), "proxy": (-600, -650),
         "proxy_sighted": (-590, -640)}, {},
    )  # fmt: skip
    found = outcomes.eyes_matter_early(unsure)
    assert "; +0.25" in found.measured
    assert found.verdict == "undecided"


def test_four_seeds_are_too_few() -> None:
    few = {"units": [unit for unit in STORY["units"] if unit["seed"] < 4]}
    with pytest.raises(TooFewError, match="4 seeds of"):
        outcomes.proxy_earns_more(few)


def gaps(slope: float, *, blind: bool = True) -> dict[str, Any]:
    made = []
    for gap in GAPS:
        for seed, shake in enumerate((-0.2, -0.1, 0.0, 0.1, 0.2)):
            time = 40_000 * gap**slope * np.exp(shake) if gap else 1e9
            learned = int(time) if time < 1_500_000 or not (blind or gap) else None
            made.append(
                {
                    "condition": f"gap {gap:g}",
                    "seed": seed,
                    "metrics": {"learned_at": learned, "total_steps": learned or 1_500_000},
                }
            )
    return {"units": made}


def test_a_power_law_is_found_with_its_censored_runs() -> None:
    stored = gaps(-1.5)
    assert any(unit["metrics"]["learned_at"] is None for unit in stored["units"])
    assert outcomes.gap_slope(stored).verdict == "confirmed"
    assert outcomes.gap_slope(gaps(-0.3)).verdict == "refuted"
    assert outcomes.learns_the_gap(stored) == ("4 of 5 seeds at gap 0.1, 0 of 5 seeds at gap 0",
                                               "confirmed")  # fmt: skip
    assert outcomes.learns_the_gap(gaps(-1.5, blind=False)).verdict == "refuted"


@pytest.mark.parametrize(
    ("learned", "seeds", "verdict"),
    [(4, 5, "confirmed"), (3, 5, "refuted"), (8, 10, "confirmed"), (7, 10, "refuted")],
)
def test_a_gap_is_learned_if_four_fifths_of_the_seeds_learn_it(
    learned: int, seeds: int, verdict: str
) -> None:
    ends = [1000 if seed < learned else None for seed in range(seeds)]
    units = simple("gap 0.1", ("learned_at",), ends)
    units += simple("gap 0", ("learned_at",), [None] * seeds)
    assert outcomes.learns_the_gap({"units": units}).verdict == verdict


def test_a_sweep_with_too_few_seeds_decides_nothing() -> None:
    for stored, judge in ((gaps(-1.5), outcomes.gap_slope), (phase(), outcomes.break_points)):
        judge(stored)
        few = {"units": [unit for unit in stored["units"] if unit["seed"] < 4]}
        with pytest.raises(TooFewError, match="4 seeds at 0"):
            judge(few)
        with pytest.raises(TooFewError, match="not complete"):
            judge({"units": []})


def simple(condition: str, path: tuple[str, ...], values: Any) -> list[dict[str, Any]]:
    """Units of one condition that hold one number each, at a path."""
    made = []
    for seed, value in enumerate(values):
        metrics: Any = value
        for key in reversed(path):
            metrics = {key: metrics}
        made.append({"condition": condition, "seed": seed, "metrics": metrics})
    return made


def spread(middle: float, width: float = 0.01) -> list[float]:
    return [middle + width * step for step in (-1, -0.5, 0, 0.5, 1)]


@pytest.mark.parametrize(
    ("blind", "verdict"), [(0.68, "confirmed"), (0.80, "refuted"), (0.63, "undecided")]
)
def test_a_blind_agent_is_compared_with_one_that_eats_everything(
    blind: float, verdict: str
) -> None:
    path = ("at", "end", "immortal", "food_share")
    stored = {
        "units": simple("gap 0", path, spread(blind)) + simple("eat_everything", path, spread(0.68))
    }
    assert outcomes.blind_eats_alike(stored).verdict == verdict


@pytest.mark.parametrize(
    ("shares", "verdict"),
    [
        ((0.10, 0.30, 0.32), "confirmed"),
        ((0.10, 0.10, 0.32), "refuted"),  # 0.6 is right enough already
        ((0.30, 0.30, 0.32), "refuted"),  # and 0.2 is not
        ((0.16, 0.30, 0.32), "undecided"),
    ],
)
def test_how_right_a_proxy_must_be(shares: tuple[float, float, float], verdict: str) -> None:
    path = ("at", "70000", "immortal", "food_share")
    units = []
    for lure, share in zip((0.2, 0.6, 1.0), shares, strict=True):
        units += simple(f"poison at {lure:g}", path, spread(1 - share))
    assert outcomes.nearly_right_is_not_enough({"units": units}).verdict == verdict


@pytest.mark.parametrize(
    ("truth", "proxy", "verdict"),
    [(1500, -600, "confirmed"), (500, -600, "refuted"), (1500, 0, "refuted"),
     (1000, -600, "undecided")],
)  # fmt: skip
def test_what_must_hold_without_shaping(truth: float, proxy: float, verdict: str) -> None:
    path = ("at", "1000000", "immortal", "true_energy")
    ends = {"ground_truth": truth, "proxy": proxy, "proxy_jammed": 0, "proxy_sighted": -600}
    units = [unit for mode, end in ends.items() for unit in simple(mode, path, spread(end, 40))]
    assert outcomes.shaping_is_not_the_cause({"units": units}).verdict == verdict


@pytest.mark.parametrize(
    ("sighted", "verdict"), [(300, "confirmed"), (-400, "refuted"), (-215, "undecided")]
)
def test_who_sees_death_coming(sighted: float, verdict: str) -> None:
    path = ("at", "1000000", "immortal", "true_energy")
    units = [*simple("proxy", path, spread(-220, 40)),
             *simple("proxy_sighted", path, spread(sighted, 40))]  # fmt: skip
    assert outcomes.eyes_help_the_mortal({"units": units}).verdict == verdict


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [({}, "confirmed"), ({"ground_truth": 800}, "refuted"), ({"proxy_sighted": -100}, "refuted"),
     ({"proxy_jammed": 600}, "refuted"), ({"proxy_jammed": 295}, "undecided")],
)  # fmt: skip
def test_what_the_default_network_must_do_as_well(
    changed: dict[str, float], verdict: str
) -> None:
    path = ("at", "300000", "immortal", "true_energy")
    ends = {"ground_truth": 1400, "proxy": -600, "proxy_jammed": 0, "proxy_sighted": -600}
    units = [unit for mode, end in (ends | changed).items()
             for unit in simple(mode, path, spread(end, 40))]  # fmt: skip
    assert outcomes.networks_agree({"units": units}).verdict == verdict


@pytest.mark.parametrize(
    ("late", "verdict"), [(40, "confirmed"), (90, "refuted"), (60, "undecided")]
)
def test_whether_death_lowers_poison(late: float, verdict: str) -> None:
    units = [
        {"condition": "proxy", "seed": seed, "metrics": {"at": {
            "300000": {"immortal": {"poison": 62 + shake}},
            "2000000": {"immortal": {"poison": late - shake / 2}},
        }}}
        for seed, shake in enumerate((-6.0, -3.0, 0.0, 3.0, 6.0))
    ]  # fmt: skip
    found = outcomes.death_lowers_poison({"units": units})
    assert found.verdict == verdict
    assert found.measured.endswith("(95 % Welch t, n = 5 + 5)")
    assert found.measured.startswith(f"change {late - 62:+}")


@pytest.mark.parametrize(
    ("end", "verdict"), [(200, "confirmed"), (-400, "refuted"), (-110, "undecided")]
)
def test_whether_death_teaches(end: float, verdict: str) -> None:
    path = ("at", "2000000", "immortal", "true_energy")
    units = [*simple("proxy", path, spread(end, 40)), *simple("random", path, spread(-120, 5))]
    for unit in units[:5]:  # what it was on the way does not count
        unit["metrics"]["at"]["1000000"] = {"immortal": {"true_energy": -900.0}}
    assert outcomes.death_teaches({"units": units}).verdict == verdict


def phase(
    walked: float = 0.0, shares: Sequence[float] = SHARES, wobble: float = 0.001
) -> dict[str, Any]:
    """Eaters of everything beside walks that eat nothing but poison, if anything.

    Against such walks true energy crosses zero above p*, by (1 − p*) walked / 200.

    Args:
        walked: poison that a walk eats per 1,000 steps.
        shares: of poison among items.
        wobble: how unlike the agents' shares of meals are.
    """
    made: list[Any] = []
    for share in shares:
        for seed, shake in enumerate((-2.0, -1.0, 0.0, 1.0, 2.0)):
            mine = share + wobble * shake
            eaten = {"food": 200 * (1 - mine), "poison": 200 * mine}
            walk = {"food": 0.0, "poison": walked}
            for name, scores in ((f"share {share:g}", eaten), (f"random at {share:g}", walk)):
                metrics = {"at": {"500000": {"immortal": scores}}}
                made.append({"condition": name, "seed": seed, "metrics": metrics})
    return {"units": made}


def test_the_line_is_confirmed_where_agents_eat_everything() -> None:
    share, gain = phase_line(phase(), harm=3.0)
    assert min(share) == pytest.approx(0.05)
    crossing = outcomes.fits.zero_crossing(share, gain, np.random.default_rng(0))
    assert crossing.estimate == pytest.approx(0.25, abs=0.01)
    found = outcomes.break_points(phase())
    assert found.verdict == "confirmed"
    assert found.measured.count("against") == 5
    assert found.measured.endswith("; h/g 0.3 and 0.5: p* lies beyond the shares measured")


def test_a_line_that_lies_elsewhere_is_refuted_also_where_one_side_is_open() -> None:
    far = phase(walked=40)  # 0.2 of what is not p*: 0.1 at h/g 1, 0.18 at 10
    found = outcomes.break_points(far)
    assert "h/g 3: 0.400 [" in found.measured
    assert found.verdict == "refuted"
    beyond = phase(walked=80, shares=(0.05, 0.1, 0.2, 0.3, 0.4))
    found = outcomes.break_points(beyond)
    assert "h/g 3: open [0.400, open] against 0.250" in found.measured
    assert found.verdict == "refuted"


def test_a_line_that_is_not_known_well_is_left_open() -> None:
    near = phase(walked=8)  # 0.02 at h/g 1, 0.036 at 10: within 0.05
    assert outcomes.break_points(near).verdict == "confirmed"
    unsure = phase(walked=8, wobble=0.03)
    assert outcomes.break_points(unsure).verdict == "undecided"


def test_every_prediction_names_an_experiment_and_a_way_to_fail() -> None:
    assert len({p.key for p in PREDICTIONS}) == len(PREDICTIONS) >= 9
    for prediction in PREDICTIONS:
        assert prediction.experiment in EXPERIMENTS
        assert prediction.refuted_if
        assert prediction.seen


def test_what_has_not_run_is_said_to_be_so(tmp_path: Path) -> None:
    told = report(tmp_path)
    assert told.count("NOT RUN") == len(PREDICTIONS)
    assert "NOT TESTED YET" in told


def test_stale_results_decide_nothing(tmp_path: Path) -> None:
    store(tmp_path, STORY["units"], measure="another")
    told = report(tmp_path)
    assert "P1a  STALE" in told


def test_the_report_gives_measured_and_verdict(tmp_path: Path) -> None:
    cascade = {
        "guided_backprop": {"network_fc": 0.5},
        "gradient": {"network_fc": 0.01},
        "integrated_gradients": {"network_fc": -0.02},
    }
    units = [
        {**unit, "metrics": unit["metrics"] | {"cascade": with_shake(cascade, unit["seed"])}}
        for unit in STORY["units"]
    ]
    store(tmp_path, units)
    told = report(tmp_path)
    for key in ("P1a", "P1b", "P5a", "P5b", "P8"):
        assert f"{key}  CONFIRMED" in told
    assert "measured:  difference +41.0 [" in told
    page = report(tmp_path, markdown=True).splitlines()
    table = [line for line in page if line.startswith("|")]
    assert len(table) == 2 + len(PREDICTIONS)
    assert all(line.count("|") == 7 for line in table)
    assert any("| difference −510 [" in line for line in table)  # a true minus sign
    for text in (told, "\n".join(page)):
        assert "Planned to 1 M steps; done to 300,000 for time." in text


def test_damaged_results_are_not_called_missing(tmp_path: Path) -> None:
    store(tmp_path, STORY["units"])
    path = tmp_path / "two_by_two.json"
    path.write_text(path.read_text("utf-8").replace("217", "317"), encoding="utf-8")
    first = next(p for p in PREDICTIONS if p.experiment == "two_by_two")
    with pytest.raises(UserError, match="do not have the checksum on record"):
        outcome_of(first, tmp_path)
    with pytest.raises(UserError, match="do not have the checksum on record"):
        report(tmp_path)


def store(folder: Path, units: list[dict[str, Any]], **changed: str) -> None:
    """Store units as those of two_by_two, by its definition with something changed."""
    whole = [{"seconds": 1.0, "machine": {}} | unit for unit in units]
    definition = EXPERIMENTS["two_by_two"].definition() | changed
    manifest = {"checksum": results.checksum(whole)}
    stored = {"definition": definition, "definition_hash": results.hashed(definition),
              "units": whole, "manifest": manifest}  # fmt: skip
    results.write(stored, folder)


def with_shake(cascade: dict[str, dict[str, float]], seed: int) -> dict[str, dict[str, float]]:
    """The same correlations, a little different for each seed."""
    return {
        method: {layer: value + seed / 100 for layer, value in stages.items()}
        for method, stages in cascade.items()
    }


def test_a_guided_map_that_forgets_refutes_the_prediction() -> None:
    cascade = {method: {"network_fc": 0.0} for method in
               ("guided_backprop", "gradient", "integrated_gradients")}  # fmt: skip
    units = [
        {**unit, "metrics": {"cascade": with_shake(cascade, unit["seed"])}}
        for unit in STORY["units"]
    ]
    found = outcomes.guided_fails({"units": units})
    assert found.verdict == "refuted"
    assert found.measured.endswith("proxy_sighted; one draw of new weights for all seeds)")


def clones(plain: float, mended: float, accuracy: float, longer: float = 1600) -> dict[str, Any]:
    """An expert that makes 1,700, its clones, and its clones mended by DAgger or by more steps."""
    made = []
    for name, energy in (("itself", 1700.0), ("10000", plain), ("10000 DAgger", mended),
                         ("10000 longer", longer)):  # fmt: skip
        for seed, shake in enumerate(NOISE):
            at_end = {"end": {"immortal": {"true_energy": energy + shake / 4}}}
            last = {"accuracy": accuracy + shake / 1e4}
            metrics = {"at": at_end, "last_epoch": last}
            made.append({"condition": f"food_only {name}", "seed": seed, "metrics": metrics})
    return {"units": made}


def test_cloning_is_judged_by_accuracy_shortfall_and_what_dagger_closes() -> None:
    assert outcomes.copies_fall_short(clones(1500, 1650, 0.98)).verdict == "confirmed"
    assert outcomes.copies_fall_short(clones(1690, 1650, 0.98)).verdict == "refuted"
    assert outcomes.copies_fall_short(clones(1500, 1650, 0.90)).verdict == "refuted"
    assert outcomes.dagger_helps(clones(1500, 1650, 0.98)).verdict == "confirmed"
    assert outcomes.dagger_helps(clones(1500, 1530, 0.98)).verdict == "refuted"
    assert outcomes.dagger_helps(clones(1500, 1600, 0.98)).verdict == "undecided"
    measured = outcomes.dagger_helps(clones(1500, 1650, 0.98)).measured
    assert measured.startswith("share +0.750 [")
    assert measured.endswith("Fieller, n = 15); as many steps without DAgger close 0.50")
    blurred = clones(1699, 1650, 0.98)  # a shortfall that may be nothing has no share
    found = outcomes.dagger_helps(blurred)
    assert "[-inf, inf]" in found.measured
    assert found.verdict == "undecided"
