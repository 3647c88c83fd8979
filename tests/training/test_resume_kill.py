"""A run that is killed and resumed ends with the same weights and logs as one that was not.

Real processes of the command, really killed: from outside at a moment seen in their files, or by
their own hand in the middle of a chosen call.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from training.tiny import Outcome, files_below, finish, rows_without_speed, run, start, write_config

from goodharts_lib.modes import MODES
from goodharts_lib.training.ppo.checkpoint import load_checkpoint
from goodharts_lib.training.train_log import read_rows
from goodharts_lib.training.train_ppo import main

UPDATES = 6
INTERVAL = 2
COMMAND = "goodharts_lib.training.train_ppo"

# Updates long enough to be hit, and all three causes of an end in a mortal world.
SLOWER = {
    "training.timesteps": UPDATES * 256,
    "training.n_envs": 8,
    "training.steps_per_env": 32,
    "training.k_epochs": 4,
    "training.n_minibatches": 4,
    "training.checkpoint_interval": INTERVAL,
}


@dataclasses.dataclass
class Place:
    """A folder with a configuration, models and logs."""

    folder: Path
    mode: str = "ground_truth"
    mortal: bool = True

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_config(self.folder, SLOWER | {"agent.mortal": self.mortal})

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def model(self) -> Path:
        return self.models / f"ppo_{self.mode}.safetensors"

    @property
    def checkpoint(self) -> Path:
        return self.models / f"ppo_{self.mode}.checkpoint.safetensors"

    def log(self, kind: str) -> Path:
        (path,) = (self.folder / "logs").glob(f"{self.mode}_2*_{kind}")
        return path

    def rows(self) -> int:
        """How many updates are in the log by now."""
        paths = list((self.folder / "logs").glob(f"{self.mode}_2*_updates.csv"))
        return max(0, paths[0].read_text().count("\n") - 1) if paths else 0

    def arguments(self, mode: str | None = None) -> list[str]:
        return ["--mode", mode or self.mode, "--seed", "7", "--config",
                str(self.folder / "config.toml"), "--models-dir", str(self.models),
                "--log-dir", str(self.folder / "logs")]  # fmt: skip

    def start(self, mode: str | None = None) -> subprocess.Popen[str]:
        return start(["-m", COMMAND, *self.arguments(mode)], self.folder)

    def resume(self, path: Path | None = None) -> Outcome:
        return run(main, "--resume", path or self.checkpoint)

    def left(self) -> dict[str, Any]:
        """All that a run leaves and that no killing may change."""
        summary = json.loads(self.log("summary.json").read_text())
        for varies in ("wall_time", "model_path", "profile"):
            summary.pop(varies)
        return {
            "model": self.model.read_bytes(),
            "updates": rows_without_speed(self.log("updates.csv")),
            "episodes": read_rows(self.log("episodes.csv")),
            "summary": summary,
        }


def check_same(place: Place, whole: Place) -> None:
    """The same model, byte for byte, the same logs, and nothing unfinished."""
    found, expected = place.left(), whole.left()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == value, name
    assert len(found["updates"]) == UPDATES
    assert not place.checkpoint.exists()


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Place]:
    """Uninterrupted runs, mortal and immortal."""
    places = {}
    for mortal in (False, True):
        places[mortal] = Place(tmp_path_factory.mktemp("whole"), mortal=mortal)
        assert run(main, *places[mortal].arguments()).status == 0
    causes = {row["cause"] for row in places[True].left()["episodes"]}
    assert causes == {"starved", "poisoned", "time_limit"}
    return places


def wait_until(process: subprocess.Popen[str], seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while process.poll() is None and not seen():
        assert time.monotonic() < deadline
        time.sleep(0.0002)


def stop(process: subprocess.Popen[str], number: signal.Signals) -> Outcome:
    """Send a signal to the whole group, as a terminal does."""
    if process.poll() is None:
        os.killpg(process.pid, number)
    return finish(process)


def temporary_files(place: Place) -> list[Path]:
    return list(place.models.glob(".*.tmp"))


# --- Killed from outside ----------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Moment:
    """When to kill, and what must then lie there (otherwise the kill came too late: again)."""

    seen: Callable[[Place], bool]
    hit: Callable[[Place], bool]


def done(place: Place) -> int:
    """How many updates the checkpoint holds."""
    return load_checkpoint(place.checkpoint)[0].updates_done


MOMENTS = {
    "before the first update": Moment(
        lambda p: p.checkpoint.exists(), lambda p: p.rows() == 0 and done(p) == 0
    ),
    "between checkpoints": Moment(
        lambda p: p.rows() >= 3, lambda p: p.rows() == 3 and done(p) == 2
    ),
    "while writing a checkpoint": Moment(
        lambda p: p.rows() >= 2 and bool(temporary_files(p)), lambda p: bool(temporary_files(p))
    ),
    "after the last update": Moment(
        lambda p: p.rows() == UPDATES, lambda p: p.rows() == UPDATES and p.checkpoint.exists()
    ),
}


def killed(folder: Path, moment: Moment, *, mortal: bool) -> Place:
    """A run killed at a moment; tried again where the kill came too late."""
    for attempt in range(8):
        place = Place(folder / str(attempt), mortal=mortal)
        process = place.start()
        wait_until(process, lambda: moment.seen(place))  # noqa: B023
        ended = stop(process, signal.SIGKILL)
        if ended.status == -signal.SIGKILL and moment.hit(place):
            return place
    raise AssertionError("the moment was never hit")


def test_a_killed_run_is_resumed_to_the_same_weights_and_logs(
    tmp_path: Path, wholes: dict[bool, Place]
) -> None:
    place = killed(tmp_path, MOMENTS["between checkpoints"], mortal=True)
    assert not place.model.exists()
    resumed = place.resume()
    assert resumed.status == 0
    assert resumed.out.startswith("Resuming ground_truth.\n")
    check_same(place, wholes[True])


@pytest.mark.slow
@pytest.mark.parametrize("mortal", [False, True], ids=["immortal", "mortal"])
@pytest.mark.parametrize("name", MOMENTS)
def test_any_moment_may_be_the_last(
    tmp_path: Path, wholes: dict[bool, Place], name: str, mortal: bool
) -> None:
    place = killed(tmp_path, MOMENTS[name], mortal=mortal)
    assert place.resume().status == 0
    check_same(place, wholes[mortal])


# --- Killed by its own hand, in the middle of a call ------------------------

SUICIDE = """
import os, pkgutil, signal, sys
from goodharts_lib.training import train_ppo

owner, name, turn, when = sys.argv[1:5]
owner = pkgutil.resolve_name(owner)
real, calls = getattr(owner, name), []

def dies(*args, **kwargs):
    calls.append(name)
    if len(calls) == int(turn) and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = real(*args, **kwargs)
    if len(calls) == int(turn):
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(owner, name, dies)
sys.exit(train_ppo.main(sys.argv[5:]))
"""

CALLS = {
    "inside the second checkpoint's write": ("os", "fsync", 2, "before"),
    "between that write and its renaming": ("os", "fsync", 2, "after"),
    "between an update's row and its episodes": (
        "goodharts_lib.training.train_log", "_append", 9, "after"),
    "between the model and the summary": (
        "goodharts_lib.training.ppo.checkpoint", "save_model", 1, "after"),
    "between the summary and the end": (
        "goodharts_lib.training.train_log:TrainLog", "finish", 1, "after"),
}  # fmt: skip


def suicide(place: Place, call: tuple[object, ...], arguments: list[str]) -> None:
    ended = finish(start(["-c", SUICIDE, *call, *arguments], place.folder))
    assert ended.status == -signal.SIGKILL, ended.err


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_any_call_may_be_the_last(
    tmp_path: Path, wholes: dict[bool, Place], call: tuple[object, ...]
) -> None:
    place = Place(tmp_path)
    suicide(place, call, place.arguments())
    assert place.checkpoint.exists()
    assert place.resume().status == 0
    check_same(place, wholes[True])


@pytest.mark.slow
def test_a_resumed_run_may_be_killed_again(tmp_path: Path, wholes: dict[bool, Place]) -> None:
    place = Place(tmp_path)
    append = "goodharts_lib.training.train_log", "_append"
    suicide(place, (*append, 6, "after"), place.arguments())  # in update 3
    assert done(place) == 2
    suicide(place, (*append, 5, "before"), ["--resume", str(place.checkpoint)])  # in update 5
    assert done(place) == 4
    assert place.resume().status == 0
    check_same(place, wholes[True])


# --- Ctrl-C -----------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_interrupted_run_saves_and_says_how_to_go_on(
    tmp_path: Path, wholes: dict[bool, Place], number: signal.Signals
) -> None:
    place = Place(tmp_path)
    process = place.start()
    wait_until(process, lambda: place.rows() >= 1)
    ended = stop(process, number)
    assert ended.status == 130, ended.err
    assert ended.err == ""
    assert done(place) == place.rows() >= 1  # nothing that was learned is lost
    assert not place.model.exists()
    (line,) = [line for line in ended.out.splitlines() if "Continue with: " in line]
    command = shlex.split(line.partition("Continue with: ")[2])
    assert command[:3] == ["python", "-m", COMMAND]
    assert run(main, *command[3:]).status == 0
    check_same(place, wholes[True])


# --- All modes --------------------------------------------------------------


@pytest.fixture(scope="module")
def in_a_row(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Place]:
    """All modes, trained one after the other in this process."""
    place = Place(tmp_path_factory.mktemp("row"))
    assert run(main, *place.arguments("all"), "--sequential").status == 0
    return {mode: dataclasses.replace(place, mode=mode) for mode in MODES}


@pytest.mark.slow
def test_modes_in_parallel_end_as_they_do_in_a_row(
    tmp_path: Path, in_a_row: dict[str, Place]
) -> None:
    place = Place(tmp_path)
    ended = finish(place.start("all"))
    assert ended.status == 0, ended.err
    for mode in MODES:
        check_same(dataclasses.replace(place, mode=mode), in_a_row[mode])
        assert f"[{mode}] model {place.models}" in ended.out


def test_a_mode_in_a_row_ends_as_it_does_alone(
    in_a_row: dict[str, Place], wholes: dict[bool, Place]
) -> None:
    check_same(in_a_row["ground_truth"], wholes[True])


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "SIGINT"])
def test_a_folder_of_stopped_runs_is_resumed_as_a_whole(
    tmp_path: Path, in_a_row: dict[str, Place], number: signal.Signals
) -> None:
    place = Place(tmp_path)
    process = place.start("all")
    both = [dataclasses.replace(place, mode=mode) for mode in list(MODES)[: os.cpu_count()]]
    wait_until(process, lambda: all(p.rows() >= 1 for p in both))
    ended = stop(process, number)
    assert ended.status == (130 if number == signal.SIGINT else -number)
    unfinished = [p.mode for p in both if p.checkpoint.exists()]
    assert unfinished
    resumed = run(main, "--resume", place.models, "--sequential")
    assert resumed.status == 0
    assert resumed.out.startswith("Resuming ")
    for mode in unfinished:
        check_same(dataclasses.replace(place, mode=mode), in_a_row[mode])
    assert not any(name.endswith("checkpoint.safetensors") for name in files_below(tmp_path))


@pytest.mark.slow
def test_a_signal_to_the_parent_alone_stops_and_saves_its_children(
    tmp_path: Path, in_a_row: dict[str, Place]
) -> None:
    place = Place(tmp_path)
    process = place.start("all")
    first = dataclasses.replace(place, mode=next(iter(MODES)))
    wait_until(process, lambda: first.rows() >= 1)
    os.kill(process.pid, signal.SIGTERM)
    ended = finish(process)
    assert ended.status == 130
    resumed = run(main, "--resume", place.models, "--sequential")
    assert resumed.status == 0
    check_same(first, in_a_row[first.mode])


def interrupt_at(monkeypatch: pytest.MonkeyPatch, update: int) -> None:
    """Press Ctrl-C in an update."""

    def interrupt(_: object, record: Any) -> None:
        if record.update == update:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("goodharts_lib.training.progress.Progress.__call__", interrupt)


def test_ctrl_c_in_the_last_update_of_a_mode_starts_no_other(
    tmp_path: Path, wholes: dict[bool, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path)
    interrupt_at(monkeypatch, UPDATES)
    assert run(main, *place.arguments("all"), "--sequential").status == 130
    check_same(place, wholes[True])
    assert not [name for name in files_below(tmp_path) if "proxy" in name]


def test_ctrl_c_between_checkpoints_loses_nothing(
    tmp_path: Path, wholes: dict[bool, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 3)
        stopped = run(main, *place.arguments())
    assert stopped.status == 130
    assert f"stopped after 768 steps. Continue with: python -m {COMMAND} --resume" in stopped.out
    assert done(place) == place.rows() == 3
    assert place.resume().status == 0
    check_same(place, wholes[True])


# --- What resuming does with what it finds ----------------------------------


@pytest.fixture
def unfinished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A run that stopped in its fifth update, its logs ahead of its checkpoint."""
    place = Place(tmp_path / "run")

    class Stopped(BaseException):
        pass

    def break_off(record: Any) -> None:
        if record.update == 5:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(
            "goodharts_lib.training.progress.Progress.__call__",
            lambda _self, record: break_off(record),
        )
        with pytest.raises(Stopped):
            run(main, *place.arguments())
    assert done(place) == 4
    assert place.rows() == 5
    return place


def test_rows_later_than_the_checkpoint_are_cut(
    unfinished: Place, wholes: dict[bool, Place]
) -> None:
    for kind in ("updates.csv", "episodes.csv"):
        with unfinished.log(kind).open("a") as stream:
            stream.write("6,torn in the mid")
    assert unfinished.resume().status == 0
    check_same(unfinished, wholes[True])


def test_a_run_goes_on_with_its_own_settings_from_anywhere(
    unfinished: Place, wholes: dict[bool, Place], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_config(
        tmp_path, {"training.learning_rate": 0.1, "training.timesteps": 1, "world.width": 9}
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GOODHARTS_DEVICE", "cuda:77")
    resumed = unfinished.resume(Path("run/models/ppo_ground_truth.checkpoint.safetensors"))
    assert resumed.status == 0, resumed.err
    check_same(unfinished, wholes[True])


def test_a_run_may_be_moved_with_its_logs(
    unfinished: Place, wholes: dict[bool, Place], tmp_path: Path
) -> None:
    unfinished.folder.rename(tmp_path / "elsewhere")
    moved = dataclasses.replace(unfinished, folder=tmp_path / "elsewhere")
    assert moved.resume().status == 0
    check_same(moved, wholes[True])


def test_wall_time_goes_on(unfinished: Place) -> None:
    trainer, facts = load_checkpoint(unfinished.checkpoint)
    assert facts["wall_time"] > 0
    assert unfinished.resume().status == 0
    summary = json.loads(unfinished.log("summary.json").read_text())
    assert summary["wall_time"] > facts["wall_time"]
    assert summary["total_steps"] == trainer.total_updates * 256


def test_a_fresh_run_does_not_bury_an_unfinished_one(
    unfinished: Place, wholes: dict[bool, Place]
) -> None:
    before = {name: (unfinished.folder / name).read_bytes()
              for name in files_below(unfinished.folder)}  # fmt: skip
    refused = run(main, *unfinished.arguments())
    assert refused.status == 2
    assert "is an unfinished run: continue it with --resume" in refused.err
    assert "--overwrite" in refused.err
    for name, content in before.items():
        assert (unfinished.folder / name).read_bytes() == content, name
    assert files_below(unfinished.folder) == before.keys()
    unfinished.log("updates.csv").unlink()
    unfinished.log("episodes.csv").unlink()
    assert run(main, *unfinished.arguments(), "--overwrite").status == 0
    check_same(unfinished, wholes[True])


@pytest.mark.parametrize(
    "path", ["ppo_ground_truth.checkpoint.safetensors", ""], ids=["file", "folder"]
)
def test_resuming_a_complete_run_is_a_sentence_and_nothing_else(
    wholes: dict[bool, Place], path: str
) -> None:
    whole = wholes[True]
    before = {name: (whole.folder / name).stat().st_mtime_ns for name in files_below(whole.folder)}
    again = whole.resume(whole.models / path)
    assert again.status == 0
    assert again.out == f"Nothing to do: the run at {whole.models / path} is complete.\n"
    assert {name: (whole.folder / name).stat().st_mtime_ns for name in before} == before
    assert files_below(whole.folder) == before.keys()


@pytest.mark.parametrize("kind", ["updates.csv", "episodes.csv"])
def test_a_run_without_its_logs_is_one_sentence(unfinished: Place, kind: str) -> None:
    unfinished.log(kind).unlink()
    refused = unfinished.resume()
    assert refused.status == 2
    assert refused.err.startswith("error: ")
    assert refused.err.count("\n") == 1
    assert unfinished.checkpoint.exists()
