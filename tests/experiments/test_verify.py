"""Doing stored units again: equal where the machine is, else within what seeds explain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from experiments import fake

from goodharts_lib import stats
from goodharts_lib.errors import UserError
from goodharts_lib.experiments import __main__ as command
from goodharts_lib.experiments import catalog, engine, results
from goodharts_lib.experiments.__main__ import compared

SAME = {"torch": "2", "device": "cpu", "repeatable": True}
KNOWN = [10.0, 11.0, 12.0, 13.0, 14.0]


def unit(value: float, machine: Mapping[str, Any] = SAME, **more: Any) -> dict[str, Any]:
    return {"metrics": {"sum": value}, "machine": dict(machine), **more}


def test_equal_numbers_hold_wherever_they_come_from() -> None:
    for machine in (SAME, {"torch": "1"}, {}):
        told = compared("sum", KNOWN, unit(12.0, machine), unit(12.0))
        assert told == (True, "the same, bit for bit")
    holds, _ = compared("sum", KNOWN, unit(12.0, curves={"x": [1]}), unit(12.0, curves={"x": [2]}))
    assert not holds  # the metrics are equal and the curves are not


def test_on_such_a_machine_nothing_but_equality_will_do() -> None:
    holds, words = compared("sum", KNOWN, unit(12.0), unit(12.000001))
    assert not holds
    assert words == "sum 12.00, on record 12.00, though the machine is of the same kind"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"torch": "1", "device": "cpu", "repeatable": True}, SAME),
        ({"torch": "2"}, SAME),  # stored before a unit said where it was computed
        (SAME | {"repeatable": False}, SAME | {"repeatable": False}),  # a GPU left to itself
    ],
)
def test_elsewhere_the_number_must_lie_where_another_seed_s_would(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    low, high = stats.prediction_interval(KNOWN, 0.99)
    for value, expected in ((low + 0.01, True), (high - 0.01, True), (low - 0.01, False),
                            (high + 0.01, False)):  # fmt: skip
        holds, words = compared("sum", KNOWN, unit(12.0, old), unit(value, new))
        assert holds is expected
        assert f"{'within' if expected else 'outside'} the range that seeds explain" in words


def test_a_single_seed_has_no_range() -> None:
    holds, words = compared("sum", [12.0], unit(12.0, {}), unit(12.5))
    assert not holds
    assert words.endswith("a single seed has no range to compare with")


def only(experiment: engine.Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "EXPERIMENTS", {"fake": experiment})


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the small experiment the only one there is."""
    only(fake.experiment(), monkeypatch)


def worse(settings: Mapping[str, Any], seed: int, scratch: Path) -> dict[str, Any]:
    """Add wrongly, as a broken program would."""
    done = fake.add(settings, seed, scratch)
    return done | {"metrics": {"sum": done["metrics"]["sum"] + 1000 * (seed == 2)}}


@pytest.mark.usefixtures("known")
def test_the_command_fails_if_one_unit_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ["verify", "fake", "--units", "4", "--results-dir", str(tmp_path)]
    engine.run(fake.experiment(), tmp_path, jobs=1, seeds=[1], tell=lambda _: None)
    engine.run(fake.experiment(), tmp_path, jobs=1, tell=lambda _: None)
    assert command.main(line) == 0
    assert capsys.readouterr().out.count("the same, bit for bit") == 4
    broken = replace(fake.experiment(), measure=worse)
    monkeypatch.setattr(broken.measure, "__qualname__", "add")
    monkeypatch.setattr(broken.measure, "__module__", fake.__name__)
    only(broken, monkeypatch)
    assert command.main(line) == 1
    told = capsys.readouterr().out
    assert told.count("the same, bit for bit") == 2
    assert "base 10 seed 2: sum 1,012.00, on record 12.00, though" in told


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("verify fake --units 0", "--units: 0 is not at least 1"),
        ("verify fake --units -1", "--units: -1 is not at least 1"),
        ("verify fake --units two", "--units: invalid"),
        ("run fake --jobs 0", "--jobs: 0 is neither a number of processes nor -1"),
        ("run fake --jobs -2", "--jobs: -2 is neither"),
        ("run fake --seeds 5", r"unknown training seed '5'.*: choose from 1, 2"),
        ("run fake --conditions none", "unknown condition 'none'"),
    ],
)
def test_an_argument_that_makes_no_sense_is_one_sentence_and_no_work(
    line: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=words):
        command.main([*line.split(), "--results-dir", str(tmp_path / "new")])
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("known")
def test_nothing_stored_is_nothing_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = results.open_for_writing(fake.experiment().definition(), tmp_path)
    results.write(empty, tmp_path)
    assert command.main(["verify", "fake", "--results-dir", str(tmp_path)]) == 1
    assert "no unit of 'fake' is stored yet" in capsys.readouterr().out


@pytest.mark.usefixtures("known")
def test_the_status_of_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    engine.run(fake.experiment(), tmp_path, jobs=1, tell=lambda _: None)
    path = tmp_path / "fake.json"
    head = path.read_text("utf-8").split('"units": [')[0]
    path.write_text(head + '"units": [{}]}', encoding="utf-8")
    with pytest.raises(UserError, match="is damaged: a unit needs condition"):
        command.main(["status", "--results-dir", str(tmp_path)])
