"""A figure in a notebook carries its alt text and its caption, both as plain text."""

from __future__ import annotations

import base64
import re

import IPython.display
import pytest

from goodharts_lib import plotting
from goodharts_lib.plotting.style import panels


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
