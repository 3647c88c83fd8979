"""Every command that the seed document, the README and the book name runs on a fresh checkout.

The commands stand here as they stand there. Only their size is reduced: by a configuration file in
the working directory, by fewer steps, and by a file to save to where there is no display.
"""

from __future__ import annotations

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from training.tiny import ROOT, TINY, environment, toml

from goodharts_lib import load_config

SMALL = TINY | {"world.width": 24, "world.height": 24, "agent.view_range": 5}
PPO = "python -m goodharts_lib.training.train_ppo"
LEARNED = ("ground_truth", "proxy", "proxy_jammed", "proxy_sighted")

# The seed document's commands, with the package's name translated, and the files each must leave.
SEED = {
    f"{PPO} --mode ground_truth --timesteps 100000": ["models/ppo_ground_truth.safetensors"],
    f"{PPO} --mode all --dashboard --timesteps 100000": [
        f"models/ppo_{mode}.safetensors" for mode in LEARNED
    ],
    "python -m goodharts_lib.training.verification --steps 500 --verbose": [],
    "python main.py --learned": ["demo.png"],
    f"{PPO} --n-envs 64": ["models/ppo_ground_truth.safetensors"],
    f"{PPO} --n-envs 128": ["models/ppo_ground_truth.safetensors"],
    f"{PPO} --mode all --dashboard": [f"models/ppo_{mode}.safetensors" for mode in LEARNED],
    "python -m goodharts_lib.training.verification": [],
    f"GOODHARTS_DEVICE=cpu {PPO}": ["models/ppo_ground_truth.safetensors"],
    "python -m goodharts_lib.training.train": ["models/clone_omniscient_seeker.safetensors"],
    "python -m goodharts_lib.training.visualize_saliency": ["saliency.png"],
}

# What else the README and the book name.
OURS = {
    f"{PPO} --mode all --timesteps 100000": [f"models/ppo_{mode}.safetensors" for mode in LEARNED],
    f"{PPO} --mode all --network small_cnn --timesteps 300000": [
        f"models/ppo_{mode}.safetensors" for mode in LEARNED
    ],
    "python -m goodharts_lib.evaluation --json eval.json": ["eval.json"],
    "python -m goodharts_lib.experiments list": [],
    "python -m goodharts_lib.experiments report": [],
    "python -m goodharts_lib.experiments table two_by_two": [],
    "python -m goodharts_lib.experiments draw headline_curves": ["headline_curves.png"],
    "python -m goodharts_lib.experiments status": [],
    "python -m goodharts_lib.experiments status --results-dir results": [],
    "python main.py --learned --agent ground_truth --brain-view --save brain.png": ["brain.png"],
    "python -m goodharts_lib.pretrained": [],
    "python -m goodharts_lib.training.visualize_saliency --swap --randomise": ["saliency.png"],
    "python -m goodharts_lib.training.train --expert food_only --dagger 5": [
        "models/clone_food_only.safetensors"
    ],
}

# Tested elsewhere: the wheel in tests/test_packaging.py (and every test rests on an install); what
# takes minutes at any size in test_pretrained.py and tests/experiments/; names of programs without
# what they need in tests/training/.
NOT_HERE = {
    'pip install -e ".[gym]"',
    'pip install -e ".[dask]"',
    'pip install -e ".[notebooks]"',
    'pip install -e ".[notebooks,experiments]"',
    "pip install -e .",
    "python -m goodharts_lib.pretrained --reproduce",
    "python -m goodharts_lib.experiments run two_by_two",
    "python -m goodharts_lib.experiments run cloning",
    "python -m goodharts_lib.experiments",
    "python -m goodharts_lib.experiments verify gap",
    "python -m goodharts_lib.experiments verify two_by_two",
    "python -m goodharts_lib.experiments report --markdown",
    "python -m goodharts_lib.training.train_dashboard",
    "python -m http.server",
    PPO,
}

SMALLER = (  # pattern, replacement
    (r"--timesteps \d+", "--timesteps 64"),
    (r"^(python main\.py .*)$", r"\1 --steps 5"),
    (r"^(python main\.py --learned --steps 5)$", r"\1 --save demo.png"),
    (r"^(python -m goodharts_lib\.training\.train\b(?!\.).*)$", r"\1 --epochs 1"),
    (r"(--epochs 1)$", r"\1 --collection-steps 400"),
    (r"--dagger 5", "--dagger 1"),
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files that git knows or would add, and nothing else."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / "config.toml").write_text(toml(SMALL), encoding="utf-8")
    return folder


@pytest.fixture
def clean(checkout: Path) -> Iterator[Path]:
    """The checkout without what an earlier command left, and with models to look at."""
    yield checkout
    for folder in ("models", "logs"):
        shutil.rmtree(checkout / folder, ignore_errors=True)
    for file in ("eval.json", "demo.png", "brain.png", "saliency.png", "headline_curves.png"):
        (checkout / file).unlink(missing_ok=True)


def give_models(folder: Path) -> None:
    """Put the shipped agents where a training of some minutes would have put its own."""
    (folder / "models").mkdir()
    for mode in LEARNED:
        shipped = folder / "goodharts_lib" / "data" / "pretrained" / f"{mode}.safetensors"
        shutil.copy(shipped, folder / "models" / f"ppo_{mode}.safetensors")


def run_smaller(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    for pattern, replacement in SMALLER:
        command = re.sub(pattern, replacement, command)
    words = shlex.split(command)
    kept = {k: v for k, v in environment().items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        kept[name] = value
    assert words.pop(0) == "python"
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(folder), "MPLBACKEND": ""},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("command", [*SEED, *OURS])
def test_a_named_command_runs_and_leaves_its_files(command: str, clean: Path) -> None:
    if "verification" in command or "evaluation" in command:
        give_models(clean)
    ended = run_smaller(command, clean)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    for name in (SEED | OURS)[command]:
        assert (clean / name).stat().st_size > 0
        assert name in ended.stdout, "a command says where its output went"


def test_the_seed_document_s_device_that_is_not_there_is_one_sentence(clean: Path) -> None:
    ended = run_smaller(f"GOODHARTS_DEVICE=cuda:99 {PPO}", clean)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: device 'cuda:99' was asked for")
    assert len(ended.stderr.splitlines()) == 1
    assert not (clean / "models").exists()


def commands_in(text: str) -> set[str]:
    """The commands in a page's shell blocks and in its running text."""
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))
    lines = {line.split("  #")[0].strip() for line in blocks.splitlines()}
    inline = set(re.findall(r"`((?:python|make|pip) [^`]+)`", text))
    return {line for line in lines | inline if line and not line.startswith("#")}


def named_commands() -> set[str]:
    """Every command that the README, the book's pages and its notebooks name."""
    texts = [(ROOT / "README.md").read_text(encoding="utf-8")]
    texts += [page.read_text(encoding="utf-8") for page in (ROOT / "book").glob("*.md")]
    for page in (ROOT / "notebooks").glob("*.ipynb"):
        cells = nbformat.read(page, as_version=4).cells
        texts += [cell.source for cell in cells if cell.cell_type == "markdown"]
    return set().union(*map(commands_in, texts))


def test_no_command_is_named_that_is_not_run_here() -> None:
    named = {command for command in named_commands() if not command.startswith("make ")}
    assert len(named) > 5
    assert named <= set(SEED) | set(OURS) | NOT_HERE


def test_every_make_target_that_is_named_exists() -> None:
    named = {command for command in named_commands() if command.startswith("make ")}
    assert {"make book", "make test"} <= named
    for command in named:
        planned = subprocess.run(
            ["make", "-n", *command.split()[1:]], cwd=ROOT, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert planned.returncode == 0, planned.stderr


def test_commands_are_found_in_blocks_and_in_running_text() -> None:
    page = "x `make b`\n```bash\n# note\npython -m a --b 1   # why\n\nmake c\n```\n`a.py`\n"
    assert commands_in(page) == {"make b", "python -m a --b 1", "make c"}


def test_the_readme_s_python_runs(clean: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert blocks
    small = "SMALL = " + repr(SMALL)
    for block in blocks:
        code = small + "\n" + block.replace("overrides={", "overrides=SMALL | {")
        ended = subprocess.run(
            [sys.executable, "-c", code], cwd=clean, env=environment(),
            capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout
        assert not (clean / "models").exists()


def test_a_machine_s_own_leftovers_are_not_in_the_checkout(checkout: Path) -> None:
    assert (checkout / "main.py").is_file()
    assert not (checkout / ".venv").exists()
    assert not (checkout / "_build").exists()
    assert os.access(checkout / ".ci" / "run", os.X_OK)


@pytest.mark.parametrize(("module", "decided"), [
    ("evaluation", {"evaluation.n_envs", "evaluation.steps", "evaluation.food"}),
    ("training.train_ppo", {"training.mode", "training.timesteps", "training.learning_rate"}),
    ("training.train", {"cloning.expert", "cloning.epochs"}),
    ("training.verification.__main__", {"evaluation.steps"}),
    ("demo", {"evaluation.food", "evaluation.steps"}),
    ("training.visualize_saliency", set()), ("pretrained", set()), ("teaching.__main__", set()),
])  # fmt: skip
def test_help_names_the_defaults_that_say_something(
    module: str,
    decided: set[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    command = importlib.import_module(f"goodharts_lib.{module}").main
    with pytest.raises(SystemExit):
        command(["--help"])
    told = capsys.readouterr().out
    assert "default: None" not in told
    assert "default: False" not in told
    found = re.findall(r"\(default: [^)]*\[(\w+)\] (\w+)\)", told)
    assert decided <= {f"{section}.{key}" for section, key in found}
    config = load_config()
    assert all(hasattr(getattr(config, section), key) for section, key in found)
