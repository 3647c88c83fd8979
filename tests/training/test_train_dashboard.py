"""The one drawing of a run: what it reads from logs, what it shows, and how often."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from training.tiny import Outcome, run, tiny, write_config

from goodharts_lib import window
from goodharts_lib.behaviors.action_space import ACTIONS
from goodharts_lib.colors import MODE_COLORS
from goodharts_lib.config import load_config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.environments.render import view_rgb
from goodharts_lib.errors import UserError
from goodharts_lib.modes import MODES
from goodharts_lib.training import train_dashboard, train_ppo
from goodharts_lib.training.history import History, find_log, read_history, read_records
from goodharts_lib.training.ppo.records import TrainResult, UpdateRecord
from goodharts_lib.training.ppo.trainer import PPOTrainer
from goodharts_lib.training.random_walk import random_walk
from goodharts_lib.training.train_dashboard import (
    LEARNING,
    SHARE,
    SHORTEST,
    Dashboard,
    Pace,
    size,
)
from goodharts_lib.training.train_log import TrainLog

RANDOM = {"proxy_score": 9.0, "true_energy": -130.0}
MORTAL = {"agent.mortal": True, "training.timesteps": 640}


@pytest.fixture(scope="module")
def result() -> TrainResult:
    """A short mortal run: every update ends some episodes."""
    return PPOTrainer(tiny(MORTAL), 0).run()


@pytest.fixture
def log(tmp_path: Path, result: TrainResult) -> TrainLog:
    """The logs of that run."""
    log = TrainLog.create(tmp_path, "ground_truth")
    for record in result.history:
        log.write(record)
    return log


def history(records: Any, mode: str = "proxy", **values: Any) -> History:
    return History(mode, records=list(records), **values)


def drawn(*histories: History) -> Dashboard:
    dashboard = Dashboard(Figure(figsize=size(len(histories))), histories, RANDOM)
    dashboard.draw()
    return dashboard


def points(dashboard: Dashboard, key: str, mode: str) -> list[tuple[float, float]]:
    return [tuple(point) for point in dashboard._lines[key, mode].get_xydata().tolist()]


def texts(dashboard: Dashboard) -> str:
    artists = dashboard.figure.findobj(lambda artist: hasattr(artist, "get_text"))
    return "\n".join(artist.get_text() for artist in artists)


# --- Logs are the stream ----------------------------------------------------


@pytest.mark.parametrize("mortal", [False, True], ids=["immortal", "mortal"])
def test_logs_give_back_the_records_they_were_written_from(tmp_path: Path, mortal: bool) -> None:
    result = PPOTrainer(tiny(MORTAL | {"agent.mortal": mortal}), 3).run()
    log = TrainLog.create(tmp_path, "ground_truth")
    for record in result.history:
        log.write(record)
    assert sum(len(record.episodes) for record in result.history) > 20
    assert tuple(read_records(log)) == result.history


@pytest.mark.parametrize("keep", [1, 30, 31])
def test_a_torn_last_line_waits_until_it_is_complete(
    log: TrainLog, result: TrainResult, keep: int
) -> None:
    whole = log.updates.read_text()
    before_last = whole[: whole.rstrip("\n").rfind("\n") + 1]
    last = whole[len(before_last) :]
    log.updates.write_text(before_last + last[:keep])
    assert read_records(log) == list(result.history[:-1])
    log.updates.write_text(before_last + last[:-1])  # all but the end of the line
    assert read_records(log) == list(result.history[:-1])
    log.updates.write_text(whole)
    assert read_records(log) == list(result.history)


def test_an_update_whose_episodes_are_not_written_yet_has_none(
    log: TrainLog, result: TrainResult
) -> None:
    lines = log.episodes.read_text().splitlines(keepends=True)
    log.episodes.write_text("".join(lines[: -len(result.history[-1].episodes)]))
    found = read_records(log)
    assert found[:-1] == list(result.history[:-1])
    assert found[-1] == dataclasses.replace(result.history[-1], episodes=())


def test_a_log_without_rows_is_an_empty_history(tmp_path: Path) -> None:
    empty = read_history("proxy", TrainLog.create(tmp_path, "proxy"))
    assert (list(empty.records), empty.progress()) == ([], "logged")
    assert points(drawn(empty), "entropy", "proxy") == []


def test_the_newest_log_of_exactly_that_mode_is_found(tmp_path: Path) -> None:
    for stem in ("proxy_20260101T000000Z", "proxy_20260101T000000Z_2", "proxy_20260101T000000Z_10",
                 "proxy_20251231T235959Z_11", "proxy_jammed_20270101T000000Z",
                 "proxy_mine"):  # fmt: skip
        (tmp_path / f"{stem}_updates.csv").touch()
    found = {mode: find_log(tmp_path, mode) for mode in MODES}
    assert {mode: log.stem for mode, log in found.items() if log} == {
        "proxy": "proxy_20260101T000000Z_10",
        "proxy_jammed": "proxy_jammed_20270101T000000Z",
    }


def test_a_finished_run_knows_its_length(log: TrainLog, result: TrainResult) -> None:
    assert read_history("ground_truth", log).total_updates == 0
    log.finish(result, Path("m"), 1.0)
    ended = read_history("ground_truth", log)
    assert (ended.status, ended.total_updates, ended.total_steps) == ("finished", 10, 640)
    log.finish(dataclasses.replace(result, finished=False), Path("m"), 1.0)
    assert read_history("ground_truth", log).status == "stopped"


# --- Speed and time left ----------------------------------------------------


def paced(update: int, speed: float, base: UpdateRecord) -> UpdateRecord:
    return dataclasses.replace(
        base, update=update, total_steps=100 * update, steps_per_second=speed
    )


def test_the_time_left_follows_from_the_last_ten_updates(result: TrainResult) -> None:
    base = result.history[0]
    # Five slow updates that no longer count, then five of 2 s and five of 8 s: 5 s on average.
    speeds = [1.0] * 5 + [50.0] * 5 + [12.5] * 5
    records = [paced(n, speed, base) for n, speed in enumerate(speeds, 1)]
    run = history(records, total_updates=28, total_steps=2800, status="training")
    assert run.speed == pytest.approx(20.0)
    assert run.progress() == "training · update 15/28 · ETA 1:05\n1,500 steps · 20 steps/s"
    assert run.progress(3) == "update 3/28\n300 steps"
    run.status = "finished"
    assert run.progress() == "finished · update 15/28\n1,500 steps · 20 steps/s"
    assert history([]).progress() == "waiting"


# --- The picture ------------------------------------------------------------


def test_every_panel_shows_its_column(result: TrainResult) -> None:
    records = result.history
    dashboard = drawn(history(records, "proxy"), history(records[:2], "proxy_jammed"))
    for key in ("proxy_score", "true_energy", *dict(LEARNING)):
        for mode, shown in (("proxy", records), ("proxy_jammed", records[:2])):
            if key in ("reward", "length"):
                expected = [
                    (r.total_steps, sum(getattr(e, key) for e in r.episodes) / len(r.episodes))
                    for r in shown if r.episodes
                ]  # fmt: skip
            else:
                expected = [(r.total_steps, getattr(r, key)) for r in shown]
            np.testing.assert_allclose(points(dashboard, key, mode), expected, err_msg=key)
            assert dashboard._lines[key, mode].get_color() == MODE_COLORS[mode]
    titles = texts(dashboard)
    for _, title in LEARNING:
        assert title in titles


def test_an_update_without_an_ended_episode_gives_no_point(result: TrainResult) -> None:
    first, second, third = result.history[:3]
    records = [first, dataclasses.replace(second, episodes=()), third]
    shown = points(drawn(history(records)), "reward", "proxy")
    assert [x for x, _ in shown] == [first.total_steps, third.total_steps]


def test_each_bar_is_labelled_with_the_arrow_of_its_move(result: TrainResult) -> None:
    # The labels of an earlier dashboard had another order than the action table.
    probabilities = tuple((n + 1) / 36 for n in range(8))
    record = dataclasses.replace(result.history[0], action_probs=probabilities)
    bars = drawn(history([record]))._agents[0]._bars
    axes = bars[0].axes
    labels = [label.get_text() for label in axes.get_xticklabels()]
    shown = dict(zip(labels, [bar.get_height() for bar in bars], strict=True))
    assert shown == {a.arrow: p for a, p in zip(ACTIONS, probabilities, strict=True)}
    assert [bar.get_x() + bar.get_width() / 2 for bar in bars] == pytest.approx(range(8))


def test_the_view_is_that_of_the_latest_update(result: TrainResult) -> None:
    views = {n: np.full((5, 5), n, np.uint8) for n in (1, 2)}
    run = history(result.history[:2], views=views)
    dashboard = drawn(run)
    shown = dashboard._agents[0]._image.get_array()
    assert np.array_equal(shown, view_rgb(views[2], cell_pixels=12))
    dashboard.draw(1)
    shown = dashboard._agents[0]._image.get_array()
    assert np.array_equal(shown, view_rgb(views[1], cell_pixels=12))


def test_the_random_walk_is_a_line_in_both_large_panels() -> None:
    dashboard = drawn(history([]))
    for key, value in RANDOM.items():
        levels = [set(line.get_ydata()) for line in dashboard._charts[key].lines]
        assert {value} in levels
    assert texts(dashboard).count("random walk") == 2


def test_drawing_moves_artists_and_builds_none(result: TrainResult) -> None:
    run = history(result.history[:1])
    dashboard = drawn(run)
    before = dashboard.figure.findobj()
    run.records = result.history
    dashboard.draw()
    assert set(dashboard.figure.findobj(include_self=False)) <= set(before) | {
        artist
        for axes in dashboard.figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for artist in axis.findobj()  # ticks come and go
    }


def test_panels_follow_growing_values(result: TrainResult) -> None:
    base = result.history[0]
    run = history([paced(1, 1.0, base)])
    dashboard = drawn(run)
    for key in dashboard._charts:
        if key in ("reward", "length"):
            continue
        later = dataclasses.replace(paced(2, 1.0, base), **{key: 1e5})
        run.records = [run.records[0], later]
        dashboard.draw()
        assert dashboard._charts[key].get_ylim()[1] >= 1e5, key


def test_a_terrible_start_does_not_hide_the_explained_variance(result: TrainResult) -> None:
    base = result.history[0]
    run = history([dataclasses.replace(base, explained_variance=-900.0)])
    dashboard = drawn(run)
    assert dashboard._charts["explained_variance"].get_ylim()[0] == -1.0
    run.records = [dataclasses.replace(base, explained_variance=0.5)]
    dashboard.draw()
    assert dashboard._charts["explained_variance"].get_ylim()[0] > 0


def test_a_part_of_a_run_is_drawn_on_the_axes_of_the_whole(result: TrainResult) -> None:
    dashboard = drawn(history(result.history, total_steps=1280))
    limits = {key: (a.get_xlim(), a.get_ylim()) for key, a in dashboard._charts.items()}
    dashboard.draw(3)
    assert len(points(dashboard, "entropy", "proxy")) == 3
    assert {k: (a.get_xlim(), a.get_ylim()) for k, a in dashboard._charts.items()} == limits
    assert limits["entropy"][0] == (0, 1280)
    assert "192 steps" in dashboard.describe(3)


# --- How often --------------------------------------------------------------


@pytest.mark.parametrize("cost", [0.001, 0.02, 0.3, 7.0])
def test_drawing_takes_less_than_a_twentieth_of_the_time(
    monkeypatch: pytest.MonkeyPatch, cost: float
) -> None:
    now, drawing = [0.0], [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    starts: list[float] = []

    def draw() -> None:
        starts.append(now[0])
        now[0] += cost
        drawing[0] += cost

    pace = Pace()
    while now[0] < 2000:
        pace(draw)
        now[0] += 0.01
    assert drawing[0] < 0.05 * now[0]
    gaps = np.diff(starts) - cost
    assert gaps.min() >= max(SHORTEST, SHARE * cost) - 1e-6
    assert gaps.max() <= max(SHORTEST, SHARE * cost) + 0.02


# --- The random walk --------------------------------------------------------


def test_the_random_walk_of_an_empty_world_pays_for_its_steps_only() -> None:
    empty = {f"training.{low}_{kind}": 0 for low in ("min", "max") for kind in ("food", "poison")}
    walk = random_walk(tiny(empty))
    assert (walk["proxy_score"], walk["true_energy"]) == (0.0, pytest.approx(-100.0))


def test_the_random_walk_meets_what_lies_about() -> None:
    # It steps onto a random cell: it eats at about the density of the items, drawn per episode.
    config = load_config()
    walk = random_walk(config)
    assert walk["food"] == pytest.approx(12.5, rel=0.6)
    assert 0.2 < walk["poison"] / (walk["food"] + walk["poison"]) < 0.45
    dense = random_walk(config.with_overrides({"training.min_food": 200}))
    assert dense["food"] > 1.3 * walk["food"]


def test_the_random_walk_repeats_and_touches_no_other_randomness() -> None:
    before = torch.random.get_rng_state()
    assert random_walk(tiny()) == random_walk(tiny())
    assert random_walk(tiny(), 1) != random_walk(tiny())
    assert torch.equal(torch.random.get_rng_state(), before)


# --- The command ------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with two finished tiny runs."""
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path)
    for mode in ("proxy", "ground_truth"):
        assert run(train_ppo.main, "--mode", mode, "--updates", 2).status == 0
    return tmp_path


def command(*arguments: object) -> Outcome:
    return run(train_dashboard.main, *arguments)


def no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a window was opened")

    monkeypatch.setattr(window, "open_figure", refuse)


def test_the_logs_of_finished_runs_become_a_picture(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_window(monkeypatch)
    outcome = command("--save", "out/runs.png")
    assert outcome.status == 0, outcome.err
    assert (folder / "out/runs.png").read_bytes().startswith(b"\x89PNG")
    lines = outcome.out.splitlines()
    assert lines[0] == "Configuration: shipped defaults + config.toml"
    assert lines[1].count("_updates.csv") == 2
    assert lines[2] == "Written to out/runs.png"


def test_one_mode_or_one_log_may_be_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_window(monkeypatch)
    assert "ground_truth" not in command("--mode", "proxy", "--save", "a.png").out
    (episodes,) = (folder / "logs").glob("ground_truth*_episodes.csv")
    out = command(episodes.relative_to(folder), "--save", "b.png").out
    assert "Drawing logs/ground_truth" in out
    assert (folder / "a.png").read_bytes() != (folder / "b.png").read_bytes()


def test_following_draws_what_is_added(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (log,) = (folder / "logs").glob("proxy*_updates.csv")
    figures: list[Figure] = []
    seen: list[int] = []

    def opened(shape: tuple[float, float], _: str) -> Figure:
        figures.append(Figure(figsize=shape))
        return figures[-1]

    def shown(_: Figure, tick: Callable[[], bool], __: float) -> None:
        header, first, *rest = log.read_text().splitlines(keepends=True)
        for text in (header, header + first, header + first + "".join(rest)):
            log.write_text(text)
            assert tick()
            lines = [line for axes in figures[0].axes for line in axes.lines]
            seen.append(max(len(line.get_xdata()) for line in lines if line.get_marker() == "."))

    monkeypatch.setattr(window, "open_figure", opened)
    monkeypatch.setattr(window, "run", shown)
    monkeypatch.setattr(train_dashboard, "SHORTEST", 0.0)
    monkeypatch.setattr(train_dashboard, "SHARE", 0)
    assert command("--mode", "proxy", "--follow").status == 0
    assert seen == [0, 1, 2]


def broken(folder: Path) -> None:
    (log,) = (folder / "logs").glob("proxy_2*_updates.csv")
    log.write_text(log.read_text().replace(",", ";"))


WRONG: dict[str, tuple[list[str], str]] = {
    "no logs": (["--log-dir", "nowhere"], "there are no logs of any mode in nowhere."),
    "none of that mode": (["--mode", "proxy_jammed"], "there are no logs of proxy_jammed in logs."),
    "an unknown mode": (["--mode", "prox"], "unknown mode 'prox' (nearest valid: proxy)"),
    "no such log": (["logs/x_updates.csv"], "there is no log of a run at logs/x_updates.csv"),
    "not a picture": (["--save", "a.gif"], "a.gif must end in .png."),
    "both": (["--save", "a.png", "--follow"], "not allowed with argument"),
}


@pytest.mark.parametrize(("arguments", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_input_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    TrainLog.create(tmp_path / ".", "unused")
    if "a.gif" in arguments:
        (tmp_path / "logs").mkdir()
        TrainLog.create(tmp_path / "logs", "proxy")
    refused = command(*arguments)
    assert (refused.status, refused.out) == (2, "")
    assert sentence in refused.err
    assert refused.err.count("\n") == 1


def test_two_runs_of_a_mode_and_a_damaged_log_are_refused(folder: Path) -> None:
    (log,) = (folder / "logs").glob("proxy*_updates.csv")
    assert "one run of each mode" in command(log, log, "--save", "a.png").err
    broken(folder)
    refused = command("--save", "a.png")
    assert refused.status == 2
    assert f"{log.relative_to(folder)} is not the log of a run, or is damaged." in refused.err
    assert not (folder / "a.png").exists()


def test_a_log_that_went_missing_is_one_sentence(log: TrainLog) -> None:
    log.episodes.unlink()
    with pytest.raises(UserError, match="cannot read the run's log"):
        read_records(log)


def test_no_number_is_drawn_that_is_not_one(result: TrainResult) -> None:
    for axes in drawn(history(result.history))._charts.values():
        assert all(math.isfinite(limit) for limit in (*axes.get_xlim(), *axes.get_ylim()))


def test_each_agent_is_shown_what_it_sees() -> None:
    view = np.zeros((5, 5), np.uint8)
    view[0, 0], view[4, 4] = Cell.FOOD, Cell.POISON
    pictures = {}
    for mode in ("proxy", "proxy_sighted"):
        config = tiny({"training.mode": mode})
        history = History(mode, records=PPOTrainer(config, 0).run().history)
        history.plan(config)
        history.views[history.records[-1].update] = view
        dashboard = Dashboard(Figure(figsize=size(1)), [history], RANDOM)
        dashboard.draw()
        pictures[mode] = dashboard._agents[0]._image.get_array()
    grey = pictures["proxy"]
    assert (grey[..., 0] == grey[..., 1]).all()  # no colour tells food from poison
    assert 0 < int(grey[-1, -1, 0]) - int(grey[0, 0, 0]) < 30  # 0.9 against 1.0
    colourful = pictures["proxy_sighted"].astype(int)
    assert (np.abs(colourful[..., 0] - colourful[..., 1]) > 60).any()
