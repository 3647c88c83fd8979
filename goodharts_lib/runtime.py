"""Where numbers are computed: device, precision, memory format, threads, generators."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from dataclasses import dataclass

import numpy as np
import torch

import goodharts_lib
from goodharts_lib.config import Config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.errors import UserError
from goodharts_lib.modes import MODES, channel_table

STREAMS = ("init", "world", "action", "minibatch")  # of randomness, one for each use


@dataclass(frozen=True)
class Placement:
    """A resolved `[runtime]`: nothing is left to choose."""

    device: torch.device
    precision: str
    memory_format: str
    threads: int
    deterministic: bool

    @property
    def dtype(self) -> torch.dtype:
        """Type in which the trunk of a network computes."""
        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32

    @property
    def torch_memory_format(self) -> torch.memory_format:
        """Memory format of weights and observations."""
        channels_last = self.memory_format == "channels_last"
        return torch.channels_last if channels_last else torch.contiguous_format

    def overrides(self) -> dict[str, object]:
        """Return the configuration keys that make a resumed run use the same placement."""
        return {
            "runtime.device": str(self.device),
            "runtime.precision": self.precision,
            "runtime.memory_format": self.memory_format,
            "runtime.threads": self.threads,
            "runtime.deterministic": self.deterministic,
        }

    def facts(self) -> dict[str, str | int | bool]:
        """Return what numbers depend on beside `machine`, and whether they come out the same again.

        A GPU is called by its name, since another one adds in another order.
        """
        on_cpu = self.device.type == "cpu"
        return {
            "device": "cpu" if on_cpu else torch.cuda.get_device_name(self.device),
            "precision": self.precision,
            "memory_format": self.memory_format,
            "threads": self.threads,
            "repeatable": on_cpu or self.deterministic,
        }

    def __str__(self) -> str:
        """One line for the user."""
        return (
            f"device {self.device}, {self.precision}, {self.memory_format}, "
            f"{self.threads} thread{'s' * (self.threads != 1)}"
        )


def place(config: Config) -> Placement:
    """Resolve `[runtime]` by what the device can do, never by timing.

    Raises:
        UserError: an unknown device, or one that this machine does not have.
    """
    runtime = config.runtime
    if runtime.hsa_override_gfx_version:  # read by ROCm when the first kernel is launched
        os.environ["HSA_OVERRIDE_GFX_VERSION"] = runtime.hsa_override_gfx_version
    device = find_device(runtime.device)
    precision = runtime.precision
    if precision == "auto":
        coarse = _has_fast_bfloat16(device) and not _blurs_the_gap(config)
        precision = "bfloat16" if coarse else "float32"
    memory_format = runtime.memory_format
    if memory_format == "auto":
        memory_format = "channels_last" if precision == "bfloat16" else "contiguous"
    threads = runtime.threads or torch.get_num_threads()
    return Placement(device, precision, memory_format, threads, runtime.deterministic)


def find_device(name: str) -> torch.device:
    """Return the device called `name`, or for ``auto`` the best there is.

    Raises:
        UserError: an unknown device, or one that this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"'{name}' is not a device: use auto, cpu, cuda or cuda:N.") from error
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"'{name}' is not a supported device: use auto, cpu, cuda or cuda:N.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"device '{name}' was asked for, but this machine offers "
            f"{torch.cuda.device_count()} CUDA or ROCm devices."
        )
    return device


def apply(placement: Placement) -> None:
    """Set the process-wide switches of torch that a placement needs; nobody sets them back."""
    torch.set_num_threads(placement.threads)
    _keep_freed_memory()
    if placement.deterministic and placement.device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)


def _keep_freed_memory() -> None:
    """Tell glibc to keep big freed blocks: up to a tenth of the training time is page faults.

    By default they go back to the kernel and are faulted in again at the next minibatch. Other
    C libraries have no such call and are left alone.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD: the largest value that glibc takes
        mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD


def make_generators(seed: int, device: torch.device) -> dict[str, torch.Generator]:
    """Return independent streams of randomness for one run, by the names in `STREAMS`.

    All but the weights' stream live on `device`. Runs with one seed share their streams whatever
    their mode, so modes are compared on the same worlds.
    """
    words = np.random.SeedSequence(seed).generate_state(len(STREAMS), np.uint64)
    generators = {}
    for name, word in zip(STREAMS, words, strict=True):
        generator = torch.Generator("cpu" if name == "init" else device)
        generators[name] = generator.manual_seed(int(word >> np.uint64(1)))
    return generators


def machine() -> dict[str, str]:
    """Describe what numbers may depend on, beside a placement: processor, torch, library."""
    return {
        "platform": f"{platform.system()} {platform.machine()}",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "library": goodharts_lib.__version__,
    }


def _blurs_the_gap(config: Config) -> bool:
    """Whether bfloat16, with its 8 bits, would blur what tells food from poison.

    It does if it changes the gap that the mode sees by more than a tenth, and if it rounds the
    readings of a noisy sensor. A command that trains all modes asks for whichever needs most.
    """
    name = config.training.mode
    modes = [mode for mode in MODES.values() if name in (mode.name, "all")]
    if config.observation.noise_std > 0 and any(mode.sees == "glow" for mode in modes):
        return True
    for mode in modes:
        exact = torch.tensor(channel_table(mode, config))  # (types, C)
        gap, rounded = (t[Cell.FOOD] - t[Cell.POISON] for t in (exact, exact.bfloat16().float()))
        if ((rounded - gap).abs() > 0.1 * gap.abs()).any():
            return True
    return False


def _has_fast_bfloat16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 run in hardware."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return any(
        getattr(torch.cpu, name, lambda: False)()
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
