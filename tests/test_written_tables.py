"""Tables in the book's pages say what the library says, and a change of either is found."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import claims
import pytest
import write_tables
from training.tiny import ROOT

from goodharts_lib import load_config
from goodharts_lib.errors import UserError
from goodharts_lib.experiments import analysis
from goodharts_lib.stats import Interval
from goodharts_lib.training import verification
from goodharts_lib.training.verification import directional

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
    assert write_tables.speeds().count("| 11,000 | 8.9 s |") == 5


def test_what_the_quick_start_takes_is_what_was_measured() -> None:
    page = (ROOT / "book/train_your_own.md").read_text(encoding="utf-8")
    seconds = re.search(r"training `base_cnn`, 2 threads \| [\d,]+ \| (\d+) s \|", page)
    assert seconds
    for steps, said, minutes in (
        ("100,000", "a minute and a half on two", 1.5),
        ("300,000", "about four minutes", 4.0),
    ):
        hundreds = int(steps.replace(",", "")) / 100_000
        assert abs(hundreds * int(seconds[1]) / 60 - minutes) < 0.25
        assert said in next(line for line in page.splitlines() if f"{steps} steps" in line)


def test_the_thresholds_of_fitness_are_the_command_s() -> None:
    page = (ROOT / "book/train_your_own.md").read_text(encoding="utf-8")
    said = (
        f"at least {verification.MIN_DIRECTIONAL:.0%} of directions, {verification.MIN_CHOICE:.0%} "
        f"of choices, and {verification.MIN_ALIVE:.0%} of {load_config().evaluation.n_envs} worlds"
    )
    assert said.replace("%", " %") in page
    assert f"distances from {directional.DISTANCES[0]} to {directional.DISTANCES[-1]};" in page


def claims_rows() -> list[tuple[str, list[str]]]:
    """Each row of the claims with the heading above it."""
    text = (ROOT / "book/claims.md").read_text(encoding="utf-8")
    text = text.split("<!-- table: claims -->\n")[1].split("<!-- end -->")[0]
    found = []
    for section in text.split("\n## ")[1:]:
        lines = section.splitlines()
        rows = [line.strip("|").split("|") for line in lines if line.startswith("| ")][1:]
        found += [(lines[0], [cell.strip() for cell in row]) for row in rows]
    return found


def test_a_claim_can_be_read_alone_and_leads_to_its_page() -> None:
    found = claims_rows()
    assert len(found) == len(claims.CLAIMS)
    assert len({claim for _, (claim, *_) in found}) == len(found)  # no row leans on another
    for heading, (claim, *_) in found:
        assert claim.startswith("*Mortal:* ") or claim[0].isupper(), claim
        if heading != "The README":
            title, target = heading.strip("[)").split("](")
            assert (ROOT / "book" / target).is_file()
            number = title.partition(".")[0]
            assert not number.isdecimal() or Path(target).name.startswith(f"{int(number):02d}_")


def test_what_the_readme_and_the_first_page_say_is_among_the_claims() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    mine = [row for heading, row in claims_rows() if heading == "The README"]
    assert len(mine) >= 4
    for claim, value, *_ in mine:
        assert claim.startswith("*Mortal:* ")
        assert value.replace("\N{NO-BREAK SPACE}", " ") in readme, claim
    first = (ROOT / "book/index.md").read_text(encoding="utf-8")
    mine = [row for heading, row in claims_rows() if heading.endswith("(index.md)")]
    assert len(mine) == 3
    assert all(f" {value.split(' ')[0]} " in first for _, value, *_ in mine)


def test_no_line_is_broken_within_an_interval() -> None:
    found = Interval(-1234.56, -2000.4, 0.004, 0.95, "t", 5)
    assert claims.measured(found, 0) == "−1,235 [−2,000,\N{NO-BREAK SPACE}0]"
    assert claims.measured(found, 1) == "−1,234.6 [−2,000.4,\N{NO-BREAK SPACE}0.0]"


def test_a_run_that_never_recovered_is_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = next(c for c in claims.CLAIMS if c.measure is claims._recovery)
    monkeypatch.setattr(analysis, "recovery", lambda stored: [1.2e6, 1.4e6])  # noqa: ARG005
    assert claim.measure({}).estimate == pytest.approx(1.3)
    monkeypatch.setattr(analysis, "recovery", lambda stored: [1.2e6, None, 1.4e6])  # noqa: ARG005
    with pytest.raises(ValueError, match="never passed the random walk"):
        claim.measure({})
