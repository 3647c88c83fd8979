"""PREDICTIONS.md says what the library says, and what the stored results say."""

from __future__ import annotations

import re

from training.tiny import ROOT

from goodharts_lib.experiments import predictions, results
from goodharts_lib.experiments.report import HEAD, report

PAGE = (ROOT / "PREDICTIONS.md").read_text(encoding="utf-8")


def test_it_is_the_report_of_the_stored_results() -> None:
    assert report(results.shipped(), markdown=True) + "\n" == PAGE


def test_it_says_what_had_been_seen_and_what_is_not_tested() -> None:
    for prediction in predictions.PREDICTIONS:
        assert f"- {prediction.key}: {prediction.seen}." in PAGE
    for untested in predictions.UNTESTED:
        assert f"- {untested.key}: {untested.claim} {untested.known}".rstrip() in PAGE
    assert "Page 6 shows already that it is wrong" in PAGE


def test_a_minus_is_no_hyphen_and_a_verdict_shows_its_intervals() -> None:
    table = [line for line in PAGE.splitlines() if line.startswith("| P")]
    assert not re.search(r"(?<!\w)-\d", "".join(table))
    (p12,) = (line for line in table if line.startswith("| P12 "))
    assert "0.6 less 3/4 of 1: +0.0200 [0.0153, 0.0247]" in p12
    assert "0.2 less 1/2 of 1: −0.103 [−0.117, −0.089]" in p12


def test_every_sentence_has_a_line_of_its_own() -> None:
    for line in HEAD.splitlines():
        assert line.endswith(".")
        assert ". " not in line.removesuffix(".")
