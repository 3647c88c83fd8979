"""A tiny book with everything that a page of this book may hold, built like the real one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from browse import ROOT

VIEW, STATE = (f"application/vnd.jupyter.widget-{kind}+json" for kind in ("view", "state"))

PAGE = r"""# A page with everything

The share of poison at which eating stops paying is $p^* = g / (g + h)$, and

$$\sum_{t=0}^{T} \gamma^t \bigl(r_t + \gamma \Phi(s_{t+1}) - \Phi(s_t)\bigr)
= \sum_{t=0}^{T} \gamma^t r_t + \gamma^{T+1} \Phi(s_{T+1}) - \Phi(s_0)$$

:::{dropdown} What do you expect?
It falls.
:::

:::{admonition} Solution
:class: dropdown
It fell.
:::

| a wide table | true_energy | proxy_score | food_share | survival_time |
|---|---|---|---|---|
| ground_truth_with_a_long_name | 1234 | 123 | 153.25 | 0.51 |

```python
a_long_line_of_code = "which_must_not_push_the_page_to_the_side" + "but_scroll_in_its_own_box"
```

Says {cite:t}`goodhart1975problems`.
Of [another page](widgets.ipynb), and [another site](https://example.org/).

```{bibliography}
```
"""

# It counts its own clicks: what a widget that needs no kernel can do on a page.
COUNTER = """
export default { render({ model, el }) {
  const button = document.createElement("button");
  button.className = "counter";
  const draw = () => { button.textContent = `count ${model.get("value")}`; };
  button.onclick = () => { model.set("value", model.get("value") + 1); draw(); };
  draw();
  el.append(button);
} };
"""


def _model(module: str, version: str, name: str, state: dict[str, Any]) -> dict[str, Any]:
    named = {"_model_module": module, "_model_module_version": version, "_model_name": name}
    return {
        "model_module": module, "model_module_version": version, "model_name": name,
        "state": named | state,
    }  # fmt: skip


def _cell(source: str, *data: dict[str, Any], tags: tuple[str, ...] = ()) -> dict[str, Any]:
    outputs = [{"output_type": "display_data", "data": d, "metadata": {}} for d in data]
    return {
        "cell_type": "code", "id": f"cell-{abs(hash(source)) % 10**6}", "execution_count": 1,
        "metadata": {"tags": list(tags)}, "source": source, "outputs": outputs,
    }  # fmt: skip


def notebook() -> dict[str, Any]:
    """A notebook with live widgets, and with a panel of which only a recording was stored."""
    controls, base = "@jupyter-widgets/controls", "@jupyter-widgets/base"
    layout = _model(base, "2.0.0", "LayoutModel", {})
    style = _model(controls, "2.0.0", "SliderStyleModel", {"description_width": ""})
    slider = {"value": 42, "layout": "IPY_MODEL_layout", "style": "IPY_MODEL_style",
              "_view_module": controls, "_view_module_version": "2.0.0",
              "_view_name": "IntSliderView"}  # fmt: skip
    counter = {"value": 7, "_esm": COUNTER, "_anywidget_id": "counter",
               "layout": "IPY_MODEL_layout", "_view_module": "anywidget",
               "_view_module_version": "~0.11.*", "_view_name": "AnyView"}  # fmt: skip
    models = {
        "layout": layout,
        "style": style,
        "slider": _model(controls, "2.0.0", "IntSliderModel", slider),
        "counter": _model("anywidget", "~0.11.*", "AnyModel", counter),
    }
    view = {"version_major": 2, "version_minor": 0}
    wide = "".join(f"<td>column_number_{i}</td>" for i in range(12))
    recorded = {"text/html": "<p id='recording'>a recording</p>", "text/plain": "Panel()"}
    text = {"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# Widgets"}
    cells = [
        text,
        _cell("slider", {VIEW: {**view, "model_id": "slider"}, "text/plain": "IntSlider()"}),
        _cell("counter", {VIEW: {**view, "model_id": "counter"}, "text/plain": "Counter()"}),
        _cell("panel", {VIEW: {**view, "model_id": "gone"}, **recorded}, tags=("hide-input",)),
        _cell("table", {"text/html": f"<table><tr>{wide}</tr></table>", "text/plain": "table"}),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    state = {STATE: {"version_major": 2, "version_minor": 0, "state": models}}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}, "widgets": state}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def build(folder: Path, **variables: str) -> Path:
    """Build the sample with the real book's configuration; return the folder of its site.

    Args:
        folder: an empty one.
        variables: of the environment, beside those of this process; none names a repository.
    """
    for name in ("_ext", "_static", "_root", "_assets", "_vendor"):
        if (ROOT / "book" / name).is_dir():
            shutil.copytree(ROOT / "book" / name, folder / "book" / name)
    shutil.copy(ROOT / "_config.yml", folder)
    shutil.copy(ROOT / "book" / "references.bib", folder / "book")
    (folder / "goodharts_lib").mkdir()
    (folder / "goodharts_lib" / "__init__.py").write_text('"""A library."""\n', encoding="utf-8")
    (folder / "book" / "index.md").write_text(PAGE, encoding="utf-8")
    (folder / "book" / "widgets.ipynb").write_text(json.dumps(notebook()), encoding="utf-8")
    toc = "format: jb-book\nroot: book/index\nchapters:\n  - file: book/widgets\n"
    (folder / "_toc.yml").write_text(toc, encoding="utf-8")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("BOOK_", "GITHUB_"))}
    command = [
        str(Path(sys.executable).with_name("jupyter-book")),
        "build",
        "-W",
        "-n",
        "--keep-going",
        ".",
    ]
    done = subprocess.run(
        command, cwd=folder, env=clean | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "_build" / "html"
