"""The notebook's panel: its buttons and sliders, its background run, and what it leaves behind."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from training.tiny import environment, tiny

from goodharts_lib.colors import FOOD_COLOR, MODE_COLORS
from goodharts_lib.config import Config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.errors import UserError
from goodharts_lib.training.ppo.rollout import Rollout
from goodharts_lib.training.ppo.trainer import PPOTrainer, train
from goodharts_lib.widgets import background
from goodharts_lib.widgets.background import BackgroundRun, stop_all
from goodharts_lib.widgets.live_training import LiveTraining
from goodharts_lib.widgets.recording import FRAMES, Frame, as_html, picked, small

LONG = 100_000  # updates: never reached


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """No test may leave a thread that is not there at its beginning."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take most of the time: only tests that look at them get them."""
    if not {"recorded", "pictures"} & set(request.fixturenames):
        monkeypatch.setattr(background, "as_png", lambda *_: pixel())


@pytest.fixture
def pictures() -> None:
    """Asks for real pictures."""


def pixel() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, format="PNG")
    return buffer.getvalue()


def panel(mode: str = "proxy", **overrides: Any) -> LiveTraining:
    return LiveTraining(mode, config=tiny(overrides))


def until(seen: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def updates(live: LiveTraining) -> int:
    return len(live._drawing.history.records)


def offered(live: LiveTraining) -> list[str]:
    """The buttons that can be clicked."""
    buttons = (live.start_button, live.pause_button, live.stop_button)
    return [button.description for button in buttons if not button.disabled]


# --- A run ------------------------------------------------------------------


def test_the_panel_trains_what_the_library_trains() -> None:
    live = LiveTraining("proxy_jammed", config=tiny(), seed=5).run()
    assert live.result is not None
    alone = train(tiny({"training.mode": "proxy_jammed"}), 5)
    for one, other in zip(
        live.result.policy.model.parameters(), alone.policy.model.parameters(), strict=True
    ):
        assert torch.equal(one, other)
    assert live.result.finished
    assert live.status.value.startswith("finished · update 4/4 · 256 steps · ")
    assert offered(live) == ["Start"]


@pytest.mark.usefixtures("pictures")
def test_the_last_update_is_always_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background.Pace, "__call__", lambda *_: None)  # no drawing on the way
    live = panel()
    before = live.image.value
    live.run()
    assert live.image.value == live._drawing.picture() != before
    assert len(live._drawing._dashboard._lines["entropy", "proxy"].get_xdata()) == 4


def test_pause_waits_with_the_latest_update_and_resume_goes_on() -> None:
    live = panel()
    assert offered(live) == ["Start"]
    live.start(LONG)
    assert live.running
    until(lambda: updates(live) >= 1)
    assert offered(live) == ["Pause", "Stop"]
    live.pause_button.click()
    assert offered(live) == ["Resume", "Stop"]
    assert live.status.value.startswith("paused")
    until(lambda: live._run is not None and live._run.control.held)
    shown = updates(live)
    time.sleep(0.2)
    assert updates(live) == shown
    assert len(live._drawing._dashboard._lines["entropy", "proxy"].get_xdata()) == shown
    live.pause_button.click()
    until(lambda: updates(live) > shown)
    assert live.status.value.startswith("training")
    live.stop()


@pytest.mark.parametrize("paused", [False, True], ids=["running", "paused"])
def test_stop_ends_after_the_current_update_and_keeps_a_usable_policy(paused: bool) -> None:
    live = panel()
    live.start(LONG)
    until(lambda: updates(live) >= 1)
    if paused:
        live.pause()
    live.stop_button.click()
    assert live.wait() is live.result
    assert live.result is not None
    assert not live.result.finished
    assert len(live.result.history) == updates(live) < LONG
    views = torch.zeros(3, 5, 5, dtype=torch.uint8)
    assert live.result.policy.act(views, torch.Generator()).shape == (3,)
    assert live.status.value.startswith("stopped")
    assert offered(live) == ["Start"]


def test_a_stop_in_the_middle_of_an_update_waits_for_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entered, go_on = threading.Event(), threading.Event()
    update = PPOTrainer.update

    def slow(self: PPOTrainer, rollout: Rollout) -> Any:
        entered.set()
        assert go_on.wait(60)
        return update(self, rollout)

    monkeypatch.setattr(PPOTrainer, "update", slow)
    live = panel()
    live.start(LONG)
    assert entered.wait(60)
    live.stop_button.click()
    assert live.running
    assert (offered(live), live.result) == ([], None)
    assert live.status.value.startswith("stopping")
    go_on.set()
    live.wait()
    assert updates(live) == 1
    assert live.result is not None


def test_start_stop_start_trains_anew() -> None:
    live = panel()
    live.start(LONG)
    live.start(1)  # nothing: a run goes on
    live.stop()
    first = live.result
    assert first is not None
    assert live.run(2).result is not first
    assert updates(live) == 2
    assert live.result is not None
    assert live.result.history[0].update == 1


def test_a_new_panel_stops_the_one_before() -> None:
    # A cell that is run again binds its name to a new panel; nobody can stop the old one then.
    old = panel()
    old.start(LONG)
    new = panel("ground_truth")
    assert (old.running, old.status.value.split(" ")[0]) == (False, "stopped")
    old.start(LONG)
    new.start(1)
    assert not old.running
    new.wait()


def test_close_stops() -> None:
    live = panel()
    live.start(LONG)
    live.close()
    assert not [thread for thread in threading.enumerate() if isinstance(thread, BackgroundRun)]


def test_an_interrupt_while_waiting_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    live = panel()
    live.start(LONG)
    join = BackgroundRun.join
    interrupts = iter([KeyboardInterrupt()])

    def interrupted(self: BackgroundRun, timeout: float | None = None) -> None:
        for error in interrupts:
            raise error
        join(self, timeout)

    monkeypatch.setattr(BackgroundRun, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        live.wait()
    assert not live.running


LEAVING = """
import sys
sys.path.insert(0, TESTS)
from training.tiny import tiny
from goodharts_lib.widgets.live_training import LiveTraining
live = LiveTraining("proxy", config=tiny())
live.start(10**6)
print("left")
"""


@pytest.mark.slow
def test_the_interpreter_does_not_wait_for_the_end_of_the_training() -> None:
    code = LEAVING.replace("TESTS", repr(str(next(p for p in sys.path if p.endswith("tests")))))
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True,
        timeout=100, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "left\n", "")


def test_the_thread_is_no_daemon() -> None:
    live = panel()
    live.start(LONG)
    threads = [t for t in threading.enumerate() if isinstance(t, BackgroundRun)]
    assert [thread.daemon for thread in threads] == [False]
    stop_all()


# --- Errors -----------------------------------------------------------------


def test_an_error_in_training_is_shown_in_the_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(*_: Any) -> Any:
        raise RuntimeError("no more <memory>")

    monkeypatch.setattr(PPOTrainer, "update", break_off)
    live = panel()
    live.start()
    with pytest.raises(RuntimeError, match="no more <memory>"):
        live.wait()
    assert live.status.value.startswith("failed<br><b>Error:</b> no more &lt;memory&gt;")
    assert re.search(r"<details><summary>Traceback</summary><pre>.*break_off.*</pre></details>$",
                     live.status.value, re.DOTALL)  # fmt: skip
    assert (live.result, offered(live)) == (None, ["Start"])
    monkeypatch.undo()
    assert live.run(1).result is not None
    assert "Error" not in live.status.value


def test_an_error_in_drawing_does_not_end_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    live = panel()
    live.start(LONG)
    live.stop()
    drawing = background.Drawing

    class Broken(drawing):  # type: ignore[misc, valid-type]
        def picture(self) -> bytes:
            raise RuntimeError("no paint")

    monkeypatch.setattr("goodharts_lib.widgets.live_training.Drawing", Broken)
    live.start()
    with pytest.raises(RuntimeError, match="no paint"):
        live.wait()
    assert live.result is not None
    assert live.result.finished
    assert updates(live) == 4


def test_a_wrong_value_is_one_sentence_in_the_panel() -> None:
    live = panel()
    live._base = tiny({"training.mode": "proxy", "runtime.device": "cuda:77"})
    live.start_button.click()
    assert not live.running
    assert "<b>Error:</b> device &#x27;cuda:77&#x27; was asked for" in live.status.value
    assert "Traceback" not in live.status.value
    assert offered(live) == ["Start"]


@pytest.mark.parametrize("wrong", [{"mode": "prox"}, {"network": "huge"}, {"timesteps": 0}])
def test_wrong_arguments_are_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        LiveTraining(**wrong)


# --- Sliders ----------------------------------------------------------------

KEYS = {
    "learning_rate": ("training", "learning_rate"),
    "entropy_coef": ("training", "entropy_coef"),
    "poison_interestingness": ("items", "poison_interestingness"),
    "poison_energy": ("items", "poison_energy"),
}


def value_of(config: Config, name: str) -> Any:
    section, key = KEYS[name]
    return getattr(getattr(config, section), key)


def test_both_ends_of_every_slider_are_valid_and_reach_the_run() -> None:
    live = panel()
    assert set(live.sliders) == {*KEYS, "poison", "seed"}
    untouched = {name: value_of(live.config(), name) for name in KEYS}
    for name in KEYS:
        slider = live.sliders[name]
        kept = slider.value
        for end in (slider.min, slider.max):
            slider.value = 10**end if name == "learning_rate" else end
            live.run(1)
            assert live.result is not None
            expected = untouched | {name: slider.value}
            found = {key: value_of(live.result.config, key) for key in KEYS}
            assert found == pytest.approx(expected), (name, end)
        slider.value = kept


def test_both_ends_of_the_poison_are_valid_and_reach_the_run() -> None:
    live = panel()
    slider = live.sliders["poison"]
    assert slider.max == 122  # 144 cells, 20 food, the agent, and one more
    for end in (slider.min, slider.max):
        slider.value = (end, end)
        live.run(1)
        assert live.result is not None
        trained = live.result.config.training
        assert (trained.min_poison, trained.max_poison) == (end, end)


def test_a_change_applies_to_the_next_start() -> None:
    live = panel()
    live.start(LONG)
    live.sliders["poison_energy"].value = -1.0
    live.sliders["seed"].value = 7
    live.stop()
    assert live.result is not None
    assert (live.result.config.items.poison_energy, live.result.seed) == (-30.0, 0)
    live.run(1)
    assert (live.result.config.items.poison_energy, live.result.seed) == (-1.0, 7)


def test_untouched_sliders_change_nothing() -> None:
    config = tiny({"items.poison_interestingness": -3.0, "items.poison_energy": 7.7,
                   "training.learning_rate": 0.002, "training.mode": "proxy"})  # fmt: skip
    assert LiveTraining("proxy", config=config).config() == config


# --- What it leaves ---------------------------------------------------------


class Page(HTMLParser):
    """The elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))

    def only(self, tag: str) -> dict[str, Any]:
        (found,) = [attributes for name, attributes in self.elements if name == tag]
        return found


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    """What a long run leaves in a notebook."""
    return panel().run(24)._repr_mimebundle_()


def test_a_reader_without_a_kernel_sees_the_whole_run(recorded: dict[str, Any]) -> None:
    assert set(recorded) == {
        "application/vnd.jupyter.widget-view+json", "text/html", "text/plain"
    }  # fmt: skip
    page = Page(recorded["text/html"])
    image, slider = page.only("img"), page.only("input")
    frames = json.loads(slider["data-frames"])
    assert len(frames) == FRAMES
    assert (slider["type"], slider["min"], slider["max"], slider["value"]) == (
        "range", "0", str(FRAMES - 1), str(FRAMES - 1)
    )  # fmt: skip
    assert image["src"] == f"data:image/png;base64,{frames[-1][0]}"
    assert image["alt"] == frames[-1][1] == recorded["text/plain"]
    assert recorded["text/html"].endswith(f"{html.escape(frames[-1][1])}</p></div>")
    for number, (_, told) in zip(picked(24), frames, strict=True):
        assert f"after {64 * number:,} steps" in told
    assert len({picture for picture, _ in frames}) == FRAMES
    for picture, _ in frames:
        assert Image.open(io.BytesIO(base64.b64decode(picture))).size == (920, 600)


def test_the_recording_is_below_one_megabyte_and_asks_nobody(recorded: dict[str, Any]) -> None:
    assert len(json.dumps(recorded)) < 1_000_000
    page = Page(recorded["text/html"])
    for tag, attributes in page.elements:
        assert tag in ("div", "img", "label", "input", "p")
        for name in ("src", "href", "style", "oninput", "onload"):
            assert "//" not in (attributes.get(name) or "").replace("data:image/png;base64,", "") \
                or name == "src"  # fmt: skip
        assert (attributes.get("src") or "data:").startswith("data:")


def test_few_updates_give_few_pictures_and_one_needs_no_slider() -> None:
    assert [picked(n) for n in (0, 1, 3)] == [[], [1], [1, 2, 3]]
    assert picked(1000)[-1] == 1000
    assert len(set(picked(1000))) == FRAMES
    told = as_html([Frame("AAAA", 'a "picture" <b>')])
    assert "<input" not in told
    assert Page(told).only("img")["alt"] == 'a "picture" <b>'


@pytest.mark.usefixtures("pictures")
def test_food_keeps_its_colour_among_few_colours() -> None:
    # A palette by area alone turned the green discs grey.
    drawing = background.Drawing(tiny({"training.mode": "proxy_sighted"}))
    drawing.history.records = train(tiny({"training.mode": "proxy_sighted"}), 0).history
    view = np.zeros((11, 11), np.uint8)
    view[1, 1] = Cell.FOOD
    drawing.history.views[4] = view
    whole = drawing.picture()
    few = base64.b64decode(small(whole))
    assert len(few) < len(whole) / 2
    green, pink = (np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)])
                     for c in (FOOD_COLOR, MODE_COLORS["proxy_sighted"]))  # fmt: skip
    for color in (green, pink):
        counts = []
        for picture in (whole, few):
            pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)
            counts.append(int((np.abs(pixels - color).max(-1) < 30).sum()))
        assert counts[1] > 0.9 * counts[0] > 100


def test_the_outputs_of_a_cell_end_with_the_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    class Handle:
        shown: dict[str, Any]

        def update(self, bundle: dict[str, Any], *, raw: bool) -> None:
            assert raw
            self.shown = bundle

    outputs: list[dict[str, Any]] = []
    handle = Handle()

    def display(bundle: dict[str, Any], *, raw: bool, display_id: bool = False) -> Any:
        assert raw
        outputs.append(bundle)
        return handle if display_id else None

    monkeypatch.setattr("IPython.display.display", display)
    live = panel()
    live._ipython_display_()
    assert "application/vnd.jupyter.widget-view+json" in outputs[0]
    assert "text/html" not in outputs[0]  # JupyterLab would hide it behind the panel
    assert list(outputs[1]) == ["text/html"]
    assert "<img" not in outputs[1]["text/html"]
    live.run()
    assert len(json.loads(Page(handle.shown["text/html"]).only("input")["data-frames"])) == 4
    live._ipython_display_()
    assert outputs[3] == handle.shown
