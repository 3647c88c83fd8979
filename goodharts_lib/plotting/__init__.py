"""Every figure of the book: a function from results to a matplotlib figure and its alt text.

`style`: what all share. `training`, `walks`, `views`: single runs, agents and what they see.
`faces`, `learning`: the toys of pages 1 and 4. `cells`: what agents see against what they are paid.
`sweeps`: gap, noise, interestingness. `phase`: the phase diagram. `compared`: two experiments side
by side. `cloning`: copies of experts. `book`: all figures of stored results, by name.
"""

from goodharts_lib.plotting.style import WIDTH, Drawn, as_png, show
from goodharts_lib.plotting.training import PANELS, Curves, curves, training_curves
from goodharts_lib.plotting.walks import Walk, take_walk, walks_picture, world_picture

__all__ = [
    "PANELS", "WIDTH", "Curves", "Drawn", "Walk", "as_png", "curves", "show", "take_walk",
    "training_curves", "walks_picture", "world_picture",
]  # fmt: skip
