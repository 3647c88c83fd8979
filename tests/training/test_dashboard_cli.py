"""``train_ppo --dashboard``: what is watched ends as what is not; closing the window ends nothing.

Real processes train; the window is a stand-in that calls `tick` as a real one does.
"""

from __future__ import annotations

import multiprocessing
import os
import shlex
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from training.tiny import Outcome, files_below, rows_without_speed, run, tiny, write_config

from goodharts_lib import window
from goodharts_lib.errors import UserError
from goodharts_lib.training import control, train_ppo, watch
from goodharts_lib.training.control import Control, Link
from goodharts_lib.training.parallel import INTERRUPTED, Processes
from goodharts_lib.training.ppo.checkpoint import load_checkpoint, load_policy
from goodharts_lib.training.train_log import read_rows
from goodharts_lib.training.watch import Watch, Watched

MODEL = "models/ppo_ground_truth.safetensors"
CHECKPOINT = "models/ppo_ground_truth.checkpoint.safetensors"

Show = Callable[[Watch, Callable[[], bool]], None]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the tiny configuration; figures that no window shows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOODHARTS_DEVICE", raising=False)
    monkeypatch.setattr(window, "open_figure", lambda shape, _: Figure(figsize=shape))
    write_config(tmp_path)
    return tmp_path


def shown_by(monkeypatch: pytest.MonkeyPatch, show: Show) -> list[Watch]:
    """Let `show` stand in for the window's loop; return the watch as soon as there is one."""
    watches: list[Watch] = []

    class Kept(Watch):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            watches.append(self)

    monkeypatch.setattr(watch, "Watch", Kept)
    monkeypatch.setattr(window, "run", lambda _figure, tick, _seconds: show(watches[0], tick))
    return watches


def to_the_end(_: Watch, tick: Callable[[], bool]) -> None:
    while tick():
        time.sleep(0.01)


def log(folder: Path, kind: str) -> Path:
    (path,) = (folder / "logs").glob(f"*_{kind}")
    return path


def check_nothing_is_left(before: set[int]) -> None:
    assert multiprocessing.active_children() == []
    assert {thread.ident for thread in threading.enumerate()} <= before


def names(folder: Path) -> set[str]:
    """The files of a run, without the time in their names."""
    stem = log(folder, "updates.csv").name.removesuffix("_updates.csv")
    return {name.replace(stem, "X") for name in files_below(folder)}


# --- A watched run ----------------------------------------------------------


def test_a_watched_run_leaves_what_an_unwatched_one_leaves(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = folder / "alone"
    alone.mkdir()
    with monkeypatch.context() as patch:
        patch.chdir(alone)
        write_config(alone)
        assert run(train_ppo.main).status == 0
    before = {thread.ident or 0 for thread in threading.enumerate()}
    watched = shown_by(monkeypatch, to_the_end)
    with monkeypatch.context() as patch:
        (folder / "watched").mkdir()
        patch.chdir(folder / "watched")
        write_config(folder / "watched")
        outcome = run(train_ppo.main, "--dashboard")
    assert (outcome.status, outcome.err) == (0, "")
    both = alone, folder / "watched"
    one, other = (rows_without_speed(log(place, "updates.csv")) for place in both)
    assert one == other
    assert len(one) == 4
    one_text, other_text = (log(place, "episodes.csv").read_bytes() for place in both)
    assert one_text == other_text
    assert (alone / MODEL).read_bytes() == (folder / "watched" / MODEL).read_bytes()
    assert names(alone) == names(folder / "watched")
    history = watched[0]._runs[0].history
    assert history.progress().startswith("finished · update 4/4\n")  # the last update is shown
    assert [r.update for r in history.records] == [1, 2, 3, 4]
    assert history.views[4].shape == (5, 5)
    check_nothing_is_left(before)


class BrokenError(Exception):
    """An error in drawing."""


@pytest.mark.parametrize(
    "broken", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["closed", "broken"]
)
def test_closing_the_window_or_an_error_in_drawing_loses_no_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    def show(watched: Watch, tick: Callable[[], bool]) -> None:
        assert tick()
        watched._on_pause(None)  # type: ignore[arg-type]
        if broken:
            raise BrokenError

    shown_by(monkeypatch, show)
    if broken:
        with pytest.raises(BrokenError):
            train_ppo.main(["--dashboard"])
    else:
        outcome = run(train_ppo.main, "--dashboard")
        assert outcome.status == 0
        assert "The dashboard is closed; training goes on." in outcome.out
    assert load_policy(MODEL).name == "ground_truth"
    assert len(read_rows(log(folder, "updates.csv"))) == 4
    assert not Path(CHECKPOINT).exists()
    assert multiprocessing.active_children() == []


def test_stop_training_leaves_a_model_and_a_run_to_continue(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config(folder, {"training.timesteps": 64 * 5000})
    rows: list[int] = []

    def show(watched: Watch, tick: Callable[[], bool]) -> None:
        link = watched._runs[0].link
        while link.updates < 2:
            assert tick()
            time.sleep(0.002)
        watched._on_pause(None)  # type: ignore[arg-type]
        while not link.held:  # an update that was under way comes to its end
            time.sleep(0.002)
        rows.append(link.updates)
        assert watched._runs[0].history.status == "paused"
        time.sleep(0.3)
        rows.append(link.updates)
        watched._on_pause(None)  # type: ignore[arg-type]
        while link.updates < rows[-1] + 2:
            assert tick()
        watched._on_stop(None)  # type: ignore[arg-type]
        to_the_end(watched, tick)

    watched = shown_by(monkeypatch, show)
    stopped = run(train_ppo.main, "--dashboard")
    assert (stopped.status, stopped.err) == (0, "")
    assert rows[0] == rows[1]  # nothing moves in a pause
    done = load_checkpoint(Path(CHECKPOINT))[0].updates_done
    assert rows[1] + 2 <= done < 5000
    assert len(read_rows(log(folder, "updates.csv"))) == done
    assert load_policy(MODEL).name == "ground_truth"
    assert watched[0]._runs[0].history.status == "stopped"
    assert not [name for name in files_below(folder) if "signal" in name]
    assert {name.split("/")[0] for name in files_below(folder)} == {"config.toml", "models", "logs"}


def test_without_a_window_nothing_starts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise UserError("there is no display.")

    monkeypatch.setattr(window, "open_figure", refuse)
    refused = run(train_ppo.main, "--dashboard")
    assert (refused.status, refused.err) == (2, "error: there is no display.\n")
    assert files_below(folder) == {"config.toml"}


def test_stopped_by_hand_says_how_to_go_on_and_ends_as_if_it_had_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(train_ppo.main, "--models-dir", "whole", "--log-dir", "elsewhere").status == 0
    link = Link(5)
    seen: list[int] = []

    def show(self: Link, view: torch.Tensor) -> None:
        seen.append(int(view.numel()))
        if len(seen) == 2:
            self.stop()

    monkeypatch.setattr(Link, "show", show)
    parsed = train_ppo._parser().parse_args([])
    (only,), *_ = train_ppo.fresh_runs(parsed)
    stopped = ended(partial(train_ppo.execute, only, link))
    assert stopped.status == 0
    assert seen == [25, 25]
    assert f"[ground_truth] model {MODEL}" in stopped.out
    assert '"finished": false' in log(folder, "summary.json").read_text()
    assert load_policy(MODEL).name == "ground_truth"
    (line,) = [line for line in stopped.out.splitlines() if "Continue with: " in line]
    assert "stopped after 128 steps" in line
    words = shlex.split(line.partition("Continue with: ")[2])
    resumed = run(train_ppo.main, *words[3:])
    assert resumed.status == 0, resumed.err
    assert Path(MODEL).read_bytes() == (folder / "whole/ppo_ground_truth.safetensors").read_bytes()
    assert '"finished": true' in log(folder, "summary.json").read_text()
    assert not Path(CHECKPOINT).exists()


def ended(job: Callable[[], int]) -> Outcome:
    return run(lambda _: job())


# --- Several runs -----------------------------------------------------------


class Ended:
    """Processes of which somebody says how far they are."""

    def __init__(self, running: list[str], statuses: dict[str, int]) -> None:
        self.running, self.statuses = running, statuses


@pytest.mark.parametrize(
    ("running", "statuses", "ask", "word"),
    [
        ([], {}, "", "waiting"),
        (["proxy"], {}, "", "training"),
        (["proxy"], {}, "pause", "paused"),
        (["proxy"], {}, "stop", "training"),
        ([], {"proxy": 1}, "", "failed"),
        ([], {"proxy": INTERRUPTED}, "", "interrupted"),
        ([], {"proxy": 0}, "stop", "stopped"),
        ([], {}, "stop", "not started"),
    ],
)
def test_the_state_of_each_run_is_one_word(
    running: list[str], statuses: dict[str, int], ask: str, word: str
) -> None:
    watched = Watched("proxy", tiny(), Path("logs"), Link(5))
    if ask:
        getattr(watched.link, ask)()
    assert watched.state(Ended(running, statuses))[0] == word  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [0, INTERRUPTED])
def test_a_run_that_was_interrupted_in_its_last_update_is_finished(status: int) -> None:
    watched = Watched("proxy", tiny(), Path("logs"), Link(5))
    watched.history.records = [None] * 4  # type: ignore[list-item]
    assert watched.state(Ended([], {"proxy": status}))[0] == "finished"  # type: ignore[arg-type]


@pytest.fixture
def handlers() -> Any:
    """Put the signal handlers back."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_the_worst_status_counts_and_a_crash_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    jobs = {"well": partial(int, "0"), "ill": partial(int, "2"), "dead": partial(os._exit, 7)}
    processes = Processes(jobs, 2)
    assert processes.poll()
    assert processes.running == ["well", "ill"]
    assert processes.finish() == 7
    assert processes.statuses == {"well": 0, "ill": 2, "dead": 7}
    assert "the process of dead ended with status 7; its last checkpoint is kept." \
        in capfd.readouterr().err  # fmt: skip
    assert multiprocessing.active_children() == []


@pytest.mark.usefixtures("handlers")
def test_who_has_not_started_when_all_is_stopped_is_named(
    capfd: pytest.CaptureFixture[str],
) -> None:
    processes = Processes({name: partial(time.sleep, 0) for name in ("a", "b")}, 1)
    processes.start_no_more()
    assert processes.finish() == 0
    assert capfd.readouterr().out == "not started: a, b.\n"


# --- Pause and stop ---------------------------------------------------------


def test_a_paused_run_waits_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Control()
    asked.pause()
    naps: list[bool] = []

    def nap(_: float) -> None:
        naps.append(asked.held)
        if len(naps) == 3:
            asked.resume()

    monkeypatch.setattr(control.time, "sleep", nap)
    assert not asked.held
    assert asked.hold() is False
    assert naps == [True] * 3
    assert not asked.held


@pytest.mark.parametrize("kind", [Control, partial(Link, 5)], ids=["thread", "process"])
def test_stop_and_ctrl_c_end_a_pause(kind: Callable[[], Control]) -> None:
    asked = kind()
    assert not asked.hold()
    asked.pause()
    assert asked.paused
    assert asked.hold(lambda: True)
    asked.stop()
    assert asked.hold()
    assert (asked.paused, asked.stopped) == (False, True)


def test_nobody_waits_for_a_process_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    link = Link(5)
    link.pause()

    class Gone:
        def is_alive(self) -> bool:
            return False

    assert link.paused
    monkeypatch.setattr(multiprocessing, "parent_process", Gone)
    assert not link.hold()


def test_a_link_carries_the_latest_view_and_the_name_of_the_logs() -> None:
    link = Link(3)
    assert (link.view, link.stem, link.updates) == (None, "", 0)
    for number in (1, 2):
        link.show(torch.full((3, 3), number, dtype=torch.uint8).triu())
    link.announce("proxy_20260101T000000Z_2")
    assert link.view is not None
    assert np.array_equal(link.view, [[2, 2, 2], [0, 2, 2], [0, 0, 2]])
    assert (link.stem, link.updates) == ("proxy_20260101T000000Z_2", 2)


def test_the_help_says_what_stop_training_leaves() -> None:
    told = " ".join(train_ppo._parser().format_help().split())
    assert "with a model of what it learned so far and a checkpoint for --resume" in told
