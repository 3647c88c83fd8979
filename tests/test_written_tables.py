"""Tables in the book's pages say what the library says, and a change of either is found."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import claims
import pytest
import write_tables
from training.tiny import ROOT

from goodharts_lib.errors import UserError
from goodharts_lib.experiments import analysis

PAGE = "Before\n<!-- table: modes -->\nanything\n<!-- end -->\nAfter\n"


def test_every_page_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert write_tables.main(["--check"]) == 0, capsys.readouterr().out


def test_a_wrong_number_is_found_and_put_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(write_tables, "ROOT", tmp_path)
    (tmp_path / "book").mkdir()
    page = tmp_path / "book/page.md"
    page.write_text(PAGE.replace("anything", "| `proxy` | types | energy |"), encoding="utf-8")
    assert write_tables.main(["--check"]) == 1
    assert "book/page.md" in capsys.readouterr().out
    assert write_tables.main([]) == 0
    text = page.read_text(encoding="utf-8")
    assert "| `proxy` | glow | interestingness |" in text
    assert text.startswith("Before\n<!-- table")
    assert text.endswith("<!-- end -->\nAfter\n")
    assert write_tables.main(["--check"]) == 0


def test_an_unknown_table_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match="'mode'; there are modes, "):
        write_tables.filled(PAGE.replace("modes", "mode"))


def test_settings_are_those_of_the_configuration() -> None:
    known = tomllib.loads((ROOT / "goodharts_lib/config.toml").read_text("utf-8"))["training"]
    lines = write_tables.settings().splitlines()[2:]
    assert [line.split("`")[1] for line in lines] == list(known)
    for line, value in zip(lines, known.values(), strict=True):
        assert tomllib.loads(f"x = {line.split('`')[3]}")["x"] == value
        assert len(line.split("|")[3].strip()) > 10  # each has a reason


def test_networks_are_counted_by_hand() -> None:
    # 6 channels; each layer's inputs times outputs, and a bias for each output
    small = (6 * 9 + 1) * 16 + (16 * 9 + 1) * 16 + (16 * 121 + 1) * 64 + (64 + 1) * 8
    assert write_tables.layers("small_cnn")[1:5] == ["16, 16", "1,936", "64", f"{small:,}"]


def test_speeds_are_those_measured_to_two_digits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "benchmarks").mkdir()
    sections = {
        section: [{"name": name, "value": 11_240.4} for name in names]
        for section, names in write_tables.SPEEDS.items()
    }
    path = tmp_path / "benchmarks/measured.json"
    path.write_text(json.dumps({"sections": sections}), encoding="utf-8")
    monkeypatch.setattr(write_tables, "ROOT", tmp_path)
    assert write_tables.speeds().count("| 11,000 |") == 5


def test_a_run_that_never_recovered_is_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = next(c for c in claims.CLAIMS if c.measure is claims._recovery)
    monkeypatch.setattr(analysis, "recovery", lambda stored: [1.2e6, 1.4e6])  # noqa: ARG005
    assert claim.measure({}).estimate == pytest.approx(1.3)
    monkeypatch.setattr(analysis, "recovery", lambda stored: [1.2e6, None, 1.4e6])  # noqa: ARG005
    with pytest.raises(ValueError, match="never passed the random walk"):
        claim.measure({})
