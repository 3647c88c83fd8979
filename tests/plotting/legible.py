"""What holds for every figure of the book."""

from __future__ import annotations

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from goodharts_lib.plotting.style import Drawn


def assert_legible(drawn: Drawn) -> None:
    """No word is cut off or touches another, and the alt text is a plain sentence."""
    figure, alt = drawn
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    extent = Text.get_window_extent  # an annotation's own would count its arrow
    boxes = [
        (text.get_text(), extent(text, renderer))
        for axes in figure.axes
        for text in (*axes.texts, axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label)
        if text.get_text()
    ]
    page = figure.bbox
    for number, (text, box) in enumerate(boxes):
        assert page.x0 - 1 <= box.x0, text
        assert box.x1 <= page.x1 + 1, text
        assert page.y0 - 1 <= box.y0, text
        assert box.y1 <= page.y1 + 1, text
        for other, beside in boxes[number + 1 :]:
            width = min(box.x1, beside.x1) - max(box.x0, beside.x0)
            height = min(box.y1, beside.y1) - max(box.y0, beside.y0)
            assert width <= 1 or height <= 2, (text, other)
    assert alt.endswith(".")
    assert "nan" not in alt
    assert "-0.0" not in alt
    assert "\n" not in alt
