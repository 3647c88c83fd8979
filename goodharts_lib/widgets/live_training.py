"""`LiveTraining`: start, pause and stop a training run in a notebook, and watch it learn."""

from __future__ import annotations

import html
import traceback
from typing import Any

import ipywidgets

from goodharts_lib.config import Config, load_config
from goodharts_lib.errors import UserError
from goodharts_lib.modes import get_mode
from goodharts_lib.networks.registry import get_network
from goodharts_lib.training.ppo.records import TrainResult
from goodharts_lib.training.ppo.trainer import PPOTrainer
from goodharts_lib.widgets.background import BackgroundRun, Drawing, stop_all
from goodharts_lib.widgets.recording import Frame, as_html, small

NOTE = "Changes apply to the next start."
PROMISE = "<small>When the run has ended, you can step through it here.</small>"


class LiveTraining(ipywidgets.VBox):  # type: ignore[misc]
    """A panel that trains one agent in the background and draws it while it learns.

    Plain ipywidgets and one image: it works in JupyterLab, VS Code and Colab. Saved in a notebook
    it leaves the final picture and a slider that steps through the run. One panel trains at a time:
    a new one, such as that of a cell that is run again, stops the one before.

    Args:
        mode: what the agent sees and is paid.
        network: ``small_cnn`` or ``base_cnn``.
        timesteps: length of a run; by default that of `config`.
        config: everything else; by default the shipped configuration.
        seed: of the runs, until the panel says otherwise.

    Raises:
        UserError: an unknown mode or network, or an impossible value.
    """

    _run: BackgroundRun | None = None

    def __init__(
        self,
        mode: str = "proxy",
        network: str = "small_cnn",
        *,
        timesteps: int | None = None,
        config: Config | None = None,
        seed: int = 0,
    ) -> None:
        named: dict[str, Any] = {"training.mode": mode, "training.network": network}
        if timesteps is not None:
            named["training.timesteps"] = timesteps
        self._base = (config or load_config()).with_overrides(named)
        get_mode(mode)
        self.sliders = _sliders(self._base, seed)
        stop_all()
        self._frames: list[Frame] = []
        self._handles: list[Any] = []  # of the outputs for recordings
        self._drawing = Drawing(self.config())
        self.image = ipywidgets.Image(
            value=self._drawing.picture(), format="png", layout={"max_width": "100%"}
        )
        self.status = ipywidgets.HTML()
        self.start_button = ipywidgets.Button(description="Start", icon="play")
        self.pause_button = ipywidgets.Button(description="Pause", icon="pause")
        self.stop_button = ipywidgets.Button(description="Stop", icon="stop")
        self.start_button.on_click(lambda _: self.start())
        self.pause_button.on_click(lambda _: self._toggle())
        self.stop_button.on_click(lambda _: self._ask_to_stop())
        self._tell()
        buttons = [self.start_button, self.pause_button, self.stop_button, ipywidgets.HTML(NOTE)]
        settings = ipywidgets.Box(list(self.sliders.values()), layout={"flex_flow": "row wrap"})
        super().__init__([ipywidgets.HBox(buttons), settings, self.status, self.image])

    @property
    def running(self) -> bool:
        """Whether a run goes on, paused or not."""
        return self._run is not None and not self._run.over

    @property
    def result(self) -> TrainResult | None:
        """What the last run returned, also if it was stopped; None before its end."""
        return self._run.result if self._run is not None else None

    def config(self) -> Config:
        """Return the configuration of the next run, as the sliders say.

        Raises:
            UserError: an impossible value.
        """
        value = {name: slider.value for name, slider in self.sliders.items()}
        return self._base.with_overrides(
            {
                "training.learning_rate": value["learning_rate"],
                "training.entropy_coef": value["entropy_coef"],
                "training.min_poison": value["poison"][0],
                "training.max_poison": value["poison"][1],
                "items.poison_interestingness": value["poison_interestingness"],
                "items.poison_energy": round(value["poison_energy"], 1),
            }
        )

    def start(self, updates: int | None = None) -> None:
        """Train in the background as the sliders say. Nothing happens while a run goes on.

        A wrong value is told in the panel.

        Args:
            updates: train for so many instead of the configured steps.
        """
        if self.running:
            return
        stop_all()
        self._run, self._frames = None, []
        try:
            config = self.config()
            if updates is not None:
                steps = updates * config.training.steps_per_update
                config = config.with_overrides({"training.timesteps": steps})
            trainer = PPOTrainer(config, self.sliders["seed"].value)
        except UserError as error:
            self._tell(error)
            return
        self._drawing = Drawing(config)
        self._run = BackgroundRun(trainer, self._drawing, self._show, self._ended)
        self._run.start()
        self._tell()

    def pause(self) -> None:
        """Let the run wait before its next update."""
        if self._run is not None and self.running:
            self._run.control.pause()
            self._tell()

    def resume(self) -> None:
        """Let the run go on."""
        if self._run is not None and self.running:
            self._run.control.resume()
            self._tell()

    def stop(self) -> None:
        """End the run after its current update, and wait for that. What it learned is kept."""
        self._ask_to_stop()
        if self._run is not None:
            self._run.join()

    def wait(self) -> TrainResult | None:
        """Wait for the end of the run and return its result. An interrupt stops it.

        Raises:
            Exception: what ended the training, or spoilt its drawing.
        """
        if self._run is None:
            return None
        try:
            self._run.join()
        except KeyboardInterrupt:
            self.stop()
            raise
        if self._run.caught.error is not None:
            raise self._run.caught.error
        return self._run.result

    def run(self, updates: int | None = None) -> LiveTraining:
        """Train to the end and return the panel: for notebooks that are executed as a whole.

        Args:
            updates: train for so many instead of the configured steps.
        """
        self.start(updates)
        self.wait()
        return self

    def close(self) -> None:
        """Stop, and remove the panel from the page."""
        self.stop()
        super().close()

    def _toggle(self) -> None:
        if self._run is not None and self._run.control.paused:
            self.resume()
        else:
            self.pause()

    def _ask_to_stop(self) -> None:
        if self._run is not None and self.running:
            self._run.control.stop()
            self._tell()

    def _show(self, picture: bytes) -> None:
        self.image.value = picture
        self._tell()

    def _ended(self) -> None:
        """Leave the recording wherever the panel is shown; called by the run when it is over."""
        self._tell()
        for handle in self._handles:
            handle.update({"text/html": self._recording()}, raw=True)

    def _tell(self, error: Exception | None = None) -> None:
        """Say how things are, and offer the buttons that fit."""
        history, word = self._drawing.history, "ready"
        if self._run is not None:
            history.status = word = self._run.status
            error = self._run.caught.error
        told = html.escape(history.progress()).replace("\n", " · ")
        self.status.value = told + (_told(error) if error is not None else "")
        self.start_button.disabled = self.running
        self.pause_button.disabled = word not in ("training", "paused")
        self.stop_button.disabled = self.pause_button.disabled
        self.pause_button.description = "Resume" if word == "paused" else "Pause"

    def _recording(self) -> str:
        """Return what a reader without a kernel sees: the run, or how far it is."""
        over = self._run is not None and self._run.over
        if over and not self._frames:
            self._frames = self._drawing.frames()
        now = [Frame(small(self.image.value), self._drawing.describe())]
        return as_html(self._frames or now)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """Return the panel for who has a kernel, and a picture for who has none."""
        if self._run is not None and self._run.over:
            self._run.join()  # two threads must not draw in one figure
        told = {"text/plain": self._drawing.describe(), "text/html": self._recording()}
        return super()._repr_mimebundle_() | told

    def _ipython_display_(self) -> None:
        """Show the panel, and below it the recording as soon as there is one.

        Two outputs, because JupyterLab shows an error instead of a picture when it finds a panel
        without its kernel.
        """
        from IPython.display import display

        bundle = self._repr_mimebundle_()
        recorded = bundle.pop("text/html")
        below = {"text/html": recorded if self._frames else PROMISE}
        named = {"text/plain": f"LiveTraining: {self._base.training.mode}"}
        display(bundle | named, raw=True)  # type: ignore[no-untyped-call]
        self._handles.append(display(below, raw=True, display_id=True))  # type: ignore[no-untyped-call]


def _sliders(config: Config, seed: int) -> dict[str, Any]:
    """Return the settings by name; every position of every slider is a valid value."""
    train, items = config.training, config.items
    room = config.world.width * config.world.height - train.max_food - 2
    most = max(train.max_poison, min(room, 400))
    rate = train.learning_rate
    if isinstance(rate, str):
        rate = get_network(train.network).learning_rate

    def slider(low: float, high: float, value: float, step: float, label: str) -> Any:
        return ipywidgets.FloatSlider(
            value=value, min=min(low, value), max=max(high, value), step=step, description=label,
            continuous_update=False, **wide,
        )  # fmt: skip

    wide = {"style": {"description_width": "150px"}, "layout": {"width": "430px"}}
    return {
        "learning_rate": ipywidgets.FloatLogSlider(
            value=rate, min=-6, max=-1, step=0.1, description="Learning rate",
            readout_format=".1e", continuous_update=False, **wide,
        ),
        "entropy_coef": slider(0.0, 0.2, train.entropy_coef, 0.005, "Entropy bonus"),
        "poison_interestingness": slider(
            0.0, 1.5, items.poison_interestingness, 0.05, "Poison: interest"
        ),
        "poison_energy": slider(-100.0, 0.0, items.poison_energy, 0.5, "Poison: energy"),
        "poison": ipywidgets.IntRangeSlider(
            value=(train.min_poison, train.max_poison), min=0, max=most,
            description="Poison: per world", continuous_update=False, **wide,
        ),
        "seed": ipywidgets.BoundedIntText(
            value=seed, min=0, max=2**31 - 1, description="Training seed", **wide
        ),
    }  # fmt: skip


def _told(error: Exception) -> str:
    """Return an error as one sentence, with its traceback folded away if it is not the user's."""
    told = f"<br><b>Error:</b> {html.escape(str(error) or type(error).__name__)}"
    if isinstance(error, UserError):
        return told
    lines = html.escape("".join(traceback.format_exception(error)))
    return f"{told}<details><summary>Traceback</summary><pre>{lines}</pre></details>"
