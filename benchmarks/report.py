"""How measured numbers are told: to people in lines, to programs as plain values."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from goodharts_lib import runtime


@dataclass(frozen=True)
class Target:
    """What a number should reach."""

    limit: float
    at_least: bool

    def reached(self, value: float) -> bool:
        """Whether a number is on the right side."""
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True)
class Line:
    """One measured number."""

    name: str
    value: float
    unit: str = ""
    target: Target | None = None

    def __str__(self) -> str:
        """For people."""
        text = f"  {self.name:<52}{_written(self.value, self.unit):>22}"
        if self.target is None:
            return text
        bound = "at least" if self.target.at_least else "at most"
        verdict = "reached" if self.target.reached(self.value) else "NOT reached"
        return f"{text}   target {bound} {_written(self.target.limit, self.unit)}: {verdict}"

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        reached = self.target.reached(self.value) if self.target else None
        return dataclasses.asdict(self) | {"reached": reached}


def _written(value: float, unit: str) -> str:
    if unit == "%":
        return f"{100 * value:.1f} %"
    digits = 0 if value >= 1000 else 2 if value < 100 else 1
    return f"{value:,.{digits}f} {unit}".strip()


Section = tuple[str, list[Line]]


def machine(placement: runtime.Placement) -> dict[str, Any]:
    """Return what the numbers depend on, and nothing that names the machine."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    facts: dict[str, Any] = {
        "cpu": model,
        "cores": os.cpu_count(),
        "threads": placement.threads,
        "precision": placement.precision,
        "memory_format": placement.memory_format,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
    }
    if hasattr(os, "getloadavg"):
        facts["load_before"] = round(os.getloadavg()[0], 1)
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts
