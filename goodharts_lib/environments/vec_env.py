"""The world: many grids that advance together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from goodharts_lib.behaviors.action_space import ACTIONS, N_ACTIONS
from goodharts_lib.config import Config, tenths
from goodharts_lib.environments.cells import Cause, Cell, Events, energy_prices, read_map
from goodharts_lib.errors import UserError

_STATE = ("grid", "position", "energy", "age", "food_eaten", "poison_eaten", "empties", "n_empty")


class Episodes(NamedTuple):
    """Counts of the episodes that end with this step (read them where `ended` is true)."""

    ended: Tensor  # (n,) bool
    length: Tensor  # (n,) int64, steps
    food: Tensor  # (n,) int64, meals
    poison: Tensor  # (n,) int64, meals


class StepResult(NamedTuple):
    """What `VecEnv.step` returns."""

    views: Tensor  # (n, V, V) uint8, of the new episode where one has just begun
    events: Events
    terminated: Tensor  # (n,) bool: died. Never together with truncated
    truncated: Tensor  # (n,) bool: the time limit cut the episode off
    final_views: Tensor  # (n, V, V) uint8, before any reset; the very tensor `views` if none ended
    episodes: Episodes | None  # None: no episode ended in this step


class VecEnv:
    """A batch of grid worlds in which agents forage, all advancing one step at a time.

    **Description.**
    Each world is a grid of cells, 100×100 unless configured otherwise.
    It is a torus: who leaves on the right enters on the left (`[world] loop = false` puts walls
    round it).
    Food and poison lie about.
    An agent eats by stepping on an item, and the item reappears on a cell drawn uniformly from the
    empty ones.

    **What the agent sees.**
    The 11×11 cells around it, as cell types.
    The centre is the agent's own cell and always reads empty.
    `views` holds the types as small integers; a mode turns them into the six channels that a
    network reads (`observe.Encoder`).

    | type | value | on a drawn map |
    |---|---|---|
    | empty | 0 | `.` |
    | wall | 1 | `#` |
    | food | 2 | `o` |
    | poison | 3 | `x` |
    | prey (another agent in a shared grid) | 4 | |
    | predator (a reserved channel) | 5 | |

    **What it can do.**
    Eight moves, no staying in place: `behaviors/action_space.py`.
    A wall blocks the move, and the step is paid all the same.

    **Energy.**
    A life begins with 50.0.
    A step costs 0.1, food gives 10.0, poison takes 30.0.
    Energy is counted in integer tenths, so it is exact.

    **How an episode ends.**
    *Truncated* after 500 steps (`time_limit`).
    In a mortal world also *terminated*, as soon as energy is 0 or less: `poisoned` if that step ate
    poison, otherwise `starved`.
    At 0 on the very last step it is death, and never both.
    Training is immortal unless configured otherwise; evaluation is mortal.

    **What follows an end.**
    The world is drawn anew in the same step: food (50–200) and poison (20–100) counts, places, and
    the agent's start, all uniform.
    `views` then shows the new episode, and `final_views` what the agent saw last in the old one.

    **A shared grid.**
    With `shared_grid=True` all agents live in one world.
    They see each other as prey, cannot eat each other and may share a cell.
    Of two that step on one item the lower index eats.
    An agent that dies, or reaches the time limit, starts again on an empty cell of the same world.

    **Randomness.**
    All of it comes from the generator that is passed in: the same seed gives the same worlds, bit
    for bit, on one device.
    An immortal world never makes the host wait for the device, because the host knows when
    episodes end; a mortal one waits once a step.

    Args:
        config: sizes, prices, counts and the time limit.
        n_envs: number of worlds n (of agents, in a shared grid).
        generator: source of all randomness, on the same device.
        shared_grid: put all agents into one world.

    Raises:
        UserError: `n_envs` is not positive, or a shared grid has no room for the agents.
    """

    def __init__(
        self,
        config: Config,
        n_envs: int,
        *,
        generator: torch.Generator,
        shared_grid: bool = False,
    ) -> None:
        if n_envs < 1:
            raise UserError(f"the number of worlds must be at least 1, not {n_envs}.")
        room = config.world.width * config.world.height
        room -= config.training.max_food + config.training.max_poison
        if shared_grid and room < 2 * n_envs:
            raise UserError(f"{n_envs} agents do not fit among the items of one shared grid.")
        self.config = config
        self.n_envs = n_envs
        self.shared_grid = shared_grid
        self.generator = generator
        self.device = generator.device
        self._build_tables()
        n_worlds = 1 if shared_grid else n_envs
        world = torch.zeros if shared_grid else torch.arange
        self._world = world(n_envs, dtype=torch.int64, device=self.device)  # (n,) world of an agent
        self._base = self._world * self._n_cells  # (n,) start of its grid in the flat array
        self.grid = self._new(n_worlds, self._n_cells, dtype=torch.uint8)  # (worlds, cells)
        self.empties = self._new(n_worlds, self._n_cells, dtype=torch.int32)  # first n_empty count
        self.n_empty = self._new(n_worlds)
        self.position = self._new(n_envs)  # (n,) flat cell index
        self.energy = self._new(n_envs)  # (n,) tenths
        self.age = self._new(n_envs)  # (n,) steps in this episode
        self.food_eaten = self._new(n_envs)
        self.poison_eaten = self._new(n_envs)
        self.reset()

    @classmethod
    def from_map(
        cls, config: Config, drawing: str, *, generator: torch.Generator, n_envs: int = 1
    ) -> VecEnv:
        """Build a world from a drawn map (see the table above; ``@`` marks an agent).

        One agent: `n_envs` copies of the map. Several agents: one shared grid.
        The map's size replaces the configured one; later episodes are drawn at random.

        Raises:
            UserError: the map cannot be read, or the configured view or items do not fit in it.
        """
        grid, agents = read_map(drawing)
        height, width = grid.shape
        sized = config.with_overrides({"world.width": width, "world.height": height})
        shared = len(agents) > 1
        env = cls(sized, len(agents) if shared else n_envs, generator=generator, shared_grid=shared)
        env.load(grid.expand(env.grid.shape[0], -1, -1), agents.expand(env.n_envs, 2))
        return env

    def load(self, grid: Tensor, agents: Tensor) -> Tensor:
        """Start new episodes on given grids, (worlds, height, width), at (x, y), (n, 2).

        Returns the views, (n, V, V) uint8.
        """
        world = self.config.world
        padded = torch.full_like(self.grid, Cell.WALL).view(-1, world.height + 1, world.width + 1)
        padded[:, : world.height, : world.width] = grid.to(self.device)
        self.grid = padded.flatten(1)
        self._list_empties(slice(None))
        agents = agents.to(self.device)
        self.position = agents[:, 1] * (world.width + 1) + agents[:, 0]
        self._begin(slice(None))
        return self.views()

    def reset(self) -> Tensor:
        """Draw every world anew and return the views, (n, V, V) uint8."""
        self._draw_worlds(slice(None), self.grid.shape[0])
        if self.shared_grid:
            self._place_agents(slice(None), self.n_envs)
        self._begin(slice(None))
        return self.views()

    def step(self, actions: Tensor) -> StepResult:
        """Advance every world by one step.

        Args:
            actions: (n,) integers in [0, 8), on the env's device.

        Raises:
            ValueError: wrong shape or type; on a CPU also an action outside [0, 8).
        """
        self._check(actions)
        target = self._neighbours.take(self.position * N_ACTIONS + actions)  # (n,)
        cell = self.grid.view(-1).take(self._base + target)  # (n,) uint8
        self.position = torch.where(cell == Cell.WALL, self.position, target)
        eaten = cell * (cell > Cell.WALL)
        if self.shared_grid:
            eaten = self._first_come(eaten)
        self._respawn(eaten)
        self.energy = self.energy + self._prices.take(eaten.long())
        self.age = self.age + 1
        self.food_eaten = self.food_eaten + (eaten == Cell.FOOD)
        self.poison_eaten = self.poison_eaten + (eaten == Cell.POISON)
        self._clock += 1
        return self._finish(eaten)

    def views(self) -> Tensor:
        """Return what each agent sees now, (n, V, V) uint8 cell types, rows from top to bottom."""
        y = torch.div(self.position, self._stride, rounding_mode="floor")
        rows = self._window_y.index_select(0, y)  # (n, V)
        columns = self._window_x.index_select(0, self.position - y * self._stride)  # (n, V)
        cells = (rows + self._base[:, None])[:, :, None] + columns[:, None, :]  # (n, V, V)
        if not self.shared_grid:
            return self.grid.view(-1).take(cells)
        seen = self.grid.view(-1).index_fill(0, self._base + self.position, Cell.PREY)
        views = seen.take(cells)
        views[:, self.config.agent.view_range, self.config.agent.view_range] = Cell.EMPTY
        return views

    def grids(self) -> Tensor:
        """Return the worlds as (worlds, height, width) uint8 cell types, agents left out."""
        world = self.config.world
        return self.grid.view(-1, world.height + 1, world.width + 1)[:, :-1, :-1]

    def agents(self) -> Tensor:
        """Return where the agents are, (n, 2) int64 (x, y)."""
        y = torch.div(self.position, self._stride, rounding_mode="floor")
        return torch.stack([self.position - y * self._stride, y], dim=1)

    def state(self) -> dict[str, Tensor]:
        """Return all that a checkpoint must hold, apart from the generator."""
        clock = torch.tensor(self._clock)
        return {"clock": clock} | {name: getattr(self, name).clone() for name in _STATE}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Continue from what `state` returned."""
        self._clock = int(state["clock"])
        for name in _STATE:
            setattr(self, name, state[name].to(self.device, copy=True))

    def _new(self, *shape: int, dtype: torch.dtype = torch.int64) -> Tensor:
        return torch.zeros(shape, dtype=dtype, device=self.device)

    def _check(self, actions: Tensor) -> None:
        if actions.shape != (self.n_envs,) or actions.dtype.is_floating_point:
            raise ValueError(f"actions must be {self.n_envs} integers, not {actions.dtype} "
                             f"of shape {tuple(actions.shape)}.")  # fmt: skip
        if self.device.type == "cpu":  # on a GPU this look would make the host wait
            low, high = torch.aminmax(actions)
            if low < 0 or high >= N_ACTIONS:
                raise ValueError(f"actions must lie in [0, {N_ACTIONS}), not [{low}, {high}].")

    def _build_tables(self) -> None:
        """Precompute windows, neighbours and prices.

        The grid is stored with one extra row and column of wall. On a torus no index ever reaches
        them; without loop every index beyond the edge does, so one code path serves both.
        """
        world, reach = self.config.world, self.config.agent.view_range
        self._stride = world.width + 1
        self._n_cells = self._stride * (world.height + 1)

        def windows(size: int) -> Tensor:  # (size, V): the coordinates seen from each coordinate
            seen = torch.arange(size)[:, None] + torch.arange(-reach, reach + 1)
            beyond = torch.full_like(seen, size)
            return seen % size if world.loop else torch.where(
                (seen >= 0) & (seen < size), seen, beyond
            )  # fmt: skip

        self._window_x = windows(world.width).to(self.device)
        self._window_y = windows(world.height).to(self.device) * self._stride
        neighbours = torch.zeros(world.height + 1, self._stride, N_ACTIONS, dtype=torch.int64)
        for index, move in enumerate(ACTIONS):
            x = self._window_x[:, reach + move.dx].cpu()
            y = self._window_y[:, reach + move.dy].cpu()
            neighbours[:-1, :-1, index] = y[:, None] + x[None, :]
        self._neighbours = neighbours.flatten().to(self.device)
        self._prices = torch.tensor(energy_prices(self.config), device=self.device)
        inside = torch.arange(world.height)[:, None] * self._stride + torch.arange(world.width)
        self._inside = inside.flatten().to(self.device)  # (height * width,) playable cells

    def _draw_worlds(self, which: Tensor | slice, k: int) -> None:
        """Draw k worlds: counts, places, and (unless shared) the agents' starts, all uniform."""
        train = self.config.training

        def count(low: int, high: int) -> Tensor:
            return torch.randint(
                low, high + 1, (k, 1), generator=self.generator, device=self.device
            )

        food = count(train.min_food, train.max_food)
        items = food + count(train.min_poison, train.max_poison)  # (k, 1)
        most = train.max_food + train.max_poison
        keys = torch.rand(
            k, len(self._inside), generator=self.generator, device=self.device, dtype=torch.float64
        )
        # The largest keys stand on distinct cells, every arrangement equally likely.
        cells = self._inside[keys.topk(most + 1, dim=1, sorted=True).indices]  # (k, most + 1)
        rank = torch.arange(most, device=self.device)
        kinds = torch.where(rank < food, Cell.FOOD, Cell.POISON) * (rank < items)  # (k, most)
        grid = torch.full((k, self._n_cells), Cell.WALL, dtype=torch.uint8, device=self.device)
        grid[:, self._inside] = Cell.EMPTY
        self.grid[which] = grid.scatter_(1, cells[:, :-1], kinds.to(torch.uint8))
        self._list_empties(which)
        if not self.shared_grid:
            self.position[which] = cells[:, -1]

    def _list_empties(self, which: Tensor | slice) -> None:
        """List the empty cells of some worlds, so that a respawn is one uniform pick."""
        empty = self.grid[which] == Cell.EMPTY  # (k, cells)
        self.n_empty[which] = empty.sum(1)
        order = empty.cumsum(1, dtype=torch.int32).long()  # 1, 2, ... at the empty cells
        slots = torch.where(empty, order - 1, self._n_cells)  # the others go to a bin, cut off
        cells = torch.arange(self._n_cells, dtype=torch.int32, device=self.device)
        listed = torch.zeros(len(empty), self._n_cells + 1, dtype=torch.int32, device=self.device)
        self.empties[which] = listed.scatter_(1, slots, cells.expand_as(slots))[:, :-1]

    def _place_agents(self, which: Tensor | slice, k: int) -> None:
        """Start agents of a shared grid on empty cells where no other agent stands."""
        self.position[which] = self._n_cells - 1  # out of the way: the wall beyond the last corner
        self.position[which] = self.empties[0, self._free_slots()[:k]].long()

    def _free_slots(self) -> Tensor:
        """Return slots of empty, unoccupied cells of the shared grid in random order, (n,)."""
        occupied = torch.zeros(self._n_cells, device=self.device)
        occupied[self.position] = 1.0
        n_empty = int(self.n_empty[0])
        keys = torch.rand(n_empty, generator=self.generator, device=self.device)
        keys = keys - occupied[self.empties[0, :n_empty].long()]
        return keys.topk(min(self.n_envs, n_empty)).indices

    def _first_come(self, eaten: Tensor) -> Tensor:
        """Of several agents that step on one item, only the lowest index eats."""
        index = torch.arange(self.n_envs, device=self.device)
        first = torch.full((self._n_cells,), self.n_envs, device=self.device)
        first = first.scatter_reduce(0, self.position, index, "amin")
        return eaten * (first[self.position] == index)

    def _respawn(self, eaten: Tensor) -> None:
        """Clear the agents' cells, and let what was eaten reappear elsewhere.

        The list of empty cells stays exact: the chosen cell leaves it, the eaten one takes its
        place. The draw is made before, so an item never reappears where it was eaten.
        """
        grid = self.grid.view(-1)
        grid.index_fill_(0, self._base + self.position, Cell.EMPTY)
        if not self.config.items.respawn:
            self._list_meals(eaten)
            return
        if self.shared_grid:
            ate = eaten.nonzero().squeeze(1)
            slot = self._free_slots()[: len(ate)]
            ate = ate[: len(slot)]
            new = self.empties[0, slot].long()
            self.empties[0, slot] = self.position[ate].int()
            grid[new] = eaten[ate]
            return
        share = torch.rand(
            self.n_envs, generator=self.generator, device=self.device, dtype=torch.float64
        )
        slot = (share * self.n_empty).long()[:, None]  # (n, 1) uniform over the empty cells
        new = self.empties.gather(1, slot)  # (n, 1)
        kept = torch.where(eaten[:, None] > 0, self.position[:, None].int(), new)
        self.empties.scatter_(1, slot, kept)
        grid.scatter_(0, self._base + new.squeeze(1), eaten)  # where none ate, EMPTY on empty

    def _list_meals(self, eaten: Tensor) -> None:
        """Add the cells of meals that do not come back to the list of empty cells."""
        if self.shared_grid:
            self._list_empties(slice(None))
            return
        self.empties.scatter_(1, self.n_empty[:, None], self.position[:, None].int())
        self.n_empty += eaten > 0  # where none ate, what was written lies beyond the list's end

    def _begin(self, which: Tensor | slice) -> None:
        """Give the agents fresh energy and counters."""
        self.energy[which] = tenths(self.config.agent.energy_start)
        for counter in (self.age, self.food_eaten, self.poison_eaten):
            counter[which] = 0
        if isinstance(which, slice):
            self._clock = 0  # steps since all episodes began together

    def _finish(self, eaten: Tensor) -> StepResult:
        """Report the step, and start new episodes where one has ended."""
        limit = self.config.training.steps_per_episode
        late = self.age >= limit
        terminated = self.energy <= 0 if self.config.agent.mortal else torch.zeros_like(late)
        truncated = late & ~terminated
        killer = torch.where(eaten == Cell.POISON, Cause.POISONED, Cause.STARVED)
        cause = killer * terminated + int(Cause.TIME_LIMIT) * truncated
        events = Events(eaten, cause.to(torch.uint8))
        views = self.views()
        if not self.config.agent.mortal and self._clock % limit:
            return StepResult(views, events, terminated, truncated, views, None)
        ended = terminated | truncated
        if self.config.agent.mortal and not ended.any():
            return StepResult(views, events, terminated, truncated, views, None)
        counts = self.age.clone(), self.food_eaten.clone(), self.poison_eaten.clone()
        episodes = Episodes(ended, *counts)
        for which, k in self._restarts(ended):
            if self.shared_grid:
                self._place_agents(which, k)
            else:
                self._draw_worlds(which, k)
            self._begin(which)
        return StepResult(self.views(), events, terminated, truncated, views, episodes)

    def _restarts(self, ended: Tensor) -> Iterator[tuple[Tensor | slice, int]]:
        """Yield the agents to restart: all of them at once in an immortal world."""
        if self.config.agent.mortal:
            which = ended.nonzero().squeeze(1)
            yield which, len(which)
        else:
            yield slice(None), self.n_envs
