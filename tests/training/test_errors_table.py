"""Every wrong input is one sentence and exit status 2, before anything is written."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import safetensors.torch
import torch
from training.tiny import Outcome, finish, run, start, tiny, write_config

from goodharts_lib import evaluation
from goodharts_lib.errors import UserError, run_command
from goodharts_lib.training import train_ppo
from goodharts_lib.training.ppo.checkpoint import (
    checkpoint_path,
    model_path,
    save_checkpoint,
    save_model,
)
from goodharts_lib.training.ppo.trainer import PPOTrainer
from goodharts_lib.training.verification import __main__ as verification

Arrange = Callable[[Path], None]

COMMANDS: dict[str, tuple[str, Callable[[Sequence[str]], int]]] = {
    "train": ("goodharts_lib.training.train_ppo", train_ppo.main),
    "evaluate": ("goodharts_lib.evaluation", evaluation.main),
    "verify": ("goodharts_lib.training.verification", verification.main),
}


class Row(NamedTuple):
    """A command line, what its one sentence must contain, and what lies in the folder before."""

    command: str
    fragment: str
    arrange: Arrange = lambda _: None


# --- What may lie in the folder ---------------------------------------------


def toml(text: str) -> Arrange:
    return lambda folder: (folder / "config.toml").write_text(text) and None


def tiny_world(folder: Path) -> None:
    write_config(folder)


def file_called(name: str) -> Arrange:
    return lambda folder: (folder / name).write_text("mine") and None


def folder_called(name: str) -> Arrange:
    return lambda folder: (folder / name).mkdir(parents=True)


def latin(folder: Path) -> None:
    (folder / "config.toml").write_bytes("[runtime]\ndevice = 'é'\n".encode("latin-1"))


def model(folder: Path) -> None:
    """A tiny trained model and the configuration of its worlds."""
    write_config(folder)
    (folder / "models").mkdir()
    trainer = PPOTrainer(tiny(), 0)
    save_model(model_path(folder / "models", "ground_truth"), trainer.policy(), 0, 64)


def model_alone(folder: Path) -> None:
    model(folder)
    (folder / "config.toml").unlink()


def damaged_model(folder: Path) -> None:
    model(folder)
    path = model_path(folder / "models", "ground_truth")
    path.write_bytes(path.read_bytes()[:5000])


def text_model(folder: Path) -> None:
    model(folder)
    model_path(folder / "models", "ground_truth").write_text("weights, honestly")


def foreign_model(folder: Path) -> None:
    model(folder)
    tensors = {"conv.weight": torch.zeros(2, 3)}
    safetensors.torch.save_file(tensors, model_path(folder / "models", "ground_truth"))


def misnamed_model(folder: Path) -> None:
    """Somebody else under the name of a mode, beside his own file."""
    model(folder)
    policy = PPOTrainer(tiny({"training.mode": "proxy"}), 0).policy()
    for mode in ("proxy", "ground_truth"):
        save_model(model_path(folder / "models", mode), policy, 0, 64)


def narrow_model(folder: Path) -> None:
    """A file with fewer channels than its mode gives."""
    model(folder)
    path = model_path(folder / "models", "ground_truth")
    with safetensors.safe_open(path, framework="pt") as stored:
        told = stored.metadata()["goodharts_lib"].replace('"n_channels": 6', '"n_channels": 2')
    tensors = safetensors.torch.load_file(path)
    tensors["network.conv.0.weight"] = tensors["network.conv.0.weight"][:, :2].contiguous()
    safetensors.torch.save_file(tensors, path, {"goodharts_lib": told})


def unfinished(folder: Path) -> None:
    write_config(folder)
    (folder / "models").mkdir()
    path = checkpoint_path(folder / "models", "ground_truth")
    facts = {"log_dir": "../logs", "log_stem": "ground_truth_x", "wall_time": 0.0}
    save_checkpoint(path, PPOTrainer(tiny(), 0), facts)


def unfinished_without_logs(folder: Path) -> None:
    unfinished(folder)
    (folder / "logs").mkdir()


def damaged_checkpoint(folder: Path) -> None:
    unfinished(folder)
    path = checkpoint_path(folder / "models", "ground_truth")
    path.write_bytes(path.read_bytes()[:-9])


def foreign_checkpoint(folder: Path) -> None:
    unfinished(folder)
    tensors = {"weight": torch.zeros(2, 3)}
    safetensors.torch.save_file(tensors, checkpoint_path(folder / "models", "ground_truth"))


def model_as_checkpoint(folder: Path) -> None:
    model(folder)
    model_path(folder / "models", "ground_truth").rename(
        checkpoint_path(folder / "models", "ground_truth")
    )


def checkpoint_as_model(folder: Path) -> None:
    unfinished(folder)
    checkpoint_path(folder / "models", "ground_truth").rename(
        model_path(folder / "models", "ground_truth")
    )


def blocked_logs_of_a_run(folder: Path) -> None:
    unfinished(folder)
    (folder / "logs").write_text("mine")


MODEL = "models/ppo_ground_truth.safetensors"
CHECKPOINT = "models/ppo_ground_truth.checkpoint.safetensors"

# --- The table --------------------------------------------------------------

ROWS = [
    # names
    Row("train --mode nonsense", "unknown mode 'nonsense'"),
    Row("train --mode Proxy", "(nearest valid: proxy)"),
    Row("train", "unknown mode 'both'", toml('[training]\nmode = "both"')),
    Row("train --network huge_cnn", "unknown network 'huge_cnn'"),
    Row("train", "unknown network 'huge'", toml('[training]\nnetwork = "huge"')),
    Row("train", "(nearest valid: training.learning_rate)", toml("[training]\nlearnin_rate = 1.0")),
    Row("train", "unknown key 'trainng.n_envs'", toml("[trainng]\nn_envs = 4")),
    Row("train", "unknown section 'trainng'", toml("[trainng]")),
    Row("train", "'training' in config.toml must be a section", toml("training = 5")),
    Row("train --frobnicate", "unrecognized arguments: --frobnicate"),
    Row("train --time 5", "unrecognized arguments: --time 5"),
    Row("train ground_truth", "unrecognized arguments: ground_truth"),
    # numbers
    Row("train --timesteps 0", "'training.timesteps' must be at least 1, not 0"),
    Row("train --timesteps -5", "'training.timesteps' must be at least 1, not -5"),
    Row("train --timesteps many", "argument --timesteps: invalid int value: 'many'"),
    Row("train --timesteps 1.5", "argument --timesteps: invalid int value: '1.5'"),
    Row("train --timesteps", "argument --timesteps: expected one argument"),
    Row("train --timesteps 5 --updates 1", "not allowed with argument"),
    Row("train --updates 0", "'training.timesteps' must be at least 1"),
    Row("train --seed -1", "argument --seed: -1 is not in [0, 2^63)"),
    Row("train --seed 9223372036854775808", "is not in [0, 2^63)"),
    Row("train --seed x", "argument --seed: invalid seed value: 'x'"),
    Row("train --n-envs 0", "'training.n_envs' must be between 1 and 65536, not 0"),
    Row("train --n-envs 1000000000000", "must be between 1 and 65536, not 1000000000000"),
    Row("train --lr -0.1", "'training.learning_rate' must be between"),
    Row("train --lr 0", "'training.learning_rate' must be between"),
    Row("train --lr nan", "'training.learning_rate' must be between"),
    Row("train", "'training.gamma' must be between 0 and 1, not nan",
        toml("[training]\ngamma = nan")),
    Row("train", "'training.learning_rate' must be between", toml("[training]\nlearning_rate=inf")),
    Row("train", "'training.n_envs' must be int, not '64'", toml("[training]\nn_envs = '64'")),
    Row("train", "'training.n_envs' must be int, not 64.0", toml("[training]\nn_envs = 64.0")),
    Row("train", "'training.shaping' must be bool, not 1", toml("[training]\nshaping = 1")),
    Row("train --threads -1", "'runtime.threads' must be between 0 and 4096, not -1"),
    # worlds
    Row("train", "'items.food_energy' must be a multiple of 0.1, not 0.15: energy is exact",
        toml("[items]\nfood_energy = 0.15")),
    Row("train", "'training.min_food' must not exceed 'training.max_food'",
        toml("[training]\nmin_food = 201")),
    Row("train", "the 300 items of [training] do not fit",
        toml("[world]\nwidth = 17\nheight = 17")),
    Row("train", "needs a torus of at least 11x11 cells, not 9x100", toml("[world]\nwidth = 9")),
    Row("train", "'training.n_minibatches' must not exceed the samples of one update",
        toml("[training]\nn_minibatches = 9999")),
    # configuration files
    Row("train --config nowhere.toml", "cannot read the configuration file nowhere.toml"),
    Row("train --config folder", "cannot read the configuration file folder",
        folder_called("folder")),
    Row("train", "the configuration file config.toml is not valid TOML", toml("[world\nwidth = 9")),
    Row("train", "the configuration file config.toml is not valid TOML", latin),
    # devices
    Row("train --device quantum", "'quantum' is not a device: use auto, cpu, cuda or cuda:N"),
    Row("train --device mps", "'mps' is not a supported device"),
    Row("train --device cuda:99", "device 'cuda:99' was asked for, but this machine offers"),
    Row("train", "'float8'", toml('[runtime]\nprecision = "float8"')),
    # folders
    Row("train", "cannot write to the folder models: File exists", file_called("models")),
    Row("train", "cannot write to the folder logs: File exists", file_called("logs")),
    Row("train --models-dir a/b", "cannot write to the folder a/b: Not a directory",
        file_called("a")),
    Row("train --models-dir /dev/null/x", "cannot write to the folder /dev/null/x"),
    Row("train --log-dir /dev/null", "cannot write to the folder /dev/null"),
    # resuming
    Row(f"train --resume {CHECKPOINT}", f"there is no run to continue at {CHECKPOINT}"),
    Row("train --resume models", "there is no run to continue at models", folder_called("models")),
    Row("train --resume config.toml", "config.toml is not a checkpoint", tiny_world),
    Row(f"train --resume {CHECKPOINT}", "is damaged", damaged_checkpoint),
    Row("train --resume models", "is damaged", damaged_checkpoint),
    Row(f"train --resume {CHECKPOINT}", "holds foreign weights", foreign_checkpoint),
    Row(f"train --resume {CHECKPOINT}", "is a model, not a checkpoint", model_as_checkpoint),
    Row(f"train --resume {CHECKPOINT} --lr 0.1", "leave out --lr", unfinished),
    Row(f"train --resume {CHECKPOINT} --dashboard --lr 0.1", "leave out --lr", unfinished),
    Row("train --dashboard --mode nonsense", "unknown mode 'nonsense'"),
    Row("train --seed 3 --resume models", "leave out --seed", unfinished),
    Row("train --resume", "argument --resume: expected one argument"),
    Row(f"train --resume {CHECKPOINT}", "cannot write to the folder", blocked_logs_of_a_run),
    Row("train", f"{CHECKPOINT} is an unfinished run: continue it with --resume", unfinished),
    Row("train --mode all", "is an unfinished run", unfinished),
    # evaluation
    Row("evaluate", "there are no models in models"),
    Row("evaluate", "there are no models in models", folder_called("models")),
    Row("evaluate --models-dir elsewhere", "there are no models in elsewhere", model),
    Row("evaluate --modes proxy", "there is no model at models/ppo_proxy.safetensors", model),
    Row("evaluate --modes ground_truth nonsense", "unknown mode 'nonsense'", model),
    Row("evaluate --modes", "argument --modes: expected at least one argument", model),
    Row("evaluate", "is damaged or not a safetensors file", damaged_model),
    Row("evaluate", "is damaged or not a safetensors file", text_model),
    Row("evaluate", "holds foreign weights", foreign_model),
    Row("evaluate", "the model reads 2 channels of 5x5 cells", narrow_model),
    Row("evaluate", f"{MODEL} holds the agent 'proxy', not 'ground_truth'.", misnamed_model),
    Row("evaluate --modes ground_truth", f"{MODEL} holds the agent 'proxy'", misnamed_model),
    Row("evaluate", "is a checkpoint, not a model", checkpoint_as_model),
    Row("evaluate", "was trained with view_range 2, but these worlds have 5", model_alone),
    Row("evaluate --json models", "cannot write models: it is a folder", model),
    Row("evaluate --json config.toml/x.json", "cannot write to the folder config.toml", model),
    Row("evaluate --json /dev/null/x.json", "cannot write to the folder /dev/null", model),
    Row("evaluate --food 140", "the 146 items of [evaluation] do not fit", model),
    Row("evaluate --food -1", "'evaluation.food' must be at least 0, not -1", model),
    Row("evaluate --poison x", "argument --poison: invalid int value: 'x'", model),
    Row("evaluate --steps 0", "'evaluation.steps' must be at least 1, not 0", model),
    Row("evaluate --n-envs 0", "'evaluation.n_envs' must be between 1 and 65536, not 0", model),
    Row("evaluate --seed -3", "argument --seed: -3 is not in [0, 2^63)", model),
    Row("evaluate --device quantum", "'quantum' is not a device", model),
    Row("evaluate --frobnicate", "unrecognized arguments: --frobnicate", model),
    # verification
    Row("verify", "there are no models in models"),
    Row("verify --models-dir elsewhere", "there are no models in elsewhere", model),
    Row("verify --steps 0", "'evaluation.steps' must be at least 1, not 0", model),
    Row("verify --steps x", "argument --steps: invalid int value: 'x'", model),
    Row("verify", "is damaged or not a safetensors file", damaged_model),
    Row("verify", "the model reads 2 channels of 5x5 cells", narrow_model),
    Row("verify", f"{MODEL} holds the agent 'proxy', not 'ground_truth'.", misnamed_model),
    Row("verify", "was trained with view_range 2, but these worlds have 5", model_alone),
    Row("verify --config nowhere.toml", "cannot read the configuration file nowhere.toml", model),
    Row("verify --device cuda:99", "device 'cuda:99' was asked for", model),
    Row("verify --modes proxy", "unrecognized arguments: --modes proxy", model),
]  # fmt: skip

NEEDS_NO_GPU = [
    Row("train --device cuda", "device 'cuda' was asked for, but this machine offers 0"),
    Row("train", "device 'cuda:1' was asked for", toml('[runtime]\ndevice = "cuda:1"')),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOODHARTS_DEVICE", raising=False)
    return tmp_path


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is refused is refused before any work begins."""

    def begin(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("work was begun")

    monkeypatch.setattr(train_ppo, "execute_all", begin)
    monkeypatch.setattr(evaluation, "evaluate_all", begin)
    monkeypatch.setattr(verification, "verify", begin)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check(outcome: Outcome, fragment: str) -> None:
    assert outcome.status == 2
    assert outcome.out == ""
    assert re.fullmatch(r"error: [^\n]+\.\n", outcome.err), outcome.err
    assert fragment in outcome.err


def check_row(row: Row, folder: Path) -> None:
    row.arrange(folder)
    before = snapshot(folder)
    name, *arguments = shlex.split(row.command)
    check(run(COMMANDS[name][1], *arguments), row.fragment)
    assert snapshot(folder) == before


def test_the_table_is_long_enough() -> None:
    assert len(ROWS) >= 30
    assert {row.command.split()[0] for row in ROWS} == set(COMMANDS)


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.command}: {row.fragment}")
def test_a_wrong_input_is_one_sentence(row: Row, folder: Path) -> None:
    check_row(row, folder)


@pytest.mark.usefixtures("no_work")
@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("row", NEEDS_NO_GPU, ids=lambda row: row.command)
def test_a_gpu_that_is_not_there_is_one_sentence(row: Row, folder: Path) -> None:
    check_row(row, folder)


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_wrong_device_in_the_environment_is_one_sentence(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model(folder)
    monkeypatch.setenv("GOODHARTS_DEVICE", "quantum")
    check(run(COMMANDS[name][1]), "'quantum' is not a device")


def test_a_run_whose_logs_are_gone_is_one_sentence(folder: Path) -> None:
    unfinished_without_logs(folder)
    before = snapshot(folder)
    outcome = run(train_ppo.main, "--resume", CHECKPOINT)
    check(outcome._replace(out=""), "cannot read the run's log")
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    "row",
    [
        Row("train --mode nonsense", "unknown mode 'nonsense'"),
        Row("evaluate", "there are no models in models"),
    ],
    ids=lambda row: row.command,
)
def test_a_real_process_says_it_too(row: Row, folder: Path) -> None:
    name, *arguments = shlex.split(row.command)
    check(finish(start(["-m", COMMANDS[name][0], *arguments], folder)), row.fragment)
    assert snapshot(folder) == {}


# --- run_command ------------------------------------------------------------


def raising(error: BaseException) -> Callable[[Sequence[str]], int]:
    def main(_: Sequence[str]) -> int:
        raise error

    return main


def test_what_the_user_cannot_mend_keeps_its_traceback() -> None:
    # S25: an exception swallowed on the way is a wrong result that nobody sees.
    for error in (ValueError("a defect"), RuntimeError("a defect"), KeyError("a defect")):
        with pytest.raises(type(error), match="a defect"):
            run_command(lambda error=error: raising(error)([]))  # type: ignore[misc]


def test_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(UserError("no such thing."))) == (2, "", "error: no such thing.\n")
    assert run(raising(KeyboardInterrupt())) == (130, "", "interrupted.\n")
    assert run(lambda _: 1) == (1, "", "")
    assert run(lambda _: 0) == (0, "", "")
    assert capsys.readouterr() == ("", "")


def test_help_is_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train_ppo"])
    for _, main in COMMANDS.values():
        shown = run(main, "--help")
        assert (shown.status, shown.err) == (0, "")
        assert "--config FILE" in shown.out
