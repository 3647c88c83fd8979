"""A figure in a notebook carries its alt text and its caption, both as plain text."""

from __future__ import annotations

import base64
import re

import IPython.display
import pytest
from matplotlib.colors import rgb_to_hsv, to_rgb

from goodharts_lib import plotting
from goodharts_lib.colors import AGENT_COLORS, contrast_with_white, ink
from goodharts_lib.plotting.style import in_steps, panels


def test_alt_text_and_caption_are_shown_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(IPython.display, "display", lambda html: shown.append(html.data))
    figure, _ = panels(1, 2.0)
    plotting.show((figure, 'less < than "more".'), "What `proxy` eats & drinks.")
    (text,) = shown
    assert 'alt="less &lt; than &quot;more&quot;."' in text
    assert "<figcaption>What <code>proxy</code> eats &amp; drinks.</figcaption>" in text
    picture = re.search(r'src="data:image/png;base64,([^"]+)"', text)
    assert picture
    assert base64.b64decode(picture[1]).startswith(b"\x89PNG")
    assert f'width="{round(96 * plotting.WIDTH)}" height="192"' in text


@pytest.mark.parametrize(
    ("color", "ratio"),
    [((0.0, 0.0, 0.0), 21.0), ((1.0, 1.0, 1.0), 1.0), (to_rgb("#767676"), 4.54),
     (to_rgb("#FF0000"), 4.0), (to_rgb("#0000FF"), 8.59)],
)  # fmt: skip
def test_contrast_with_white_as_published(color: tuple[float, float, float], ratio: float) -> None:
    """WCAG's own examples: 1 to 21, and the lightest grey that passes."""
    assert contrast_with_white(color) == pytest.approx(ratio, abs=0.01)


@pytest.mark.parametrize("name", AGENT_COLORS)
def test_names_are_written_dark_enough_and_in_their_own_hue(name: str) -> None:
    color = to_rgb(AGENT_COLORS[name])
    written = ink(color)
    assert contrast_with_white(written) >= 4.5
    assert rgb_to_hsv(written)[0] == pytest.approx(rgb_to_hsv(color)[0], abs=1e-6)
    if contrast_with_white(color) >= 4.5:
        assert written == color
    else:
        assert contrast_with_white(written) < 4.7, "no darker than it must be"


def test_words_are_darkened_and_lines_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IPython.display, "display", lambda _: None)
    figure, (axes,) = panels(1, 2.0)
    pale = AGENT_COLORS["proxy_jammed"]
    (line,) = axes.plot([0, 1], [0, 1], color=pale)
    word = axes.annotate("proxy_jammed", (0, 0), color=pale)
    light = axes.annotate("on something dark", (0, 0), color="white")
    axes.set_xticks([0], ["proxy_jammed"])
    axes.get_xticklabels()[0].set_color(pale)
    plotting.show((figure, "A line."))
    for written in (word, axes.get_xticklabels()[0]):
        assert contrast_with_white(to_rgb(written.get_color())) >= 4.5
    assert (line.get_color(), light.get_color()) == (pale, "white")


def test_a_minus_is_not_a_hyphen(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(IPython.display, "display", lambda html: shown.append(html.data))
    figure, _ = panels(1, 2.0)
    plotting.show((figure, "From -125 to 3-4, well-known."))
    assert 'alt="From −125 to 3-4, well-known."' in shown[0]


def test_steps_are_written_one_way() -> None:
    steps = (0, 50_000, 262_144, 1_000_000, 1_500_000)
    assert [in_steps(step) for step in steps] == ["0", "50k", "262.144k", "1 M", "1.5 M"]
