"""The demo's command: whom it shows, what it refuses, and the files it leaves."""

from __future__ import annotations

import re
import runpy
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch
from matplotlib.figure import Figure
from PIL import Image
from training.tiny import ROOT, Outcome, files_below, run, tiny, write_config

from goodharts_lib import demo, window
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.behaviors.scripted import SCRIPTED, ScriptedAgent
from goodharts_lib.config import load_config
from goodharts_lib.demo import find_kinds
from goodharts_lib.environments.cells import Cause
from goodharts_lib.errors import UserError
from goodharts_lib.modes import MODES
from goodharts_lib.pretrained import load_pretrained, weights_checksum
from goodharts_lib.simulation import Simulation
from goodharts_lib.training.ppo.checkpoint import model_path, save_model
from goodharts_lib.training.ppo.trainer import PPOTrainer

CLONE = "clone_omniscient_seeker.safetensors"  # as training names it
WORLD = {"world.width": 24, "world.height": 24, "agent.view_range": 5, "evaluation.steps": 3}


def untrained(mode: str, name: str | None = None) -> LearnedPolicy:
    policy = PPOTrainer(tiny(WORLD | {"training.mode": mode}), 0).policy()
    return LearnedPolicy(policy.model, policy.mode, policy.config, name=name)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of every trained agent."""
    folder = tmp_path_factory.mktemp("models")
    for mode in MODES:
        save_model(model_path(folder, mode), untrained(mode), 0, 0)
    save_model(folder / CLONE, untrained("ground_truth", "clone_omniscient_seeker"), 0, 0)
    return folder


@pytest.fixture
def folder(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a small world and a model of every trained agent."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOODHARTS_DEVICE", raising=False)
    write_config(tmp_path, WORLD)
    shutil.copytree(models, tmp_path / "models")
    return tmp_path


def shown(*arguments: object) -> Outcome:
    return run(demo.main, *arguments, "--save", "demo.png")


# --- Whom it shows ----------------------------------------------------------


@pytest.mark.usefixtures("folder")
def test_it_says_where_every_agent_is_from() -> None:
    outcome = shown("--learned")
    assert outcome.status == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[0] == "Configuration: shipped defaults + config.toml"
    assert lines[1] == (
        "3 steps in one shared world with 12 food, 6 poison and 5 agents of each kind, seed 0:"
    )
    rows = dict(line.split(maxsplit=1) for line in lines[2:12])
    trained = {name: f"models/ppo_{name}.safetensors" for name in MODES} | {
        "clone": f"models/{CLONE}"
    }
    trained["proxy"] += "  <- looked at"
    assert rows == trained | dict.fromkeys(SCRIPTED, "scripted")


def test_a_missing_model_is_replaced_by_the_shipped_agent_and_it_says_so(folder: Path) -> None:
    model_path(folder / "models", "proxy").unlink()
    outcome = shown("--learned", "--agent", "clone")
    assert outcome.status == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[2].split(maxsplit=1) == ["ground_truth", "models/ppo_ground_truth.safetensors"]
    assert lines[3].split(maxsplit=1) == ["proxy", "shipped with the package"]
    kinds = find_kinds(tiny(WORLD), folder / "models", torch.device("cpu"), learned=True)
    found = {policy.name: policy for policy, _ in kinds}
    shipped = load_pretrained("proxy", device="cpu")
    assert weights_checksum(found["proxy"]) == weights_checksum(shipped)


@pytest.mark.usefixtures("folder")
def test_without_learned_only_scripted_agents_are_there() -> None:
    outcome = shown()
    names = [line.split()[0] for line in outcome.out.splitlines()[2:7]]
    assert names == list(SCRIPTED)
    assert "omniscient_seeker  scripted  <- looked at" in outcome.out
    assert "what one omniscient_seeker agent sees" in outcome.out


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def make_foreign(path: Path) -> None:
    safetensors.torch.save_file({"weight": torch.zeros(3)}, path)


def swap(path: Path) -> None:
    path.write_bytes(model_path(path.parent, "ground_truth").read_bytes())


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (damage, "is damaged or not a safetensors file."),
        (make_foreign, "holds foreign weights: it was not written by this library."),
        (swap, "holds the agent 'ground_truth', not 'proxy'."),
    ],
)
def test_a_model_that_is_not_what_it_should_be_stops_the_demo(
    folder: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    spoil(model_path(folder / "models", "proxy"))
    outcome = shown("--learned", "--agent", "ground_truth")
    assert outcome.status == 2
    assert outcome.err == f"error: models/ppo_proxy.safetensors {sentence}\n"
    assert outcome.out == ""
    assert not (folder / "demo.png").exists()


# --- What it refuses --------------------------------------------------------

WRONG = {
    "an unknown agent": ("--agent prox --learned",
                         f"choose from {', '.join((*MODES, 'clone', *SCRIPTED))}."),
    "an unknown scripted agent": ("--agent me", f"choose from {', '.join(SCRIPTED)}."),
    "a trained agent alone": ("--agent proxy", "'proxy' is a trained agent: add --learned."),
    "a rule's brain": ("--learned --agent random --brain-view",
                       "'random' follows a rule and has no brain: --brain-view needs"),
    "a brain without learning": ("--brain-view", "'omniscient_seeker' follows a rule"),
    "another ending": ("--save demo.mp4", "--save writes .gif or .png files, not 'demo.mp4'."),
    "no name at all": ("--save ''", "--save writes .gif or .png files, not '.'."),
    "a folder": ("--save models.gif", "cannot write models.gif: it is a folder."),
    "a file as a folder": ("--save config.toml/a.gif", "cannot write to the folder config.toml"),
    "no agents": ("--agents 0", "there must be at least 1 agent of each kind, not 0."),
    "a crowd": ("--agents 90", "450 agents do not fit"),
    "no steps": ("--steps 0", "'evaluation.steps' must be at least 1, not 0."),
    "too much food": ("--food 600", "do not fit into 24x24 cells"),
    "standing still": ("--speed 0", "0.0 is not above 0 and at most 100"),
    "no number": ("--speed nan", "nan is not above 0"),
    "a negative seed": ("--seed -1", "-1 is not in"),
    "a wrong flag": ("--brain", "unrecognized arguments: --brain"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_one_sentence_before_any_work(
    folder: Path, words: str, sentence: str
) -> None:
    (folder / "models.gif").mkdir()
    before = files_below(folder)
    save = [] if "--save" in words else ["--save", "demo.png"]
    outcome = run(demo.main, *words.split(), *save)
    assert outcome.status == 2
    assert outcome.out == ""
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    assert sentence in outcome.err or re.search(sentence, outcome.err)
    assert files_below(folder) == before


def test_a_window_of_another_size_is_refused(folder: Path) -> None:
    write_config(folder, WORLD | {"agent.view_range": 3})
    outcome = shown("--learned")
    assert outcome.status == 2
    assert "was trained with view_range 5" in outcome.err


# --- What it leaves ---------------------------------------------------------


def test_a_png_carries_its_alt_text(folder: Path) -> None:
    before = files_below(folder)
    outcome = shown("--learned")
    alt, written = outcome.out.splitlines()[-2:]
    with Image.open("demo.png") as picture:
        assert picture.size == (1800, 984)
        assert picture.text["Description"] == alt
    assert alt.startswith("One shared world after 3 steps, and what one proxy agent sees")
    assert re.fullmatch(r"Written to demo\.png \(\d+\.\d MB\)", written)
    assert files_below(folder) == before | {"demo.png"}


@pytest.mark.usefixtures("folder")
def test_a_gif_has_a_frame_for_every_step() -> None:
    outcome = run(demo.main, "--learned", "--speed", 4, "--brain-view", "--save", "new/demo.gif")
    assert outcome.status == 0, outcome.err
    with Image.open("new/demo.gif") as picture:
        assert picture.n_frames == 3
        assert picture.info["duration"] == 250
        assert picture.info["comment"].decode() == outcome.out.splitlines()[-2]


@pytest.mark.usefixtures("folder")
def test_the_same_seed_gives_the_same_picture() -> None:
    for name in ("first.png", "again.png"):
        run(demo.main, "--learned", "--seed", 5, "--save", name)
    assert Path("first.png").read_bytes() == Path("again.png").read_bytes()


@pytest.mark.usefixtures("folder")
def test_each_choice_is_told_and_followed() -> None:
    words = "--food 9 --poison 2 --agents 2 --steps 7 --seed 8 --agent random"
    outcome = shown(*words.split())
    assert (
        "7 steps in one shared world with 9 food, 2 poison and 2 agents of each kind, seed 8:"
    ) in outcome.out.splitlines()
    assert "after 7 steps, and what one random agent sees" in outcome.out


def test_the_shipped_agents_tell_the_story() -> None:
    config = load_config(overrides={"evaluation.steps": 200, "runtime.device": "cpu"})
    pair = [load_pretrained(name, device="cpu") for name in ("ground_truth", "proxy")]
    simulation = Simulation(config, [*pair, ScriptedAgent("random", config)], 5, 0)
    for _ in range(200):
        simulation.step()
    thrives, dies, _ = simulation.deaths[:, Cause.POISONED]
    assert thrives <= 1
    assert dies >= 4
    assert simulation.energy[200, 0] > 2 * simulation.energy[200, 1]


# --- In a window ------------------------------------------------------------


@pytest.mark.usefixtures("folder")
def test_a_window_stays_open_after_the_last_step(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Figure()
    seen = []

    def pretend(figure: Figure, tick: Callable[[], bool], seconds: float) -> None:
        assert figure is opened
        assert seconds == 0.01
        for _ in range(4):
            assert tick()
            seen.append(figure.texts[0].get_text())
            time.sleep(0.05)

    monkeypatch.setattr(window, "open_figure", lambda *_: opened)
    monkeypatch.setattr(window, "run", pretend)
    outcome = run(demo.main, "--learned", "--speed", 100)
    assert outcome.status == 0, outcome.err
    assert seen[-1].startswith("step 3 of 3    12 food    6 poison")
    assert outcome.out.count("That was the last step.") == 1


@pytest.mark.usefixtures("folder")
def test_main_py_is_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["main.py", "--save", "demo.png"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "main.py"), run_name="__main__")
    assert ended.value.code == 0
    assert Path("demo.png").stat().st_size > 10_000


def test_a_user_of_the_library_gets_the_sentence_too(folder: Path) -> None:
    swap(model_path(folder / "models", "proxy"))
    with pytest.raises(UserError, match="holds the agent"):
        find_kinds(tiny(WORLD), folder / "models", torch.device("cpu"), learned=True)
