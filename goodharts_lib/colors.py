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

TEXT_CONTRAST = 4.5  # of text on white at least: WCAG 2.2, success criterion 1.4.3


def contrast_with_white(color: tuple[float, float, float]) -> float:
    """Return the contrast ratio of an sRGB colour (each in [0, 1]) with white, from 1 to 21.

    WCAG 2.2, definitions of contrast ratio and relative luminance.
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
    luminance = sum(part * c for part, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return 1.05 / (luminance + 0.05)


def ink(color: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return a colour dark enough to write with on white, of the same hue.

    Args:
        color: sRGB, each in [0, 1]; lines and areas are drawn with it.

    Returns:
        The colour itself if its contrast is enough, else the lightest mixture with black that is.
    """
    shares = (1 - step / 100 for step in range(101))
    mixed = (tuple(share * c for c in color) for share in shares)
    return next(m for m in mixed if contrast_with_white(m) >= TEXT_CONTRAST)  # type: ignore[arg-type, return-value]
