"""What a network reads: both encodings, the gap, the noise."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from slow_reference import (
    EMPTY,
    FOOD,
    POISON,
    PREDATOR,
    PREY,
    WALL,
    drawn_view,
    seeded,
    small_config,
)
from torch import Tensor

from goodharts_lib.config import Config
from goodharts_lib.environments.observe import Encoder, counter_noise
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.modes import MODES, pay_table, proxy_table

SHIPPED_GLOW = {EMPTY: 0.0, WALL: 0.0, FOOD: 1.0, POISON: 0.9, PREY: 0.3, PREDATOR: 1.0}
TYPES = ["ground_truth", "proxy_sighted"]
GLOW = ["proxy", "proxy_jammed"]

views_3x3 = st.lists(st.integers(0, 5), min_size=9, max_size=9).map(
    lambda cells: torch.tensor(cells, dtype=torch.uint8).view(1, 3, 3)
)
every_type = torch.tensor([[[EMPTY, WALL, FOOD], [POISON, EMPTY, PREY], [PREDATOR, 0, 0]]]).byte()


def slow_observation(view: Tensor, sees: str, glow: dict[int, float]) -> list:
    """(6, V, V), cell by cell."""
    channels = []
    for channel in range(6):
        rows = []
        for row in view.tolist():
            if sees == "types":
                rows.append([1.0 if cell == channel else 0.0 for cell in row])
            elif channel == 0:
                rows.append([1.0 if cell == EMPTY else 0.0 for cell in row])
            elif channel == 1:
                rows.append([1.0 if cell == WALL else 0.0 for cell in row])
            else:
                rows.append([glow[cell] for cell in row])
        channels.append(rows)
    return channels


@pytest.mark.parametrize("name", MODES)
@given(view=views_3x3)
def test_observations_equal_a_cell_by_cell_reference(name: str, view: Tensor) -> None:
    encoder = Encoder(MODES[name], small_config())
    sees = "types" if name in TYPES else "glow"
    expected = torch.tensor([slow_observation(view[0], sees, SHIPPED_GLOW)])
    assert encoder.n_channels == 6
    torch.testing.assert_close(encoder(view), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", TYPES)
def test_types_are_one_hot(name: str) -> None:
    seen = Encoder(MODES[name], small_config())(every_type)
    assert set(seen.unique().tolist()) == {0.0, 1.0}
    assert (seen.sum(1) == 1).all()
    assert torch.equal(seen.argmax(1), every_type.long())


@pytest.mark.parametrize("name", GLOW)
def test_the_four_glow_channels_are_equal_and_dark_on_empty_and_wall(name: str) -> None:
    seen = Encoder(MODES[name], small_config())(every_type)
    for channel in (3, 4, 5):
        assert torch.equal(seen[:, channel], seen[:, 2])
    dark = (every_type == EMPTY) | (every_type == WALL)
    assert torch.equal(seen[:, 2] == 0, dark)
    assert torch.equal(seen[:, 0] == 1, every_type == EMPTY)
    assert torch.equal(seen[:, 1] == 1, every_type == WALL)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", GLOW)
def test_food_and_poison_are_almost_but_not_quite_alike(name: str, dtype: torch.dtype) -> None:
    seen = Encoder(MODES[name], small_config(), dtype=dtype)(drawn_view("ox.\n.@.\n..."))
    food, poison = seen[0, 2, 0, :2]
    assert food.dtype == dtype
    assert food == 1.0
    assert poison != food
    assert poison.item() == pytest.approx(0.9, abs=0.002)


def test_proxy_and_proxy_jammed_see_the_same() -> None:
    one, other = (Encoder(MODES[name], small_config())(every_type) for name in GLOW)
    assert torch.equal(one, other)


@pytest.mark.parametrize("name", MODES)
def test_observations_lie_in_channels_last_memory(name: str) -> None:
    seen = Encoder(MODES[name], small_config())(every_type.expand(4, 3, 3))
    assert seen.shape == (4, 6, 3, 3)
    assert seen.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", MODES)
def test_outside_a_walled_world_only_the_wall_channel_is_lit(name: str) -> None:
    config = small_config({"world.loop": False})
    env = VecEnv.from_map(config, "@.\n..", generator=seeded())
    seen = Encoder(MODES[name], config)(env.views())[0]
    assert seen[WALL].tolist() == [[1, 1, 1], [1, 0, 0], [1, 0, 0]]
    assert seen[EMPTY].tolist() == [[0, 0, 0], [0, 1, 1], [0, 1, 1]]
    assert (seen[2:] == 0).all()


# --- The gap between food and poison ----------------------------------------


@pytest.mark.parametrize(("scale", "poison"), [(0.0, 1.0), (0.5, 0.95), (1.0, 0.9), (10.0, 0.0)])
@pytest.mark.parametrize("name", GLOW)
def test_the_gap_moves_poison_only_in_the_input(name: str, scale: float, poison: float) -> None:
    config = small_config({"observation.gap_scale": scale})
    seen = Encoder(MODES[name], config)(every_type)
    expected = slow_observation(every_type[0], "glow", SHIPPED_GLOW | {POISON: poison})
    torch.testing.assert_close(seen, torch.tensor([expected]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", TYPES)
def test_the_gap_is_nothing_to_those_who_see_types(name: str) -> None:
    wide = small_config({"observation.gap_scale": 5.0})
    one, other = (Encoder(MODES[name], config)(every_type) for config in (wide, small_config()))
    assert torch.equal(one, other)


@pytest.mark.parametrize("name", MODES)
def test_the_gap_leaves_the_pay_alone(name: str) -> None:
    for scale in (0.0, 10.0):
        config = small_config({"observation.gap_scale": scale})
        assert pay_table(MODES[name], config) == pay_table(MODES[name], small_config())
        assert proxy_table(config) == proxy_table(small_config())


# --- Noise ------------------------------------------------------------------


def noisy(std: float = 0.5) -> Config:
    return small_config({"observation.noise_std": std})


def noise_of(counters: Tensor, views: Tensor, std: float = 0.5, name: str = "proxy") -> Tensor:
    """What the noise adds to each channel."""
    clean = Encoder(MODES[name], small_config())(views)
    return Encoder(MODES[name], noisy(std))(views, counters) - clean


items = torch.full((1, 3, 3), FOOD, dtype=torch.uint8)


@pytest.mark.parametrize("name", GLOW)
def test_noise_is_on_items_only_and_shared_by_the_four_channels(name: str) -> None:
    views = every_type.expand(50, 3, 3)
    noise = noise_of(torch.arange(50), views, name=name)
    assert (noise[:, :2] == 0).all()
    item = views > WALL
    assert (noise[:, 2][item] != 0).all()
    assert (noise[:, 2][~item] == 0).all()
    seen = Encoder(MODES[name], noisy())(views, torch.arange(50))
    for channel in (3, 4, 5):
        assert torch.equal(seen[:, channel], seen[:, 2])


def test_each_cell_has_an_error_of_its_own() -> None:
    noise = noise_of(torch.tensor([3]), items)[0, 2]
    assert len(noise.unique()) == 9


def test_the_same_counters_give_the_same_noise_in_any_batch() -> None:
    views = every_type.expand(40, 3, 3)
    counters = torch.arange(1000, 1040)
    encoder = Encoder(MODES["proxy"], noisy())
    whole = encoder(views, counters)
    assert torch.equal(whole, encoder(views, counters))
    parts = [encoder(views[a:b], counters[a:b]) for a, b in ((0, 1), (1, 17), (17, 40))]
    assert torch.equal(whole, torch.cat(parts))
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    assert torch.equal(whole[order], encoder(views[order], counters[order]))


@given(counter=st.integers(0, 2**45), apart=st.integers(1, 1000))
def test_different_counters_give_different_noise(counter: int, apart: int) -> None:
    one, other = counter_noise(torch.tensor([counter, counter + apart]), 121)
    assert not (one == other).any()


def test_noise_is_standard_normal_and_uncorrelated() -> None:
    noise = counter_noise(torch.arange(2000), 121).double()
    n = noise.numel()
    assert abs(noise.mean()) < 4 / math.sqrt(n)
    assert abs(noise.std() - 1) < 4 / math.sqrt(2 * n)
    assert stats.kstest(noise.flatten()[::7].numpy(), "norm").pvalue > 0.001
    for left, right in (
        (noise[:, :-1], noise[:, 1:]),  # beside each other
        (noise[:-1], noise[1:]),  # counters that follow each other
        (noise[:-64], noise[64:]),  # the same world, one step later
        (noise[:-1, 1:], noise[1:, :-1]),
    ):
        correlation = (left * right).mean() * math.sqrt(left.numel())
        assert abs(correlation) < 4


@pytest.mark.parametrize("std", [0.05, 2.0])
def test_noise_has_the_configured_spread(std: float) -> None:
    noise = noise_of(torch.arange(4000), items.expand(4000, 3, 3), std)[:, 2].double()
    assert noise.mean().item() == pytest.approx(0, abs=4 * std / math.sqrt(noise.numel()))
    assert noise.std().item() == pytest.approx(std, rel=4 / math.sqrt(2 * noise.numel()))


@pytest.mark.parametrize("name", GLOW)
def test_a_noisy_sensor_without_counters_is_an_error(name: str) -> None:
    encoder = Encoder(MODES[name], noisy())
    assert encoder.noisy
    with pytest.raises(ValueError, match="needs one counter per view"):
        encoder(every_type)


@pytest.mark.parametrize("name", TYPES)
def test_types_are_read_without_error(name: str) -> None:
    encoder = Encoder(MODES[name], noisy())
    assert not encoder.noisy
    assert torch.equal(encoder(every_type), Encoder(MODES[name], small_config())(every_type))
