"""The world: many grids that advance together."""

from __future__ import annotations

import torch
from torch import Tensor

from goodharts_lib.behaviors.action_space import N_ACTIONS
from goodharts_lib.config import Config
from goodharts_lib.environments.cells import (
    Cause,
    Cell,
    Episodes,
    Events,
    StepResult,
    energy_prices,
    read_map,
)
from goodharts_lib.environments.geometry import Geometry, draw_worlds
from goodharts_lib.environments.ground import Ground, Which
from goodharts_lib.errors import UserError
from goodharts_lib.values import tenths

_AGENT_STATE = ("position", "ledger")
_GROUND_STATE = ("cells", "empties", "n_empty")


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
    It is *truncated* after 500 steps (`time_limit`).
    In a mortal world it is *terminated* as soon as energy is 0 or less: `poisoned` if that step ate
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
    The host never waits for the device in immortal worlds, and a few times a step in mortal ones
    and in a shared grid.

    Args:
        config: sizes, prices, counts and the time limit.
        n_envs: number n of worlds, or of agents in a shared grid.
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
        self.config, self.n_envs, self.shared_grid = config, n_envs, shared_grid
        self.generator, self.device = generator, generator.device
        entries = [  # what a step that ate each cell type adds to the ledger
            (price, 1, cell == Cell.FOOD, cell == Cell.POISON)
            for cell, price in zip(Cell, energy_prices(config), strict=True)
        ]
        self._entries = torch.tensor(entries, dtype=torch.int64, device=self.device)  # (types, 4)
        self.geometry = Geometry(config, self.device)
        self.ground = Ground(self.geometry, 1 if shared_grid else n_envs, generator)
        world = torch.arange(n_envs, device=self.device) * (not shared_grid)
        self._base = world * self.geometry.n_cells  # (n,) where each agent's grid starts
        self.position = torch.zeros(n_envs, dtype=torch.int64, device=self.device)  # flat cells
        self.ledger = torch.zeros(n_envs, 4, dtype=torch.int64, device=self.device)
        self.reset()

    @classmethod
    def from_map(
        cls, config: Config, drawing: str, *, generator: torch.Generator, n_envs: int = 1
    ) -> VecEnv:
        """Build a world from a drawn map; see the table above, and ``@`` marks an agent.

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
        env.load(grid.expand(env.ground.cells.shape[0], -1, -1), agents.expand(env.n_envs, 2))
        return env

    def load(self, grid: Tensor, agents: Tensor) -> Tensor:
        """Begin on given grids, (worlds, height, width), at (x, y), (n, 2); return the views."""
        self.ground.put(slice(None), self.geometry.store(grid.to(self.device)))
        self.position = self.geometry.flat(*agents.to(self.device).unbind(1))
        self._begin(slice(None))
        return self.views()

    def reset(self) -> Tensor:
        """Draw every world anew and return the views, (n, V, V) uint8."""
        self._draw(slice(None), self.ground.cells.shape[0])
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
        target = self.geometry.neighbours.take(self.position * N_ACTIONS + actions)  # (n,)
        cell = self.ground.cells.view(-1).take(self._base + target)  # (n,) uint8
        self.position = torch.where(cell == Cell.WALL, self.position, target)
        eaten = cell * (cell > Cell.WALL)
        if self.shared_grid:
            eaten = self._first_come(eaten)
        self._respawn(eaten)
        self.ledger += self._entries.index_select(0, eaten.int())
        self._clock += 1
        return self._finish(eaten)

    @property
    def energy(self) -> Tensor:
        """Energy in tenths, (n,) int64."""
        return self.ledger[:, 0]

    @property
    def age(self) -> Tensor:
        """Steps in this episode, (n,) int64."""
        return self.ledger[:, 1]

    def views(self) -> Tensor:
        """Return what each agent sees now, (n, V, V) uint8 cell types, rows from top to bottom."""
        cells = self.geometry.windows(self.position) + self._base[:, None, None]  # (n, V, V)
        if not self.shared_grid:
            return self.ground.cells.view(-1).take(cells)
        seen = self.ground.cells.view(-1).index_fill(0, self._base + self.position, Cell.PREY)
        views = seen.take(cells)
        views[:, self.config.agent.view_range, self.config.agent.view_range] = Cell.EMPTY
        return views

    def grids(self) -> Tensor:
        """Return the worlds as (worlds, height, width) uint8 cell types, agents left out."""
        return self.geometry.show(self.ground.cells)

    def agents(self) -> Tensor:
        """Return the agents' (x, y), (n, 2) int64."""
        return torch.stack(self.geometry.xy(self.position), dim=1)

    def state(self) -> dict[str, Tensor]:
        """Return all that a checkpoint must hold, apart from the generator."""
        agents = {name: getattr(self, name).clone() for name in _AGENT_STATE}
        grids = {name: getattr(self.ground, name).clone() for name in _GROUND_STATE}
        return {"clock": torch.tensor(self._clock), **agents, **grids}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Continue from what `state` returned."""
        self._clock = int(state["clock"])
        for owner, names in ((self, _AGENT_STATE), (self.ground, _GROUND_STATE)):
            for name in names:
                setattr(owner, name, state[name].to(self.device, copy=True))

    def _check(self, actions: Tensor) -> None:
        if actions.shape != (self.n_envs,) or actions.dtype.is_floating_point:
            raise ValueError(f"actions must be {self.n_envs} integers, not {actions.shape}.")
        if self.device.type == "cpu":  # on a GPU this look would make the host wait
            low, high = torch.aminmax(actions)
            if low < 0 or high >= N_ACTIONS:
                raise ValueError(f"actions must lie in [0, {N_ACTIONS}), not [{low}, {high}].")

    def _draw(self, which: Which, k: int) -> None:
        """Draw k worlds anew, and start their agents."""
        stored, starts = draw_worlds(self.geometry, self.config.training, k, self.generator)
        self.ground.put(which, stored)
        if not self.shared_grid:
            self.position[which] = starts

    def _place_agents(self, which: Which, k: int) -> None:
        """Start agents of a shared grid on empty cells where no other agent stands."""
        self.position[which] = self.geometry.n_cells - 1  # out of the way: in the border wall
        slots = self.ground.free_slots(self.position, k)
        self.position[which] = self.ground.empties[0, slots]

    def _first_come(self, eaten: Tensor) -> Tensor:
        """Of several agents that step on one item, only the lowest index eats."""
        index = torch.arange(self.n_envs, device=self.device)
        first = torch.full((self.geometry.n_cells,), self.n_envs, device=self.device)
        first = first.scatter_reduce(0, self.position, index, "amin")
        return eaten * (first[self.position] == index)

    def _respawn(self, eaten: Tensor) -> None:
        """Clear the agents' cells, and let what was eaten reappear elsewhere."""
        self.ground.cells.view(-1).index_fill_(0, self._base + self.position, Cell.EMPTY)
        if not self.config.items.respawn:
            self.ground.clear(self.position, eaten)
        elif self.shared_grid:
            self.ground.respawn_shared(self.position, eaten)
        else:
            self.ground.respawn(self.position, eaten)

    def _begin(self, which: Which) -> None:
        """Give the agents fresh energy and counters."""
        self.ledger[which] = 0
        self.energy[which] = tenths(self.config.agent.energy_start)
        if isinstance(which, slice):
            self._clock = 0  # steps since all episodes began together

    def _finish(self, eaten: Tensor) -> StepResult:
        """Report the step, and begin anew where an episode has ended."""
        limit, mortal = self.config.training.steps_per_episode, self.config.agent.mortal
        views = self.views()
        if not mortal and self._clock % limit:  # the host knows that nobody's time is up
            events = Events(eaten, torch.zeros_like(eaten))  # fresh: a caller may write into them
            died, cut = torch.zeros(2, self.n_envs, dtype=torch.bool, device=self.device)
            return StepResult(views, events, died, cut, views, None)
        terminated = (self.energy <= 0) & mortal
        truncated = (self.age >= limit) & ~terminated
        killer = torch.where(eaten == Cell.POISON, Cause.POISONED, Cause.STARVED)
        cause = killer * terminated + int(Cause.TIME_LIMIT) * truncated
        events = Events(eaten, cause.to(torch.uint8))
        ended = terminated | truncated
        if mortal and not ended.any():
            return StepResult(views, events, terminated, truncated, views, None)
        episodes = Episodes(ended, *self.ledger[:, 1:].clone().unbind(1))
        self._restart(ended)
        return StepResult(self.views(), events, terminated, truncated, views, episodes)

    def _restart(self, ended: Tensor) -> None:
        """Begin new episodes: in an immortal world all at once."""
        which: Which = slice(None)
        k = self.n_envs
        if self.config.agent.mortal:
            which = ended.nonzero().squeeze(1)
            k = len(which)
        if self.shared_grid:
            self._place_agents(which, k)
        else:
            self._draw(which, k)
        self._begin(which)
