"""Saliency pictures and their command: what is drawn is what was computed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread
from training.tiny import files_below, run, tiny, write_config

from goodharts_lib.behaviors.action_space import ACTIONS
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.environments.cells import Cell
from goodharts_lib.environments.render import view_rgb
from goodharts_lib.modes import MODES, channel_names
from goodharts_lib.training import visualize_saliency
from goodharts_lib.training.ppo.checkpoint import model_path, save_model
from goodharts_lib.training.ppo.trainer import PPOTrainer
from goodharts_lib.training.saliency import METHODS, explain
from goodharts_lib.training.visualize_saliency import (
    CELL_PIXELS,
    channel_picture,
    saliency_picture,
)

SIZE = 5
VIEW = torch.zeros(SIZE, SIZE, dtype=torch.uint8)
VIEW[0, 4], VIEW[3, 1] = Cell.FOOD, Cell.POISON


def policy_of(mode: str = "ground_truth", seed: int = 0) -> LearnedPolicy:
    return PPOTrainer(tiny({"training.mode": mode}), seed).policy()


def grid_of(figure: Figure, rows: int) -> list[list[Axes]]:
    """The panels row by row, without the colour bar."""
    panels = figure.axes[:-1]
    columns = len(panels) // rows
    return [panels[row * columns : (row + 1) * columns] for row in range(rows)]


def corners(axes: Axes) -> Any:
    """The colour of each cell's corner, where no shape lies, (V, V, 3)."""
    return np.asarray(axes.images[0].get_array())[::CELL_PIXELS, ::CELL_PIXELS]


def redness(axes: Axes) -> Any:
    """Red minus blue of each cell, (V, V): positive where a map says that the output is raised."""
    colors = corners(axes)
    return colors[..., 0] - colors[..., 2]


@pytest.mark.parametrize("target", ["policy", "value"])
def test_a_map_is_red_where_it_is_positive_and_blue_where_it_is_negative(target: Any) -> None:
    policies = [policy_of(), policy_of("proxy")]
    figure, _ = saliency_picture(policies, VIEW, target=target)
    for policy, row in zip(policies, grid_of(figure, 2), strict=True):
        for method, axes in zip(METHODS, row[1:], strict=True):
            summed = explain(policy, VIEW[None], method, target).summed[0].numpy()
            unit = summed / np.abs(summed).max()
            red = redness(axes)
            unit[2, 2] = red[2, 2] = 0  # the agent's own square covers its cell
            assert (red[unit > 0.2] > 0.05).all()
            assert (red[unit < -0.2] < -0.05).all()
            assert np.abs(red[unit == 0]).max(initial=0) < 0.05
            assert axes.get_xlabel() == f"±{np.abs(summed).max():.2g}"


def test_items_keep_their_shapes_in_a_map() -> None:
    figure, _ = saliency_picture([policy_of()], VIEW, ["occlusion"])
    picture = np.asarray(grid_of(figure, 1)[0][1].images[0].get_array())
    coloured = view_rgb(VIEW, cell_pixels=CELL_PIXELS)
    for y, x in ((0, 4), (3, 1)):
        rows, columns = (slice(i * CELL_PIXELS, (i + 1) * CELL_PIXELS) for i in (y, x))
        drawn, known = picture[rows, columns], coloured[rows, columns]
        inked = (known != known[0, 0]).any(-1)
        middle = CELL_PIXELS // 2
        assert drawn[middle, middle].sum() < 0.7 * drawn[0, 0].sum()
        darker = drawn.sum(-1) < drawn[0, 0].sum() - 1e-6
        assert (darker == inked).all()


def test_the_first_column_shows_the_view_and_what_the_agent_does() -> None:
    policies = [policy_of(seed=seed) for seed in range(4)]
    figure, alt = saliency_picture(policies, VIEW, ["gradient"])
    chosen = set()
    for policy, row in zip(policies, grid_of(figure, 4), strict=True):
        picture = np.asarray(row[0].images[0].get_array())
        assert (picture == view_rgb(VIEW, cell_pixels=CELL_PIXELS)).all()
        likely, index = policy.probabilities(VIEW[None])[0].max(0)
        action = ACTIONS[int(index)]
        chosen.add(action.name)
        assert row[0].get_xlabel() == f"{action.arrow} {likely:.0%}"
        assert row[0].get_ylabel() == policy.name
        (arrow,) = row[0].texts
        (x, y), (x0, y0) = arrow.xy, arrow.xyann  # type: ignore[attr-defined]
        assert (x0, y0) == (2, 2)
        assert (np.sign(x - x0), np.sign(y - y0)) == (action.dx, action.dy)
        assert f"{policy.name} goes {action.name} with {likely:.0%}" in alt
    assert len(chosen) > 1


def test_the_value_is_told_when_it_is_explained() -> None:
    policy = policy_of("proxy")
    figure, alt = saliency_picture([policy], VIEW, ["gradient"], "value")
    value = f"value {policy.evaluate(VIEW[None])[1].item():+.2f}"
    assert value in grid_of(figure, 1)[0][0].get_xlabel()
    assert value in alt
    assert "the value" in figure.axes[-1].get_xlabel()


def test_the_alt_text_names_the_strongest_cell() -> None:
    policy = policy_of()
    _, alt = saliency_picture([policy], VIEW, ["occlusion"])
    summed = explain(policy, VIEW[None], "occlusion").summed[0]
    food, poison = summed[0, 4].item(), summed[3, 1].item()
    kind, place = ("food", "(+2, -2)") if abs(food) > abs(poison) else ("poison", "(-1, +1)")
    does = "raises" if (food if kind == "food" else poison) > 0 else "lowers"
    assert f"occlusion: {kind} at {place} {does} it" in alt


def test_a_map_of_nothing_is_drawn_without_colour() -> None:
    nothing = torch.zeros_like(VIEW)
    figure, alt = saliency_picture([policy_of()], nothing, ["occlusion", "integrated_gradients"])
    for axes in grid_of(figure, 1)[0][1:]:
        assert np.abs(redness(axes)).max() < 0.05
        assert axes.get_xlabel() == "±0"
    assert "occlusion" not in alt


def test_channels_have_their_names_and_one_scale() -> None:
    policies = [policy_of(), policy_of("proxy")]
    figure, _ = channel_picture(policies, VIEW, "gradient")
    for policy, row in zip(policies, grid_of(figure, 2), strict=True):
        maps = explain(policy, VIEW[None], "gradient").attribution[0].numpy()
        assert [axes.get_title() for axes in row[1:]] == channel_names(policy.mode)
        assert {axes.get_xlabel() for axes in row[1:]} == {f"±{np.abs(maps).max():.2g}"}
        for axes, values in zip(row[1:], maps, strict=True):
            unit = values / np.abs(maps).max()
            unit[2, 2] = 0
            assert (redness(axes)[unit > 0.2] > 0.05).all()
            assert (redness(axes)[unit < -0.2] < -0.05).all()


def test_a_method_without_channels_has_one_map() -> None:
    figure, _ = channel_picture([policy_of()], VIEW, "grad_cam")
    (row,) = grid_of(figure, 1)
    assert [axes.get_title() for axes in row[1:]] == ["all channels"]


# --- The command ------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the tiny configuration and two small models."""
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path)
    (tmp_path / "models").mkdir()
    for mode in ("ground_truth", "proxy"):
        save_model(model_path(tmp_path / "models", mode), policy_of(mode), 0, 0)
    return tmp_path


def command(*argv: object) -> Any:
    return run(visualize_saliency.main, "--methods", "gradient", *argv)


def test_the_command_says_what_it_does_and_writes_one_picture(folder: Path) -> None:
    before = files_below(folder)
    outcome = command()
    assert outcome.status == 0
    assert outcome.out.splitlines() == [
        "Configuration: shipped defaults + config.toml",
        "ground_truth: models/ppo_ground_truth.safetensors",
        "proxy: models/ppo_proxy.safetensors",
        "Explaining the policy in 1 view with food and poison, seed 0, by gradient.",
        "Written to saliency.png",
    ]
    assert outcome.err == ""
    assert files_below(folder) - before == {"saliency.png"}
    assert imread(folder / "saliency.png").std() > 0.1


def test_several_views_have_several_pictures_and_channels_more(folder: Path) -> None:
    flags = ("--samples", 2, "--channels", "--modes", "proxy", "--output", "new/place/map.png")
    outcome = command(*flags)
    names = ["map_1.png", "map_1_gradient.png", "map_2.png", "map_2_gradient.png"]
    assert sorted(path.name for path in (folder / "new/place").iterdir()) == names
    written = [line.split()[2] for line in outcome.out.splitlines() if "Written to" in line]
    assert written == [f"new/place/{name}" for name in names]
    first, second = (imread(folder / f"new/place/map_{i}.png") for i in (1, 2))
    assert first.shape == second.shape
    assert (first != second).any()


def test_the_seed_chooses_the_view_and_the_target_the_map(folder: Path) -> None:
    def drawn(*argv: object) -> bytes:
        assert command("--modes", "proxy", *argv).status == 0
        return (folder / "saliency.png").read_bytes()

    usual = drawn()
    assert drawn() == usual
    assert drawn("--seed", 1) != usual
    assert drawn("--target", "value") != usual


@pytest.mark.usefixtures("folder")
def test_randomise_and_swap_print_their_tables() -> None:
    outcome = command("--randomise", "--swap")
    lines = outcome.out.splitlines()
    at = lines.index(
        "Rank correlation with the map of the trained weights, drawing layer after layer anew, "
        "with signs and without, mean of 50 views:"
    )
    assert [line.split()[:3] for line in lines[at + 1 : at + 3]] == [
        ["ground_truth", "gradient", "trained"],
        ["proxy", "gradient", "trained"],
    ]
    assert lines[at + 3] == "Swap effect: the nearest food becomes poison, in 500 views."
    assert [line.split()[0] for line in lines[at + 4 :]] == ["agent", "ground_truth", "proxy"]


def test_an_agent_that_is_not_in_the_folder_is_taken_from_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = command("--modes", "proxy", "--device", "cpu")
    assert outcome.status == 0
    assert "proxy: shipped with the package" in outcome.out.splitlines()


def test_a_clone_in_the_folder_is_found(folder: Path) -> None:
    clone = LearnedPolicy(policy_of().model, MODES["ground_truth"], policy_of().config,
                          name="clone_omniscient_seeker")  # fmt: skip
    save_model(folder / "models" / "clone_omniscient_seeker.safetensors", clone, 0, 0)
    told = command().out.splitlines()
    assert told[3] == "clone: models/clone_omniscient_seeker.safetensors"


def test_without_any_model_all_of_the_package_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked: list[Sequence[str]] = []

    def find(directory: Path, names: Sequence[str], device: str) -> list[tuple[Any, str]]:
        assert (str(directory), device) == ("models", "cpu")
        asked.append(list(names))
        return [(policy_of(), "here")]

    write_config(tmp_path)
    monkeypatch.setattr(visualize_saliency, "find_or_pretrained", find)
    assert command().status == 0
    assert asked == [[*MODES, "clone"]]


WRONG = {
    "method": (["--methods", "gradients"], "unknown method 'gradients'"),
    "target": (["--target", "values"], "argument --target: invalid choice: 'values'"),
    "agent": (["--modes", "prox"], "unknown pretrained agent 'prox'"),
    "samples": (["--samples", "0"], "--samples must be at least 1, not 0."),
    "suffix": (["--output", "map.jpg"], "--output must name a .png file, not map.jpg."),
    "folder": (["--output", "models.png"], "--output must name a .png file, not models.png."),
    "view": (["--modes", "proxy_jammed"], "policy 'proxy_jammed' was trained with view_range 5"),
    "output": (["--output", "file/map.png"], "cannot write to the folder file"),
}


@pytest.mark.parametrize(("argv", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_argument_is_one_sentence_before_any_work(
    folder: Path, argv: list[str], sentence: str
) -> None:
    (folder / "models.png").mkdir()
    (folder / "file").write_text("")
    before = files_below(folder)
    outcome = run(visualize_saliency.main, *argv)
    assert outcome.status == 2
    assert outcome.err.startswith(f"error: {sentence}")
    assert outcome.out == ""
    assert len(outcome.err.splitlines()) == 1
    assert files_below(folder) == before


@pytest.mark.usefixtures("folder")
def test_without_captum_the_command_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "captum", None)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    outcome = command()
    assert (outcome.status, outcome.out) == (2, "")
    assert 'pip install "goodharts-lib[notebooks]"' in outcome.err
