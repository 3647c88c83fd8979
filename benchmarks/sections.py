"""The sections of the benchmark. What is compared is measured in turns, as machines drift."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

import torch

from benchmarks import peer
from benchmarks.measure import (
    PRODUCTS,
    MatrixProducts,
    Training,
    World,
    forward_flop,
    forwards_per_step,
    make_config,
    stored_bytes,
)
from benchmarks.report import Line, Section, Target


@dataclass(frozen=True)
class Settings:
    """How much is measured. The targets are for the defaults."""

    worlds: int = 64
    steps: int = 128
    rounds: int = 5
    growth: tuple[int, ...] = (16, 64, 256, 1024)
    growth_rounds: int = 2
    products: tuple[tuple[int, int, int], ...] = PRODUCTS
    product_seconds: float = 0.25
    gpu_worlds: int = 4096
    threads: int = dataclasses.field(default_factory=torch.get_num_threads)  # all there are


class Base:
    """`base_cnn`: matrix products, our updates and the peer's, in turns."""

    def __init__(self, settings: Settings) -> None:
        sizes = settings.worlds, settings.steps
        config = make_config("base_cnn", *sizes, threads=settings.threads)
        self.training = Training(config)
        placement = self.training.trainer.placement
        self.products = MatrixProducts(placement, settings.products, settings.product_seconds)
        self.peer = peer.Peer(config) if peer.available() else None
        self.peer_seconds: list[float] = []
        if self.peer is not None:
            self.peer.update()  # warm-up
        start = time.monotonic()
        for done in range(1, settings.rounds + 1):
            self._round()
            left = (time.monotonic() - start) / done * (settings.rounds - done)
            print(f"base_cnn: round {done} of {settings.rounds}, {left:.0f} s left", flush=True)
        if self.peer is not None:
            self.peer.close()

    def _round(self) -> None:
        self.products.measure()
        self.training.update()
        self.training.update()
        if self.peer is not None:
            self.peer_seconds.append(self.peer.update())

    def beside_peer(self) -> Section:
        """Section (a)."""
        title = "(a) Training base_cnn, beside stable-baselines3 with the same net and settings"
        ours = self.training.rate
        lines = [Line("this library", ours, "steps/s")]
        if self.peer is None:
            print("stable-baselines3 is not installed, so section (a) compares with nothing: "
                  "pip install 'goodharts-lib[bench]'.")  # fmt: skip
            return title, lines
        theirs = self.training.trainer.steps_per_update / median(self.peer_seconds)
        threads, parameters = self.peer.facts["threads"], self.peer.facts["parameters"]
        lines += [
            Line(f"stable-baselines3 (float32, threads: {threads})", theirs, "steps/s"),
            Line("times as fast", ours / theirs, "", Target(2.8, at_least=True)),
            Line("parameters of our network", _size(self.training), "numbers"),
            Line("parameters of the peer's network", parameters, "numbers"),
        ]
        return title, lines

    def beside_hardware(self) -> Section:
        """Section (b)."""
        training = self.training
        rate, shape = self.products.best
        forward = forward_flop(training.trainer.model)
        learn, whole = forwards_per_step(training.trainer.config.training.k_epochs)
        steps = training.trainer.steps_per_update
        in_update = steps * learn * forward / training.section("PPO Update")
        name = f"best matrix product ({'x'.join(map(str, shape))}, {_precision(training)})"
        return "(b) The share of the machine's best matrix product that training reaches", [
            Line(name, rate / 1e9, "GFLOP/s"),
            Line(f"a step of training, {whole} forward passes", whole * forward / 1e9, "GFLOP"),
            Line("training", training.rate * whole * forward / 1e9, "GFLOP/s"),
            Line(
                "share that training reaches",
                training.rate * whole * forward / rate,
                "%",
                Target(0.68, at_least=True),
            ),
            Line("share inside the update alone", in_update / rate, "%"),
        ]


class Small:
    """`small_cnn` with one thread and with all, and the world alone, in turns."""

    def __init__(self, worlds: int, settings: Settings, rounds: int) -> None:
        sizes = worlds, settings.steps
        self.one = Training(make_config("small_cnn", *sizes, threads=1))
        self.all = Training(make_config("small_cnn", *sizes, threads=settings.threads))
        self.world = World(self.all.trainer.config)
        self.world.measure()
        self.world.seconds.clear()  # that was the warm-up
        for _ in range(rounds):
            self.one.update()
            self.all.update()
            self.world.measure()

    def speed(self) -> Section:
        """Section (c)."""
        threads = self.all.trainer.placement.threads
        return "(c) Training small_cnn", [
            Line("1 thread", self.one.rate, "steps/s"),
            Line(f"all threads ({threads})", self.all.rate, "steps/s"),
        ]

    def world_alone(self, base: Base) -> Section:
        """Section (d)."""
        return f"(d) The world alone, {self.world.n_envs} worlds, random actions", [
            Line("the world", self.world.rate, "steps/s"),
            Line(
                "its share of training base_cnn",
                base.training.share("Env Step"),
                "%",
                Target(0.02, at_least=False),
            ),
            Line(
                "its share of training small_cnn",
                self.all.share("Env Step"),
                "%",
                Target(0.05, at_least=False),
            ),
            *_shares("of base_cnn's training", base.training),
            *_shares("of small_cnn's training", self.all),
        ]


def growth(settings: Settings) -> Section:
    """Section (e)."""
    lines = []
    last = None
    for worlds in settings.growth:
        small = last = Small(worlds, settings, settings.growth_rounds)
        lines += [
            Line(f"{worlds:,} worlds: small_cnn, 1 thread", small.one.rate, "steps/s"),
            Line(f"{worlds:,} worlds: small_cnn, all threads", small.all.rate, "steps/s"),
            Line(f"{worlds:,} worlds: the world alone", small.world.rate, "steps/s"),
            Line(f"{worlds:,} worlds: its share of training", small.all.share("Env Step"), "%"),
        ]
    if last is not None:
        parts = stored_bytes(last.all.trainer.collect())
        few, view = Target(200, at_least=False), Target(121, at_least=False)
        lines += [
            Line("a stored step", sum(parts.values()), "bytes", few),
            Line("of which the view", parts["views"], "bytes", view),
        ]
    return "(e) What more worlds change (minibatches of about 1,024), and memory", lines


def on_gpu(settings: Settings, device: str = "cuda") -> Section:
    """Return the section for a CUDA device."""
    lines = []
    for minibatch in (1024, 16_384):
        config = make_config(
            "base_cnn", settings.gpu_worlds, settings.steps, device=device, minibatch=minibatch
        )
        free, watched = Training(config), Training(config, synchronise=True)
        products = MatrixProducts(
            free.trainer.placement, settings.products, settings.product_seconds
        )
        for _ in range(settings.growth_rounds):
            products.measure()
            free.update()
            watched.update()
        flop = forwards_per_step(config.training.k_epochs)[1] * forward_flop(free.trainer.model)
        what = f"minibatches of {minibatch:,}"
        lines += [
            Line(what, free.rate, "steps/s"),
            Line(f"{what}: share of the best product", free.rate * flop / products.best[0], "%"),
            *_shares(what, watched),
        ]
    return f"(f) base_cnn on {device}, {settings.gpu_worlds:,} worlds, and what bounds it", lines


def _shares(what: str, training: Training) -> list[Line]:
    """Return where an update's time goes, by section, and what the sections leave."""
    names = ("Inference", "Env Step", "GAE Calc", "PPO Update")
    parts = {name: training.share(name) for name in names}
    parts["everything else"] = max(0.0, 1 - sum(parts.values()))
    return [Line(f"{what}: {name}", part, "%") for name, part in parts.items()]


def _size(training: Training) -> int:
    return sum(p.numel() for p in training.trainer.parameters)


def _precision(training: Training) -> str:
    return training.trainer.placement.precision


def sections(settings: Settings) -> Iterator[Section]:
    """Measure section by section."""
    print("Measuring base_cnn, its peer and matrix products in turns.", flush=True)
    base = Base(settings)
    yield base.beside_peer()
    yield base.beside_hardware()
    print("\nMeasuring small_cnn and the world in turns.", flush=True)
    small = Small(settings.worlds, settings, 2 * settings.rounds)
    yield small.speed()
    yield small.world_alone(base)
    print(f"\nMeasuring the same with {settings.growth} worlds.", flush=True)
    yield growth(settings)
    if torch.cuda.is_available():
        yield on_gpu(settings)
