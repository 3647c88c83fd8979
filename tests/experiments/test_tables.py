"""Tables and figures by command: what is stored, and one sentence where there is nothing."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from experiments import fake

from goodharts_lib.experiments import __main__ as command
from goodharts_lib.experiments import catalog, cloning_story, engine, tables
from goodharts_lib.experiments.tables import cell, scores_table
from goodharts_lib.plotting import book


def test_the_table_takes_the_last_mortal_scores_in_the_order_of_the_definition() -> None:
    def scores(food: float) -> dict[str, float]:
        return dict.fromkeys(("poison", "true_energy", "proxy_score", "deaths", "rmst"), 0.0) | {
            "food": food
        }

    units = []
    for seed, food in ((1, 10.0), (2, 12.0)):
        at = {"9": {"immortal": scores(99), "mortal": scores(99)},
              "10": {"immortal": scores(98), "mortal": scores(food)}}  # fmt: skip
        units.append({"condition": "b", "seed": seed, "metrics": {"at": at}})
        at = {"10": {"immortal": scores(99)}, "end": {"immortal": scores(150 + seed)}}
        units.append({"condition": "a", "seed": seed, "metrics": {"at": at}})
    told = {"b": {"settings": {}}, "a": {"settings": {"scripted": "random"}}}
    lines = scores_table({"definition": {"conditions": told}, "units": units}).splitlines()
    # t of one degree of freedom is 12.706, and the standard error is 1
    assert lines[2].startswith("| `b` | 11.0 [−1.7, 23.7] | ")
    assert lines[3].startswith("| `a` | 152 | ")


def test_a_clone_has_a_table_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["table", "cloning"]) == 0
    assert cloning_story.table(catalog.load_results("cloning")) in capsys.readouterr().out


def test_what_is_done_is_counted_in_the_grid_and_what_was_cut_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = replace(fake.experiment(), cut="Planned larger; done small for time.")
    engine.run(whole, tmp_path, jobs=1, tell=lambda _: None)
    first, second = whole.conditions
    smaller = replace(whole, conditions=(first, replace(second, seeds=(1, 3))))
    monkeypatch.setattr(catalog, "EXPERIMENTS", {"fake": smaller})
    found = tables.progress(smaller, tmp_path)
    assert (found.done, found.total) == (3, 4)  # seed 2 is stored and no longer asked for
    assert str(found) == "3 of 4"
    assert not found.stale
    told = tables.status(tmp_path).splitlines()
    assert told[1].startswith("fake             3 of 4 units, 0.0 h")
    assert told[2].strip() == smaller.cut
    last = tables.reproduction_table(tmp_path).splitlines()[-1]
    assert last.endswith(f"| `{found.checksum}` | {smaller.cut} |")
    assert "`run fake` | 3 of 4 | 0.00 |" in last
    monkeypatch.setattr(catalog, "EXPERIMENTS", {"fake": replace(whole, cut="")})
    assert tables.reproduction_table(tmp_path).splitlines()[-1].endswith("| nothing |")


def test_a_single_seed_has_no_interval() -> None:
    assert cell([-3.25], learned=True) == "−3.2"


def test_nothing_is_less_than_nothing() -> None:
    assert cell([0.0, 0.001], learned=True) == "0.0 [0.0, 0.0]"


def test_the_commands_print_what_is_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["table", "replication"]) == 0
    assert scores_table(catalog.load_results("replication")) in capsys.readouterr().out
    picture = tmp_path / "picture.png"
    assert command.main(["draw", "replication", "--save", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    figure, alt = book.draw("replication")
    assert alt in capsys.readouterr().out
    assert "-" not in alt.replace("SB3", "").split("ground_truth")[1]
    assert len(figure.axes) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("table two_by_tow", "unknown experiment 'two_by_tow' (nearest valid: two_by_two)"),
        ("draw phases", "unknown figure 'phases' (nearest valid: phase)"),
        ("draw gap --results-dir nowhere --save {}/gap.png", "there are no results of 'gap'"),
        ("draw replication --save {}/file/x.png", "file"),
    ],
)
def test_nothing_is_drawn_of_nothing(arguments: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = [sys.executable, "-m", "goodharts_lib.experiments", *arguments.format(tmp_path).split()]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("*.png"))


def test_a_reader_that_leaves_is_no_error() -> None:
    line = f"{sys.executable} -m goodharts_lib.experiments report | head -n 1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith("P1a")
