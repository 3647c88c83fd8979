"""A run that is killed and resumed ends with the same weights and logs as one that was not.

Real processes of the command, really killed: by their own hand in the middle of a chosen call, so
that no moment depends on how fast a machine is, or from outside while they wait for it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
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

# Minibatches of 64, and all three causes of an end in a mortal world.
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


def done(place: Place) -> int:
    """How many updates the checkpoint holds."""
    return load_checkpoint(place.checkpoint)[0].updates_done


# --- Struck by its own hand, in the middle of a call ------------------------

STRUCK = """
import os, pkgutil, signal, sys
from goodharts_lib.training import train_ppo

number, owner, name, turn, when = sys.argv[1:6]
owner = pkgutil.resolve_name(owner)
real, calls = getattr(owner, name), []

def struck(*args, **kwargs):
    calls.append(name)
    if len(calls) == int(turn) and when == "before":
        os.kill(os.getpid(), int(number))
    result = real(*args, **kwargs)
    if len(calls) == int(turn) and when == "after":
        os.kill(os.getpid(), int(number))
    return result

setattr(owner, name, struck)
sys.exit(train_ppo.main(sys.argv[6:]))
"""

LOG = "goodharts_lib.training.train_log"
STORE = "goodharts_lib.training.ppo.checkpoint"

MOMENTS = {  # and how many updates are then in the checkpoint and in the log
    "before the first update": (STORE, "save_checkpoint", 1, "after", 0, 0),
    "between checkpoints": (f"{LOG}:TrainLog", "write", 3, "after", 2, 3),
    "while writing a checkpoint": ("os", "fsync", 6, "before", 0, 2),  # each writes three files
    "after the last update": (f"{LOG}:TrainLog", "write", UPDATES, "after", 4, UPDATES),
}
CALLS = {
    "between a checkpoint's write and its renaming": ("os", "fsync", 6, "after"),
    "between an update's row and its episodes": (LOG, "_append", 9, "after"),
    "between the model and the summary": (STORE, "save_model", 1, "after"),
    "between the summary and the end": (f"{LOG}:TrainLog", "finish", 1, "after"),
}


def strike(
    place: Place,
    call: Sequence[object],
    arguments: list[str],
    number: signal.Signals = signal.SIGKILL,
) -> Outcome:
    """Run the command until one of its calls sends it a signal."""
    return finish(start(["-c", STRUCK, int(number), *call, *arguments], place.folder))


def kill(place: Place, call: Sequence[object], arguments: list[str] | None = None) -> None:
    ended = strike(place, call, arguments or place.arguments())
    assert ended.status == -signal.SIGKILL, ended.err


def test_a_killed_run_is_resumed_to_the_same_weights_and_logs(
    tmp_path: Path, wholes: dict[bool, Place]
) -> None:
    place = Place(tmp_path)
    kill(place, MOMENTS["between checkpoints"][:4])
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
    place = Place(tmp_path, mortal=mortal)
    *call, stored, logged = MOMENTS[name]
    kill(place, call)
    assert (done(place), place.rows()) == (stored, logged)
    assert place.resume().status == 0
    check_same(place, wholes[mortal])


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_any_call_may_be_the_last(
    tmp_path: Path, wholes: dict[bool, Place], call: tuple[object, ...]
) -> None:
    place = Place(tmp_path)
    kill(place, call)
    assert place.checkpoint.exists()
    assert place.resume().status == 0
    check_same(place, wholes[True])


@pytest.mark.slow
def test_a_resumed_run_may_be_killed_again(tmp_path: Path, wholes: dict[bool, Place]) -> None:
    place = Place(tmp_path)
    kill(place, (LOG, "_append", 6, "after"))  # in update 3
    assert done(place) == 2
    kill(place, (LOG, "_append", 5, "before"), ["--resume", str(place.checkpoint)])  # in update 5
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
    ended = strike(place, (f"{LOG}:TrainLog", "write", 3, "before"), place.arguments(), number)
    assert ended.status == 130, ended.err
    assert ended.err == ""
    assert done(place) == place.rows() == 3  # nothing that was learned is lost
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


HELD = """
import os, signal, sys, time
from goodharts_lib.training import train_ppo
from goodharts_lib.training.train_log import TrainLog

def asked():  # a second Ctrl-C would end it at once
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler

def held(log, record, write=TrainLog.write):
    write(log, record)
    while record.update == 3 and not asked() and not os.path.exists("give up"):
        time.sleep(0.01)

TrainLog.write = held  # in the processes of the modes too: each imports this file
if __name__ == "__main__":
    sys.exit(train_ppo.main(sys.argv[1:]))
"""


def stopped_in_update_3(
    place: Place, stop: Callable[[subprocess.Popen[str]], None]
) -> tuple[Outcome, list[Place]]:
    """Train all modes, and stop those that run in their third update; return their places."""
    (place.folder / "held.py").write_text(HELD, encoding="utf-8")
    # Made now, because each writes the configuration that the run then reads.
    modes = [dataclasses.replace(place, mode=mode) for mode in list(MODES)[: os.cpu_count()]]
    process = start(["held.py", *place.arguments("all")], place.folder)
    try:
        deadline = time.monotonic() + 120
        while any(mode.rows() < 3 for mode in modes):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        stop(process)
        return finish(process), modes
    finally:
        (place.folder / "give up").touch()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "SIGINT"])
def test_a_folder_of_stopped_runs_is_resumed_as_a_whole(
    tmp_path: Path, in_a_row: dict[str, Place], number: signal.Signals
) -> None:
    place = Place(tmp_path)  # below: to the whole group, as a terminal does
    ended, modes = stopped_in_update_3(place, lambda process: os.killpg(process.pid, number))
    assert ended.status == (130 if number == signal.SIGINT else -number)
    for mode in modes:
        assert done(mode) == (3 if number == signal.SIGINT else 2)
    resumed = run(main, "--resume", place.models, "--sequential")
    assert resumed.status == 0
    assert resumed.out.startswith(f"Resuming {', '.join(sorted(m.mode for m in modes))}.")
    for mode in modes:
        check_same(mode, in_a_row[mode.mode])
    assert not any(name.endswith("checkpoint.safetensors") for name in files_below(tmp_path))


@pytest.mark.slow
def test_a_signal_to_the_parent_alone_stops_and_saves_its_children(
    tmp_path: Path, in_a_row: dict[str, Place]
) -> None:
    place = Place(tmp_path)
    ended, modes = stopped_in_update_3(place, lambda process: process.terminate())
    assert ended.status == 130
    assert [done(mode) for mode in modes] == [3] * len(modes)
    assert run(main, "--resume", place.models, "--sequential").status == 0
    for mode in modes:
        check_same(mode, in_a_row[mode.mode])


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
@pytest.mark.parametrize("torn", [False, True], ids=["a row is missing", "a row is torn"])
def test_a_log_that_lost_rows_is_one_sentence(unfinished: Place, kind: str, torn: bool) -> None:
    trainer, _ = load_checkpoint(unfinished.checkpoint)
    rows = {"updates.csv": trainer.updates_done, "episodes.csv": trainer.episodes_done}[kind]
    lines = unfinished.log(kind).read_text().splitlines(keepends=True)
    kept = "".join(lines[: rows + 1])
    unfinished.log(kind).write_text(kept[:-1] if torn else "".join(lines[:rows]))
    before = {name: (unfinished.folder / name).read_bytes()
              for name in files_below(unfinished.folder)}  # fmt: skip
    refused = unfinished.resume()
    path = Path(os.path.normpath(unfinished.log(kind)))
    assert refused.status == 2
    assert refused.err == (
        f"error: {path} lacks rows that its checkpoint has: restore it, or start again with "
        "--overwrite.\n"
    )
    for name, content in before.items():
        assert (unfinished.folder / name).read_bytes() == content, name


def test_the_logs_are_on_the_disk_before_the_checkpoint_that_counts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, synced, fsync = Place(tmp_path), [], os.fsync

    def noted(file: int) -> None:
        synced.append(os.fstat(file).st_ino)
        fsync(file)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", noted)
        assert run(main, *place.arguments()).status == 0
    logs = [place.log(kind).stat().st_ino for kind in ("updates.csv", "episodes.csv")]
    checkpoints = 1 + UPDATES // INTERVAL
    assert [synced[3 * i : 3 * i + 2] for i in range(checkpoints)] == [logs] * checkpoints
    assert len(synced) == 3 * checkpoints + 2  # the model and the summary


@pytest.mark.parametrize("kind", ["updates.csv", "episodes.csv"])
def test_a_run_without_its_logs_is_one_sentence(unfinished: Place, kind: str) -> None:
    unfinished.log(kind).unlink()
    refused = unfinished.resume()
    assert refused.status == 2
    assert refused.err.startswith("error: ")
    assert refused.err.count("\n") == 1
    assert unfinished.checkpoint.exists()
