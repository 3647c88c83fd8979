"""The logs of a run: which columns, and whether their numbers are true."""

from __future__ import annotations

import csv
import json
import math
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from training.tiny import TINY, files_below, run, tiny, write_config

from goodharts_lib.environments.cells import Cell
from goodharts_lib.errors import UserError
from goodharts_lib.modes import MODES
from goodharts_lib.training import train_ppo
from goodharts_lib.training.ppo.rollout import Rollout
from goodharts_lib.training.ppo.trainer import PPOTrainer
from goodharts_lib.training.train_log import TrainLog, read_rows

EPISODES = ["episode", "env", "length", "cause", "food", "poison", "proxy_score", "true_energy",
            "reward"]  # fmt: skip
UPDATES = [
    "update", "total_steps", "policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction",
    "explained_variance", "kl_to_initial", "steps_per_second",
    "food", "poison", "proxy_score", "true_energy",
    "prob_up_left", "prob_left", "prob_down_left", "prob_up", "prob_down", "prob_up_right",
    "prob_right", "prob_down_right",
]  # fmt: skip


class Logged:
    """One run of the command with everything that its trainers lived through."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
        self.folder = folder
        self.eaten: dict[str, list[Tensor]] = {}
        self.ends: dict[str, list[Tensor]] = {}
        watched = self

        class Watched(PPOTrainer):
            def collect(self) -> Rollout:
                rollout = super().collect()
                watched.eaten.setdefault(self.mode.name, []).append(rollout.eaten)
                ends = rollout.terminated | rollout.truncated
                watched.ends.setdefault(self.mode.name, []).append(ends)
                return rollout

        write_config(folder, {"agent.mortal": True})
        monkeypatch.setattr(train_ppo, "PPOTrainer", Watched)
        monkeypatch.chdir(folder)
        self.outcome = run(train_ppo.main, *arguments)
        assert self.outcome.status == 0, self.outcome.err

    def path(self, mode: str, kind: str) -> Path:
        (path,) = (self.folder / "logs").glob(f"{mode}_2*_{kind}")
        return path

    def rows(self, mode: str, kind: str) -> list[dict[str, Any]]:
        return read_rows(self.path(mode, kind))

    def summary(self, mode: str) -> dict[str, Any]:
        return json.loads(self.path(mode, "summary.json").read_text())


@pytest.fixture(scope="module", params=["proxy", "all"])
def logged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Logged:
    folder = tmp_path_factory.mktemp("logged")
    with pytest.MonkeyPatch.context() as patch:
        return Logged(folder, patch, "--mode", request.param, "--sequential", "--seed", "2")


def modes(logged: Logged) -> list[str]:
    return list(logged.eaten)


# --- Columns ----------------------------------------------------------------


def header(path: Path) -> list[str]:
    with path.open(newline="") as stream:
        return next(csv.reader(stream))


def test_the_columns_are_those_of_the_design(logged: Logged) -> None:
    assert modes(logged) in (["proxy"], list(MODES))
    for mode in modes(logged):
        assert header(logged.path(mode, "episodes.csv")) == EPISODES
        assert header(logged.path(mode, "updates.csv")) == UPDATES


def test_every_row_is_complete_and_a_number_is_a_number(logged: Logged) -> None:
    for mode in modes(logged):
        for row in logged.rows(mode, "updates.csv"):
            assert all(isinstance(value, int | float) for value in row.values())
        for row in logged.rows(mode, "episodes.csv"):
            assert row["cause"] in {"starved", "poisoned", "time_limit"}
            assert all(isinstance(v, int | float) for k, v in row.items() if k != "cause")


def test_each_run_has_exactly_three_files_named_by_mode_and_time(logged: Logged) -> None:
    names = files_below(logged.folder / "logs")
    assert len(names) == 3 * len(modes(logged))
    for name in names:
        match = re.fullmatch(
            r"(.+)_(\d{8}T\d{6}Z)_(episodes\.csv|updates\.csv|summary\.json)", name
        )
        assert match is not None, name
        started = datetime.strptime(match[2], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        assert abs((datetime.now(UTC) - started).total_seconds()) < 600
        assert match[1] in modes(logged)


# --- Numbers ----------------------------------------------------------------


def counted(logged: Logged, mode: str) -> list[dict[str, Any]]:
    """The episodes of a mode, counted step by step from what was eaten."""
    eaten, ends = torch.cat(logged.eaten[mode]).tolist(), torch.cat(logged.ends[mode]).tolist()
    lives: list[list[int]] = [[] for _ in range(4)]
    found = []
    for cells, over in zip(eaten, ends, strict=True):
        for env in range(4):
            lives[env].append(cells[env])
            if over[env]:
                food, poison = lives[env].count(Cell.FOOD), lives[env].count(Cell.POISON)
                found.append(
                    {
                        "episode": len(found),
                        "env": env,
                        "length": len(lives[env]),
                        "food": food,
                        "poison": poison,
                        "proxy_score": pytest.approx(food + 0.9 * poison),
                        "true_energy": pytest.approx(
                            10 * food - 30 * poison - 0.1 * len(lives[env])
                        ),
                    }
                )
                lives[env] = []
    return found


def test_episodes_are_those_that_were_lived(logged: Logged) -> None:
    for mode in modes(logged):
        rows = logged.rows(mode, "episodes.csv")
        kept = [{k: v for k, v in row.items() if k not in ("cause", "reward")} for row in rows]
        assert kept == counted(logged, mode)
        assert len({row["length"] for row in rows}) > 2  # S19: every length was 500
        for row in rows:
            assert (row["length"] == 20) >= (row["cause"] == "time_limit")
            assert row["length"] <= 20


def test_updates_add_up_to_what_was_eaten(logged: Logged) -> None:
    for mode in modes(logged):
        rows = logged.rows(mode, "updates.csv")
        assert [row["update"] for row in rows] == [1, 2, 3, 4]
        assert [row["total_steps"] for row in rows] == [64, 128, 192, 256]
        for row, eaten in zip(rows, logged.eaten[mode], strict=True):
            food = int((eaten == Cell.FOOD).sum())
            poison = int((eaten == Cell.POISON).sum())
            assert row["food"] * 0.064 == pytest.approx(food)
            assert row["poison"] * 0.064 == pytest.approx(poison)
            assert row["proxy_score"] * 0.064 == pytest.approx(food + 0.9 * poison)
            assert row["true_energy"] * 0.064 == pytest.approx(10 * food - 30 * poison - 6.4)
            assert sum(row[name] for name in UPDATES[-8:]) == pytest.approx(1, abs=1e-5)
            assert 0 < row["entropy"] < 2.08


def test_the_summary_describes_the_whole_run(logged: Logged) -> None:
    for mode in modes(logged):
        summary = logged.summary(mode)
        assert summary["mode"] == mode
        assert summary["seed"] == 2
        assert summary["network"] == "small_cnn"
        assert summary["finished"] is True
        assert summary["total_steps"] == 256
        assert summary["total_updates"] == 4
        assert summary["total_episodes"] == len(logged.rows(mode, "episodes.csv"))
        assert summary["wall_time"] > 0
        assert (logged.folder / summary["model_path"]).is_file()
        assert summary["profile"].startswith("[Profile] ")
        expected = tiny({"agent.mortal": True, "training.mode": mode,
                         "training.learning_rate": 1e-3}).to_dict()  # fmt: skip
        assert summary["config"] == expected


def test_reading_a_log_gives_numbers_back(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("a,b,c,d\n1,2.5,starved,nan\n")
    (row,) = read_rows(path)
    assert (row["a"], row["b"], row["c"]) == (1, 2.5, "starved")
    assert type(row["a"]) is int
    assert math.isnan(row["d"])


# --- Names and cutting ------------------------------------------------------


def test_two_runs_in_the_same_second_never_share_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2026, 1, 2, 3, 4, 5, tzinfo=tz)

    monkeypatch.setattr("goodharts_lib.training.train_log.datetime", Stopped)
    logs = [TrainLog.create(tmp_path, "proxy") for _ in range(3)]
    assert [log.stem for log in logs] == [
        "proxy_20260102T030405Z",
        "proxy_20260102T030405Z_2",
        "proxy_20260102T030405Z_3",
    ]
    assert len(files_below(tmp_path)) == 6
    assert all(header(log.updates) == UPDATES for log in logs)


def test_rows_appear_while_the_run_goes_on(tmp_path: Path) -> None:
    log = TrainLog.create(tmp_path, "ground_truth")
    assert read_rows(log.updates) == read_rows(log.episodes) == []
    seen = []

    def write(record: Any) -> None:
        log.write(record)
        seen.append((len(read_rows(log.updates)), len(read_rows(log.episodes))))

    PPOTrainer(tiny(), 0).run(write)
    assert [updates for updates, _ in seen] == [1, 2, 3, 4]
    assert [episodes for _, episodes in seen] == [0, 4, 8, 12]


def test_cutting_keeps_the_first_rows(tmp_path: Path) -> None:
    log = TrainLog.create(tmp_path, "ground_truth")
    PPOTrainer(tiny(), 0).run(log.write)
    updates, episodes = read_rows(log.updates), read_rows(log.episodes)
    log.cut(2, 5)
    assert read_rows(log.updates) == updates[:2]
    assert read_rows(log.episodes) == episodes[:5]
    log.cut(0, 0)
    assert read_rows(log.updates) == read_rows(log.episodes) == []
    assert header(log.updates) == UPDATES
    with pytest.raises(UserError, match=r"^cannot read the run's log .*nowhere_updates\.csv"):
        TrainLog(tmp_path, "nowhere").cut(0, 0)


def test_logs_do_not_depend_on_who_else_listens(tmp_path: Path) -> None:
    # S20: per-update sums were reset only where a dashboard listened.
    alone, heard = (TrainLog.create(tmp_path, mode) for mode in ("proxy", "proxy_jammed"))
    PPOTrainer(tiny(TINY), 0).run(alone.write)
    listeners: list[int] = []

    def both(record: Any) -> None:
        listeners.append(record.update)
        heard.write(record)

    PPOTrainer(tiny(TINY), 0).run(both)
    assert listeners == [1, 2, 3, 4]
    assert alone.episodes.read_text() == heard.episodes.read_text()
