"""Placement: what the device can do decides, and everything can be overridden."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from training.tiny import tiny

from goodharts_lib import runtime
from goodharts_lib.config import Config, load_config
from goodharts_lib.errors import UserError
from goodharts_lib.runtime import Placement, apply, find_device, make_generators, place

CPU = torch.device("cpu")

AUTOMATIC = {
    "runtime.device": "auto",
    "runtime.precision": "auto",
    "runtime.memory_format": "auto",
    "runtime.threads": 0,
}


@pytest.fixture(autouse=True)
def _threads_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("GOODHARTS_DEVICE", raising=False)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def placed(monkeypatch: pytest.MonkeyPatch, *, fast: bool, **keys: Any) -> Placement:
    """A placement on a machine with or without bfloat16 in hardware."""
    monkeypatch.setattr(runtime, "_has_fast_bfloat16", lambda _: fast)
    overrides = {f"runtime.{key}": value for key, value in keys.items()}
    # 0.5 is exact in bfloat16: only the hardware decides
    exact = {"items.poison_interestingness": 0.5, "runtime.device": "cpu"}
    return place(load_config(overrides=exact | overrides))


# --- What is chosen ---------------------------------------------------------


def test_the_hardware_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    fast, slow = placed(monkeypatch, fast=True), placed(monkeypatch, fast=False)
    assert (fast.precision, fast.memory_format) == ("bfloat16", "channels_last")
    assert (slow.precision, slow.memory_format) == ("float32", "contiguous")
    assert (fast.dtype, fast.torch_memory_format) == (torch.bfloat16, torch.channels_last)
    assert (slow.dtype, slow.torch_memory_format) == (torch.float32, torch.contiguous_format)


@pytest.mark.parametrize(
    ("fast", "precision", "memory_format"),
    list(
        itertools.product([True, False], ["float32", "bfloat16"], ["contiguous", "channels_last"])
    ),
)
def test_what_is_asked_for_is_done(
    monkeypatch: pytest.MonkeyPatch, fast: bool, precision: str, memory_format: str
) -> None:
    found = placed(monkeypatch, fast=fast, precision=precision, memory_format=memory_format)
    assert (found.precision, found.memory_format) == (precision, memory_format)


def test_channels_last_goes_with_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    assert placed(monkeypatch, fast=False, precision="bfloat16").memory_format == "channels_last"
    assert placed(monkeypatch, fast=True, precision="float32").memory_format == "contiguous"


@pytest.mark.parametrize(
    ("mode", "changed", "precision"),
    [
        ("proxy", {}, "bfloat16"),  # 0.9 is rounded to 0.898
        ("proxy", {"items.poison_interestingness": 0.999}, "float32"),
        ("proxy_jammed", {"observation.gap_scale": 0.01}, "float32"),
        ("all", {"observation.gap_scale": 0.01}, "float32"),
        ("ground_truth", {"observation.gap_scale": 0.01}, "bfloat16"),  # it sees types
        ("proxy", {"observation.noise_std": 0.001}, "float32"),
        ("proxy_sighted", {"observation.noise_std": 0.001}, "bfloat16"),
        ("proxy", {"observation.gap_scale": 0.0}, "bfloat16"),  # there is nothing to blur
    ],
)
def test_what_the_network_reads_is_not_rounded_away(
    monkeypatch: pytest.MonkeyPatch, mode: str, changed: dict[str, float], precision: str
) -> None:
    monkeypatch.setattr(runtime, "_has_fast_bfloat16", lambda _: True)
    told = {"training.mode": mode, "runtime.device": "cpu"}
    assert place(load_config(overrides=told | changed)).precision == precision


def test_threads_are_all_there_are_or_those_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert placed(monkeypatch, fast=False).threads == torch.get_num_threads()
    assert placed(monkeypatch, fast=False, threads=3).threads == 3


def test_nothing_is_left_to_choose() -> None:
    config = tiny(AUTOMATIC)
    found = place(config)
    fixed = config.with_overrides(found.overrides())
    assert "auto" not in fixed.to_dict()["runtime"].values()
    assert place(fixed) == found
    assert place(config) == found  # by capability, never by timing


def test_a_placement_is_one_line_for_the_user() -> None:
    one = Placement(CPU, "float32", "contiguous", 1, False)
    two = Placement(CPU, "bfloat16", "channels_last", 2, False)
    assert str(one) == "device cpu, float32, contiguous, 1 thread"
    assert str(two) == "device cpu, bfloat16, channels_last, 2 threads"


# --- Devices ----------------------------------------------------------------


def test_automatic_is_the_gpu_when_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, kind in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert find_device("auto") == torch.device(kind)


def test_a_gpu_is_found_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device("cuda") == torch.device("cuda")
    assert find_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(UserError, match="this machine offers 2 CUDA or ROCm devices"):
        find_device("cuda:2")


@pytest.mark.parametrize("name", ["quantum", "", "cuda:x", "CPU", "cpu cuda"])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"'{name}' is not a device"):
        find_device(name)


@pytest.mark.parametrize("name", ["mps", "meta", "xpu"])
def test_a_device_that_is_not_supported_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"'{name}' is not a supported device"):
        find_device(name)


def test_the_environment_names_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOODHARTS_DEVICE", "cpu:0")
    assert load_config().runtime.device == "cpu:0"
    assert load_config(overrides={"runtime.device": "cpu"}).runtime.device == "cpu"


def test_the_setting_for_amd_cards_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HSA_OVERRIDE_GFX_VERSION", raising=False)
    place(tiny())
    assert "HSA_OVERRIDE_GFX_VERSION" not in os.environ
    monkeypatch.setenv("HSA_OVERRIDE_GFX_VERSION", "")  # so that it is taken back afterwards
    place(tiny({"runtime.hsa_override_gfx_version": "10.3.0"}))
    assert os.environ["HSA_OVERRIDE_GFX_VERSION"] == "10.3.0"


# --- Switches ---------------------------------------------------------------


def test_threads_are_set_for_the_process() -> None:
    for number in (2, 1):
        apply(Placement(CPU, "float32", "contiguous", number, False))
        assert torch.get_num_threads() == number


def test_determinism_is_a_matter_of_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(torch, "use_deterministic_algorithms", asked.append)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "kept")
    apply(Placement(CPU, "float32", "contiguous", 1, True))
    apply(Placement(torch.device("cuda"), "float32", "contiguous", 1, False))
    assert asked == []
    apply(Placement(torch.device("cuda"), "float32", "contiguous", 1, True))
    assert asked == [True]
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == "kept"


# --- Randomness -------------------------------------------------------------


def numbers(seed: int) -> dict[str, list[float]]:
    return {k: torch.rand(4, generator=g).tolist() for k, g in make_generators(seed, CPU).items()}


def test_each_purpose_has_its_own_stream() -> None:
    streams = numbers(0)
    assert list(streams) == ["init", "world", "action", "minibatch"]
    assert len({tuple(values) for values in streams.values()}) == 4


def test_the_seed_decides_every_stream() -> None:
    assert numbers(7) == numbers(7)
    drawn = [tuple(values) for seed in range(50) for values in numbers(seed).values()]
    assert len(set(drawn)) == len(drawn)


def test_large_seeds_are_seeds() -> None:
    assert numbers(2**63 - 1) != numbers(2**63 - 2)


def test_drawing_from_one_stream_leaves_the_others_alone() -> None:
    used = make_generators(3, CPU)
    torch.rand(1000, generator=used["world"])
    fresh = make_generators(3, CPU)
    for name in ("init", "action", "minibatch"):
        one, other = (torch.rand(3, generator=g[name]) for g in (used, fresh))
        assert torch.equal(one, other)


def test_making_streams_draws_nothing() -> None:
    before = torch.random.get_rng_state()
    make_generators(3, CPU)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_config_is_not_changed_by_placing_it() -> None:
    config: Config = tiny(AUTOMATIC)
    table = config.to_dict()
    place(config)
    assert config.to_dict() == table


def test_a_placement_says_what_numbers_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    here = place(load_config(overrides={
        "runtime.device": "cpu", "runtime.precision": "bfloat16", "runtime.threads": 3,
    }))  # fmt: skip
    told = {"device": "cpu", "precision": "bfloat16", "memory_format": "channels_last",
            "threads": 3, "repeatable": True}  # fmt: skip
    assert here.facts() == told
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card {device.index}")
    card = replace(here, device=torch.device("cuda:1"), deterministic=False)
    assert card.facts() == told | {"device": "card 1", "repeatable": False}
    assert replace(card, deterministic=True).facts()["repeatable"]
