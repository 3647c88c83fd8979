"""One colour per mode, per quantity and per thing, everywhere alike.

Those of modes are taken from Okabe & Ito (2008, https://jfly.uni-koeln.de/color/): safe for
colour-blind readers, and readable on light and dark pages.
"""

from __future__ import annotations

MODE_COLORS = {
    "ground_truth": "#009E73",
    "proxy": "#D55E00",
    "proxy_jammed": "#56B4E9",
    "proxy_sighted": "#CC79A7",
    "random": "#7F7F7F",
}

AGENT_COLORS = MODE_COLORS | {  # where scripted agents and clones stand beside the modes
    "omniscient_seeker": "#0072B2",
    "proxy_seeker": "#E69F00",
    "eat_everything": "#882255",
    "food_only": "#44AA99",
    "clone": "#AA7700",
}

QUANTITY_COLORS = {"proxy": "#7E57C2", "truth": "#707000"}  # what is measured, what is wanted

FOOD_COLOR = "#009E73"  # a disc wherever it is drawn
POISON_COLOR = "#D55E00"  # a diamond
