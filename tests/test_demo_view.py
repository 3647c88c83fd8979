"""The demo's figure: every panel shows the numbers of the simulation, where they belong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import NDArray
from training.tiny import tiny

from goodharts_lib.behaviors.action_space import ACTIONS
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.behaviors.scripted import SCRIPTED, ScriptedAgent
from goodharts_lib.colors import AGENT_COLORS
from goodharts_lib.demo_brain import draw_layer, draw_logits, mosaic
from goodharts_lib.demo_panels import (
    HeatMap,
    draw_around,
    draw_channel,
    draw_deaths,
    draw_energy,
    draw_rose,
    draw_world,
    outline,
    spread,
)
from goodharts_lib.demo_view import FIGSIZE, DemoView, save_gif
from goodharts_lib.environments.cells import Cause, Cell
from goodharts_lib.environments.render import view_rgb
from goodharts_lib.modes import MODES, channel_table
from goodharts_lib.simulation import Moment, Simulation, Thought
from goodharts_lib.training.ppo.trainer import PPOTrainer


def untrained(mode: str, network: str = "small_cnn") -> LearnedPolicy:
    return PPOTrainer(tiny({"training.mode": mode, "training.network": network}), 0).policy()


def simulated(steps: int = 30, overrides: dict[str, Any] | None = None) -> Simulation:
    config = tiny(overrides)
    scripted = [ScriptedAgent(name, config) for name in ("random", "food_only")]
    simulation = Simulation(config, [untrained("proxy"), *scripted], 4, 0)
    for _ in range(steps):
        simulation.step()
    return simulation


def axes() -> Axes:
    return Figure().add_subplot()


def thought(**values: Any) -> Thought:
    usual = {
        "observation": np.zeros((6, 5, 5), np.float32),
        "layers": (),
        "logits": np.arange(8, dtype=np.float32) / 2 - 1,
        "value": 1.5,
    }
    return Thought(**usual | values)


def moment(**values: Any) -> Moment:
    view = np.zeros((5, 5), np.uint8)
    usual = {"kind": "proxy", "place": (3, 4), "energy": 7.0, "view": view, "action": 2}
    return Moment(**usual | {"thought": thought()} | values)


# --- What it does -----------------------------------------------------------


@pytest.mark.parametrize("action", range(8))
def test_every_arrow_and_probability_lies_where_the_move_leads(action: int) -> None:
    panel = axes()
    draw_rose(panel, simulated(0), "proxy")(moment(action=action))
    grid = panel.images[0].get_array()
    shares = thought().probabilities
    assert len(set(shares)) == 8
    assert grid[1, 1] == 0
    for move, share, text in zip(ACTIONS, shares, panel.texts, strict=True):
        assert grid[1 + move.dy, 1 + move.dx] == pytest.approx(share)
        assert text.get_text() == f"{move.arrow}\n{share:.0%}"
        assert text.get_position() == (1 + move.dx, 1 + move.dy)
    frame = panel.patches[0]
    middle = (frame.get_x() + 0.5, frame.get_y() + 0.5)
    assert middle == (1 + ACTIONS[action].dx, 1 + ACTIONS[action].dy)
    assert panel.yaxis_inverted()  # y grows downwards


def test_a_rule_has_arrows_and_no_probabilities() -> None:
    panel = axes()
    draw_rose(panel, simulated(0), "random")(moment(kind="random", thought=None))
    assert [text.get_text() for text in panel.texts] == [move.arrow for move in ACTIONS]


# --- What it sees -----------------------------------------------------------


def around() -> NDArray[np.uint8]:
    view = np.zeros((5, 5), np.uint8)
    view[0, 1], view[4, 3], view[2, 4] = Cell.FOOD, Cell.POISON, Cell.PREY
    return view


@pytest.mark.parametrize(("mode", "food", "poison"), [
    ("ground_truth", {(1, 0): "1"}, {(3, 4): "1"}),
    ("proxy", {(1, 0): "1", (3, 4): "0.9", (4, 2): "0.3"},
              {(1, 0): "1", (3, 4): "0.9", (4, 2): "0.3"}),
])  # fmt: skip
def test_channels_show_food_and_poison_as_the_mode_sees_them(
    mode: str, food: dict[Any, str], poison: dict[Any, str]
) -> None:
    table = np.array(channel_table(MODES[mode], tiny()), np.float32)  # (types, C)
    given = table[around()].transpose(2, 0, 1)
    for channel, expected in ((Cell.FOOD, food), (Cell.POISON, poison)):
        panel = axes()
        update = draw_channel(panel, channel, "")
        update(moment(thought=thought(observation=given + 1)))
        update(moment(thought=thought(observation=given)))
        assert (panel.images[0].get_array() == given[channel]).all()
        assert panel.images[0].get_extent() == [-0.5, 4.5, 4.5, -0.5]
        assert {text.get_position(): text.get_text() for text in panel.texts} == expected
    scale = panel.images[0].norm
    assert (scale.vmin, scale.vmax) == (0, 1.25)  # 0.9 and 1.0 are two greys


def test_what_is_around_is_drawn_as_every_view_is() -> None:
    panel = axes()
    draw_around(panel)(moment(view=around()))
    assert (panel.images[0].get_array() == view_rgb(around(), cell_pixels=16)).all()


# --- The world --------------------------------------------------------------


def corners(lines: NDArray[np.float64]) -> list[tuple[float, float]]:
    """The upper left corner of every rectangle."""
    rectangles = np.split(lines, lines.shape[1] // 6, axis=1)
    return [tuple(rectangle[:, :5].min(axis=1)) for rectangle in rectangles]


def test_the_window_is_outlined_across_the_edges_of_a_torus() -> None:
    lines = outline(moment(place=(0, 4)), simulated(0))
    found = corners(lines)
    assert len(found) == 9
    assert {(-2.5, 1.5), (9.5, 1.5)} <= set(found)  # of 12 columns
    assert np.isnan(lines[:, 5::6]).all()  # the pen is lifted between them
    walled = simulated(0, {"world.loop": False})
    assert corners(outline(moment(place=(0, 4)), walled)) == [(-2.5, 1.5)]


def test_agents_stand_where_they_are_in_the_colour_of_their_kind() -> None:
    simulation, panel = simulated(), axes()
    update = draw_world(panel, simulation, "random")
    update(simulation.look("random"))
    places = simulation.env.agents().numpy()
    marks = {mark.get_label(): mark for mark in panel.lines if mark.get_label() in AGENT_COLORS}
    assert list(marks) == ["proxy", "random", "food_only"]
    for k, (kind, mark) in enumerate(marks.items()):
        assert (np.stack(mark.get_data(), axis=1) == places[4 * k : 4 * k + 4]).all()
        assert to_hex(mark.get_color()) == AGENT_COLORS[kind].lower()
        assert mark.get_marker() == ("s" if kind == "proxy" else "^")
    chosen = panel.lines[3]
    assert np.stack(chosen.get_data(), axis=1).tolist() == [places[4].tolist()]
    left, right, bottom, top = panel.images[0].get_extent()
    assert (left, right, bottom, top) == (-0.5, 11.5, 11.5, -0.5)


# --- What became of all kinds -----------------------------------------------


def test_the_lines_are_the_mean_energies() -> None:
    simulation, panel = simulated(20), axes()
    draw_energy(panel, simulation)(simulation.look("proxy"))
    lines = [line for line in panel.lines if len(line.get_xdata()) == 21]
    assert len(lines) == 3
    for k, (line, kind) in enumerate(zip(lines, simulation.kinds, strict=True)):
        assert line.get_ydata() == pytest.approx(simulation.energy[:21, k])
        assert to_hex(line.get_color()) == AGENT_COLORS[kind].lower()
        label = panel.texts[1 + k]
        assert label.get_text() == f"{kind} {simulation.energy[20, k]:.0f}"
        assert to_hex(label.get_color()) == AGENT_COLORS[kind].lower()
    assert panel.get_ylim()[0] < 0 < simulation.energy[:21].max() < panel.get_ylim()[1]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=9))
def test_labels_keep_their_order_and_their_distance(heights: list[float]) -> None:
    given_heights = np.array(heights)
    moved = spread(given_heights, 10.0, 100.0)
    order = np.argsort(given_heights, kind="stable")
    assert (np.diff(moved[order]) >= 10 - 1e-9).all()
    assert moved.max() <= 100


def test_labels_with_room_stay_where_they_are() -> None:
    assert spread(np.array([50.0, 10.0, 90.0]), 10.0, 100.0).tolist() == [50, 10, 90]


def test_bars_count_deaths_by_cause() -> None:
    simulation, panel = simulated(), axes()
    simulation.deaths[:, Cause.STARVED] = [1, 0, 4]
    simulation.deaths[:, Cause.POISONED] = [5, 2, 0]
    draw_deaths(panel, simulation)(simulation.look("proxy"))
    bars = [(bar.get_x(), bar.get_width()) for bar in panel.patches]
    assert bars == [(0, 5), (0, 2), (0, 0), (5, 1), (2, 0), (0, 4)]
    assert [text.get_text() for text in panel.texts] == [" 6", " 2", " 4"]
    names = [label.get_text() for label in panel.get_yticklabels()]
    assert names == ["proxy ■", "random ▲", "food_only ▲"]


def test_the_heat_map_follows_its_buttons() -> None:
    simulation, panel = simulated(), axes()
    heat = HeatMap(panel, simulation, "random")
    assert (panel.images[0].get_array() == simulation.visits[1]).all()
    heat.offer(axes())
    assert [label.get_text() for label in heat.buttons.labels] == list(simulation.kinds)
    assert heat.buttons.value_selected == "random"
    heat.buttons.set_active(2)
    assert (panel.images[0].get_array() == simulation.visits[2]).all()
    assert panel.get_title() == "visits of food_only"
    heat.update()
    assert (panel.images[0].get_array() == simulation.visits[2]).all()


# --- Inside a network -------------------------------------------------------


def test_a_mosaic_lies_in_reading_order() -> None:
    maps = np.arange(5, dtype=np.float32)[:, None, None] * np.ones((5, 2, 2), np.float32)
    tiles = mosaic(maps, 3)
    assert tiles.shape == (5, 8)
    assert tiles[::3, ::3].tolist()[0] == [0, 1, 2]
    assert tiles[3, :5].tolist()[::3] == [3, 4]
    assert np.isnan(tiles[2]).all()
    assert np.isnan(tiles[:, 2]).all()
    assert np.isnan(tiles[3:, 6:]).all()


def test_a_layer_shows_its_first_maps_on_one_scale() -> None:
    maps = np.random.default_rng(0).random((32, 5, 5)).astype(np.float32)
    maps[3, 2, 2], maps[20] = 4.0, 9.0  # the 20th is not shown
    panel = axes()
    draw_layer(panel, 0)(moment(thought=thought(layers=(maps,))))
    shown = panel.images[0].get_array()
    assert shown.shape == (5, 16 * 6 - 1)
    assert (shown[:, 18:23] == maps[3]).all()
    assert panel.images[0].get_clim() == (0, 4)
    assert panel.get_title() == "convolution 1: 16 of its 32 maps, white 0 to black 4"


def test_all_features_are_a_strip() -> None:
    panel, features = axes(), np.arange(64, dtype=np.float32)
    draw_layer(panel, 1)(moment(thought=thought(layers=(features, features))))
    assert panel.images[0].get_array().tolist() == [features.tolist()]
    assert panel.get_title() == "all 64 features, white 0 to black 63"


def test_logits_stand_over_their_arrows() -> None:
    panel = axes()
    draw_logits(panel, "proxy")(moment())
    assert [bar.get_height() for bar in panel.patches] == thought().logits.tolist()
    arrows = [label.get_text() for label in panel.get_xticklabels()]
    assert arrows == [move.arrow for move in ACTIONS]
    assert panel.get_title().endswith("1.5")


@pytest.mark.parametrize("network", ["small_cnn", "base_cnn"])
def test_the_brain_view_shows_every_layer(network: str) -> None:
    simulation = Simulation(tiny(), [untrained("ground_truth", network)], 1, 0)
    figure = Figure(FIGSIZE)
    DemoView(figure, simulation, "ground_truth", brain=True, buttons=False)
    titles = [panel.get_title() for panel in figure.axes]
    layers = simulation.look("ground_truth").require_thought().layers
    for i, layer in enumerate(layers[:-1]):
        assert any(f"convolution {i + 1}: 16 of its {len(layer)} maps" in t for t in titles)
    assert any(f"all {len(layers[-1])} features" in t for t in titles)


# --- The whole figure -------------------------------------------------------


def test_a_rule_has_no_brain_to_show() -> None:
    with pytest.raises(ValueError, match="'random' is scripted and has no brain"):
        DemoView(Figure(FIGSIZE), simulated(0), "random", brain=True, buttons=False)


def test_an_update_shows_the_present_moment() -> None:
    simulation, figure = simulated(0), Figure(FIGSIZE)
    view = DemoView(figure, simulation, "proxy", brain=False, buttons=True)
    assert figure.texts[0].get_text().startswith("step 0 of 30    12 food    6 poison")
    for _ in range(12):
        simulation.step()
    view.update()
    assert figure.texts[0].get_text().startswith("step 12 of 30")
    heat = next(panel for panel in figure.axes if panel.get_title() == "visits of proxy")
    assert heat.images[0].get_array().sum() == 4 * 12


def test_the_alt_text_tells_energy_and_deaths() -> None:
    simulation = simulated(1)
    simulation.energy[1] = [12.4, 3.0, 100.0]
    simulation.deaths[0, Cause.POISONED], simulation.deaths[0, Cause.STARVED] = 3, 1
    view = DemoView(Figure(FIGSIZE), simulation, "proxy", brain=False, buttons=False)
    assert view.describe() == (
        "One shared world after 1 steps, and what one proxy agent sees and is about to do. "
        "Average energy and deaths so far: proxy 12 and 4 (3 by poison); random 3 and 0 (0 by "
        "poison); food_only 100 and 0 (0 by poison)."
    )


@pytest.mark.parametrize("kind", [*MODES, *SCRIPTED])
def test_every_heading_fits(kind: str) -> None:
    policy = untrained(kind) if kind in MODES else ScriptedAgent(kind, tiny())
    figure = Figure(FIGSIZE)
    DemoView(figure, Simulation(tiny(), [policy], 1, 0), kind, brain=False, buttons=False)
    renderer = FigureCanvasAgg(figure).get_renderer()
    step, heading = (text.get_window_extent(renderer) for text in figure.texts)
    assert step.x1 < heading.x0
    assert heading.x1 < figure.bbox.x1
    for panel in figure.axes:
        for text in panel.texts if panel.get_title() == "its rule" else []:
            assert panel.bbox.fully_containsx(text.get_window_extent(renderer).x0)
            assert panel.bbox.fully_containsx(text.get_window_extent(renderer).x1)


def test_a_long_gif_skips_steps_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goodharts_lib.demo_view.MAX_FRAMES", 3)
    drawn = []
    update = DemoView.update

    def watched(view: DemoView) -> None:
        drawn.append(view._simulation.now)
        update(view)

    monkeypatch.setattr(DemoView, "update", watched)
    simulation = simulated(0, {"evaluation.steps": 7})
    content, alt = save_gif(simulation, "proxy", brain=False, speed=10)
    assert drawn == [0, 3, 6, 7]
    assert content.startswith(b"GIF89a")
    assert "after 7 steps" in alt
