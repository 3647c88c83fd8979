"""PREDICTIONS.md says what the library says, and what the stored results say."""

from __future__ import annotations

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
        assert f"- {untested.key}: {untested.claim}" in PAGE


def test_every_sentence_has_a_line_of_its_own() -> None:
    for line in HEAD.splitlines():
        assert line.endswith(".")
        assert ". " not in line.removesuffix(".")
