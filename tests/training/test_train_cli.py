"""The training command: what each flag does, what it says, and where things go."""

from __future__ import annotations

import json
import math
import re
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from training.tiny import Outcome, files_below, run, tiny, write_config

from goodharts_lib.config import Config, load_config
from goodharts_lib.modes import MODES
from goodharts_lib.training import progress, train_ppo
from goodharts_lib.training.ppo import checkpoint
from goodharts_lib.training.ppo.checkpoint import load_checkpoint, load_policy
from goodharts_lib.training.ppo.rollout import Rollout
from goodharts_lib.training.ppo.trainer import PPOTrainer, train
from goodharts_lib.training.train_log import read_rows
from goodharts_lib.training.train_ppo import Run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOODHARTS_DEVICE", raising=False)
    return tmp_path


@pytest.fixture
def tiny_folder(folder: Path) -> Path:
    """A working directory with the tiny configuration."""
    write_config(folder)
    return folder


class Planned:
    """What the command would have done."""

    runs: Sequence[Run]
    sequential: bool

    @property
    def config(self) -> Config:
        assert self.runs[0].config is not None
        return self.runs[0].config


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> Planned:
    """Let the command plan, but not train."""
    plan = Planned()

    def remember(runs: Sequence[Run], *, sequential: bool) -> int:
        plan.runs, plan.sequential = runs, sequential
        return 0

    monkeypatch.setattr(train_ppo, "execute_all", remember)
    return plan


def command(*arguments: object) -> Outcome:
    outcome = run(train_ppo.main, *arguments)
    assert outcome.status == 0, outcome.err
    assert outcome.err == ""
    return outcome


# --- A run ------------------------------------------------------------------


def test_a_clean_folder_ends_with_a_model_and_logs(tiny_folder: Path) -> None:
    # S5, S12: the folder of the models did not exist, and the result of the training was lost.
    outcome = command()
    (stem,) = {path.name.rsplit("_", 1)[0] for path in (tiny_folder / "logs").iterdir()}
    assert files_below(tiny_folder) == {
        "config.toml",
        "models/ppo_ground_truth.safetensors",
        f"logs/{stem}_episodes.csv",
        f"logs/{stem}_updates.csv",
        f"logs/{stem}_summary.json",
    }
    assert f"model models/ppo_ground_truth.safetensors, summary logs/{stem}_summary.json" \
        in outcome.out  # fmt: skip
    assert f"logs logs/{stem}_*" in outcome.out
    assert load_policy("models/ppo_ground_truth.safetensors").config.world.width == 12


def test_the_command_trains_what_the_library_trains(tiny_folder: Path) -> None:
    command("--mode", "proxy", "--seed", "5")
    alone = train(tiny({"training.mode": "proxy"}), 5).policy
    stored = load_policy(tiny_folder / "models/ppo_proxy.safetensors", device="cpu")
    for one, other in zip(alone.model.parameters(), stored.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert stored.config == alone.config


def test_the_first_checkpoint_comes_before_the_first_update(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny_folder / "models/ppo_ground_truth.checkpoint.safetensors"
    seen: list[int] = []
    update = PPOTrainer.train_one_update

    def watched(self: PPOTrainer) -> Any:
        if not seen:
            seen.append(load_checkpoint(path)[0].updates_done)
        return update(self)

    monkeypatch.setattr(PPOTrainer, "train_one_update", watched)
    command()
    assert seen == [0]


def test_the_checkpoint_goes_only_after_the_model_is_in_place(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tiny_folder / "models"
    order: list[str] = []
    unlink = Path.unlink

    def watched(self: Path, missing_ok: bool = False) -> None:
        if self.name.endswith(".checkpoint.safetensors"):
            order.append("unlink")
            assert load_policy(models / "ppo_ground_truth.safetensors")
            assert len(list((tiny_folder / "logs").glob("*_summary.json"))) == 1
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", watched)
    command()
    assert order == ["unlink"]


def test_progress_comes_with_the_time_that_is_left(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PROGRESS_SECONDS", 0.0)
    lines = [line for line in command().out.splitlines() if "ETA" in line]
    assert len(lines) == 4
    (log,) = (tiny_folder / "logs").glob("*_updates.csv")
    for number, (line, row) in enumerate(zip(lines, read_rows(log), strict=True), 1):
        match = re.fullmatch(
            r"\[ground_truth\] update (\d)/4  ([\d,]+) steps  [\d,]+ steps/s  per 1,000 steps: "
            r"true energy ([+-][\d,]+), proxy score ([\d,]+)  ETA (\d+):(\d\d)", line,
        )  # fmt: skip
        assert match is not None, line
        assert (match[1], match[2]) == (str(number), str(64 * number))
        assert match[3] == f"{row['true_energy']:+,.0f}"
        assert match[4] == f"{row['proxy_score']:,.0f}"
    assert lines[-1].endswith("ETA 0:00")


def test_the_eta_never_shows_sixty_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = PPOTrainer(tiny({"training.timesteps": 128}), 0)
    clock = iter([0.0, 119.7])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    shown = progress.Progress(trainer)
    monkeypatch.undo()
    record = trainer.train_one_update()
    monkeypatch.setattr("time.monotonic", lambda: 119.7)
    shown(record)
    assert capsys.readouterr().out.endswith("ETA 2:00\n")


def test_a_countdown_speaks_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    count = progress.Countdown(1000)
    for _ in range(10):
        now[0] += 0.5
        count()
    assert capsys.readouterr().out == "step 4/1,000  ETA 8:18\nstep 8/1,000  ETA 8:16\n"
    assert progress.eta(100.0, 5, 20) == "ETA 0:15"


def test_a_run_that_diverges_keeps_its_last_good_checkpoint(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking(PPOTrainer):
        def update(self, rollout: Rollout) -> tuple[Tensor, Tensor]:
            result = super().update(rollout)
            if self.updates_done == 2:
                self.parameters[0].data.view(-1)[0] = math.nan
            return result

    monkeypatch.setattr(train_ppo, "PPOTrainer", Breaking)
    broken = run(train_ppo.main)
    path = Path("models/ppo_ground_truth.checkpoint.safetensors")
    assert broken.status == 1
    assert broken.err == (
        "error: [ground_truth] update 3 left a loss or a weight that is not finite. "
        f"The last good checkpoint is {path}.\n"
    )
    assert {name for name in files_below(tiny_folder) if "models" in name} == {str(path)}
    trainer, _ = load_checkpoint(path)
    assert trainer.updates_done == 2
    assert all(p.isfinite().all() for p in trainer.parameters)
    (log,) = (tiny_folder / "logs").glob("*_updates.csv")
    assert len(read_rows(log)) == 2


# --- Where the configuration comes from -------------------------------------


def first_line(outcome: Outcome) -> str:
    return outcome.out.splitlines()[0]


def test_shipped_defaults_are_named(folder: Path, planned: Planned) -> None:
    assert first_line(command()) == "Configuration: shipped defaults"
    assert planned.config == load_config()
    assert files_below(folder) == set()


def test_an_empty_variable_is_as_good_as_unset(
    planned: Planned, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("GOODHARTS_DEVICE", "")
    assert first_line(command()) == "Configuration: shipped defaults"
    assert planned.config == load_config()
    assert files_below(folder) == set()


def test_a_configuration_in_the_working_directory_is_used_and_named(
    folder: Path, planned: Planned
) -> None:
    (folder / "config.toml").write_text("[world]\nwidth = 90\n")
    assert first_line(command()) == "Configuration: shipped defaults + config.toml"
    assert planned.config == load_config(overrides={"world.width": 90})


def test_another_configuration_takes_its_place(folder: Path, planned: Planned) -> None:
    (folder / "config.toml").write_text("[world]\nwidth = 90\n")
    (folder / "other.toml").write_text("[world]\nheight = 80\n")
    outcome = command("--config", "other.toml")
    assert first_line(outcome) == "Configuration: shipped defaults + other.toml"
    assert planned.config == load_config(overrides={"world.height": 80})


def test_the_library_never_looks_into_the_working_directory(folder: Path) -> None:
    (folder / "config.toml").write_text("[world]\nwidth = 90\n")
    assert load_config().world.width == 100


def test_flags_beat_files_and_are_named(folder: Path, planned: Planned) -> None:
    (folder / "config.toml").write_text("[training]\nn_envs = 32\n")
    outcome = command("--n-envs", 16, "--lr", 0.01)
    assert first_line(outcome) == (
        "Configuration: shipped defaults + config.toml + training.n_envs=16 "
        "+ training.learning_rate=0.01"
    )
    assert planned.config.training.n_envs == 16


def test_flag_beats_environment_beats_file(
    folder: Path, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "config.toml").write_text('[runtime]\ndevice = "auto"\n')
    monkeypatch.setenv("GOODHARTS_DEVICE", "cpu:0")
    assert first_line(command()).endswith("config.toml + GOODHARTS_DEVICE")
    assert planned.config.runtime.device == "cpu:0"
    named = first_line(command("--device", "cpu"))
    assert named.endswith("config.toml + GOODHARTS_DEVICE + runtime.device=cpu")
    assert planned.config.runtime.device == "cpu"


# --- What each flag does ----------------------------------------------------

FLAGS: dict[str, tuple[list[str], str, Any]] = {
    "--timesteps": (["--timesteps", "1234567"], "training.timesteps", 1_234_567),
    "--updates": (["--updates", "3"], "training.timesteps", 3 * 64 * 128),
    "--updates with --n-envs": (
        ["--n-envs", "2", "--updates", "3"], "training.timesteps", 3 * 2 * 128),
    "--n-envs": (["--n-envs", "7"], "training.n_envs", 7),
    "--network": (["--network", "small_cnn"], "training.network", "small_cnn"),
    "--lr": (["--lr", "0.02"], "training.learning_rate", 0.02),
    "--mortal": (["--mortal"], "agent.mortal", True),
    "--deterministic": (["--deterministic"], "runtime.deterministic", True),
    "--device": (["--device", "cpu"], "runtime.device", "cpu"),
    "--threads": (["--threads", "3"], "runtime.threads", 3),
    "--mode": (["--mode", "proxy"], "training.mode", "proxy"),
}  # fmt: skip


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("flags", "key", "value"), FLAGS.values(), ids=FLAGS)
def test_a_flag_changes_its_key_and_nothing_else(
    planned: Planned, flags: list[str], key: str, value: Any
) -> None:
    command(*flags)
    others = {"training.n_envs": 2} if "--updates" in flags and "--n-envs" in flags else {}
    assert planned.config == load_config(overrides={key: value} | others)
    assert planned.config != load_config()


@pytest.mark.usefixtures("folder")
def test_the_seed_is_passed_on(planned: Planned) -> None:
    command("--seed", 2**63 - 1)
    assert [r.seed for r in planned.runs] == [2**63 - 1]
    command()
    assert [r.seed for r in planned.runs] == [0]


@pytest.mark.usefixtures("folder")
def test_sequential_is_passed_on(planned: Planned) -> None:
    command("--mode", "all", "--sequential")
    assert planned.sequential
    command("--mode", "all")
    assert not planned.sequential


def test_folders_are_made_before_the_training_and_used(folder: Path, planned: Planned) -> None:
    command("--models-dir", "some/models", "--log-dir", "other/logs")
    assert (folder / "some/models").is_dir()
    assert (folder / "other/logs").is_dir()
    (only,) = planned.runs
    assert only.checkpoint == Path("some/models/ppo_ground_truth.checkpoint.safetensors")
    assert only.log_dir == Path("other/logs")


def test_folders_of_a_real_run(tiny_folder: Path) -> None:
    command("--models-dir", "a/b", "--log-dir", "c", "--updates", 1)
    below = files_below(tiny_folder)
    assert "a/b/ppo_ground_truth.safetensors" in below
    assert len([name for name in below if name.startswith("c/")]) == 3
    assert len(below) == 5


def test_a_seed_has_an_effect_on_the_model(tiny_folder: Path) -> None:
    def trained(seed: int) -> bytes:
        command("--seed", seed, "--updates", 1)
        return (tiny_folder / "models/ppo_ground_truth.safetensors").read_bytes()

    one = trained(1)
    assert trained(2) != one
    assert trained(1) == one


def test_rounding_up_is_printed(tiny_folder: Path) -> None:
    outcome = command("--timesteps", 65, "--seed", 3)
    assert outcome.out.splitlines()[1] == (
        "Training ground_truth with small_cnn: 2 updates of 64 steps, 128 steps per mode, seed 3; "
        "models go to models/"
    )
    (summary,) = (tiny_folder / "logs").glob("*_summary.json")
    assert json.loads(summary.read_text())["total_steps"] == 128


@pytest.mark.usefixtures("tiny_folder")
def test_the_placement_is_printed() -> None:
    out = command("--updates", 1, "--lr", 0.002).out
    assert "[ground_truth] device cpu, float32, contiguous, 1 thread; learning rate 0.002" in out
    assert re.search(r"^\[ground_truth\] \[Profile\] .+: \d", out, re.MULTILINE)


# --- All modes --------------------------------------------------------------


@pytest.mark.usefixtures("folder")
def test_all_modes_differ_in_their_mode_only(planned: Planned) -> None:
    outcome = command("--mode", "all", "--seed", 4, "--network", "small_cnn")
    assert [r.mode for r in planned.runs] == list(MODES)
    assert f"Training {', '.join(MODES)} with small_cnn" in outcome.out
    one_thread = {"training.network": "small_cnn", "runtime.threads": 1}
    for planned_run in planned.runs:
        wanted = load_config(overrides=one_thread | {"training.mode": planned_run.mode})
        assert planned_run.config == wanted
        assert planned_run.seed == 4


@pytest.mark.usefixtures("folder")
def test_asked_for_threads_are_given_to_each_mode(planned: Planned) -> None:
    command("--mode", "all", "--threads", 2)
    assert {r.config.runtime.threads for r in planned.runs if r.config} == {2}
    command("--mode", "proxy")
    assert planned.config.runtime.threads == 0


def test_all_modes_in_a_row_leave_a_model_and_logs_each(tiny_folder: Path) -> None:
    command("--mode", "all", "--sequential", "--updates", 1)
    names = files_below(tiny_folder)
    assert {name for name in names if "models" in name} == {
        f"models/ppo_{mode}.safetensors" for mode in MODES
    }
    assert len([name for name in names if "logs" in name]) == 3 * len(MODES)
    for mode in MODES:
        assert load_policy(checkpoint.model_path(tiny_folder / "models", mode)).name == mode


@pytest.mark.parametrize(
    ("statuses", "worst", "done"),
    [([0, 0, 0, 0], 0, 4), ([0, 1, 0, 0], 1, 4), ([0, 130, 0, 0], 130, 2)],
    ids=["all well", "one diverges", "Ctrl-C in the second"],
)
@pytest.mark.usefixtures("folder")
def test_the_worst_status_of_a_row_is_returned(
    monkeypatch: pytest.MonkeyPatch, statuses: list[int], worst: int, done: int
) -> None:
    executed: list[str] = []

    def execute(planned_run: Run) -> int:
        executed.append(planned_run.mode)
        return statuses[len(executed) - 1]

    monkeypatch.setattr(train_ppo, "execute", execute)
    assert run(train_ppo.main, "--mode", "all", "--sequential").status == worst
    assert executed == list(MODES)[:done]


@pytest.mark.usefixtures("tiny_folder")
def test_the_first_ctrl_c_asks_and_the_second_insists() -> None:
    assert threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        asked = train_ppo._interruption()
        assert not asked()
        signal.raise_signal(signal.SIGINT)
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        asked = train_ppo._interruption()
        signal.raise_signal(signal.SIGTERM)
        assert asked()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
