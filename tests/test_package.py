"""The package: cheap to import, quiet, and with the names it promises."""

from __future__ import annotations

import ast
import graphlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from training.tiny import ROOT, environment

import goodharts_lib

PACKAGE = ROOT / "goodharts_lib"

HEAVY = ("torch", "numpy", "scipy", "matplotlib", "safetensors", "PIL")

EXPORTS = {
    "Config": "config",
    "load_config": "config",
    "MODES": "modes",
    "VecEnv": "environments.vec_env",
    "train": "training.ppo.trainer",
    "evaluate": "evaluation",
    "load_policy": "training.ppo.checkpoint",
    "load_pretrained": "pretrained",
    "load_results": "experiments.catalog",
}


def python(code: str, folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *flags, "-c", code],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def modules() -> list[str]:
    """Every module of the library that needs no optional extra."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


def imported(source: str, known: set[str]) -> Iterator[str]:
    """The known modules that a source imports, wherever in it: also inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from known.intersection(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                yield from known & {f"{node.module}.{name.name}"} or known & {str(node.module)}


def test_modules_import_one_another_in_no_circle() -> None:
    late = "def f():\n    from a import b\nimport c\nfrom a.b import g"
    assert set(imported(late, {"a", "a.b", "c"})) == {"a.b", "c"}
    known = set(modules())
    needs = {
        name: set(imported(source_of(name).read_text(encoding="utf-8"), known)) - {name}
        for name in known
    }
    assert "goodharts_lib.files" in needs["goodharts_lib.experiments.results"]
    assert len(list(graphlib.TopologicalSorter(needs).static_order())) == len(known)


def source_of(name: str) -> Path:
    path = ROOT.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_importing_the_package_loads_no_torch_and_takes_no_time(tmp_path: Path) -> None:
    code = (
        "import json, sys, time; start = time.process_time(); import goodharts_lib; "
        "took = time.process_time() - start; goodharts_lib.__version__; dir(goodharts_lib); "
        "print(json.dumps([took, sorted(sys.modules)]))"
    )
    ended = python(code, tmp_path)
    assert ended.returncode == 0, ended.stderr
    took, loaded = json.loads(ended.stdout)
    assert took < 1.0
    assert [name for name in loaded if name.split(".")[0] in HEAVY] == []


def test_the_configuration_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys, goodharts_lib; goodharts_lib.load_config(); "
        "print([n for n in sys.modules if n.split('.')[0] in "
        f"{HEAVY!r}])"
    )
    assert python(code, tmp_path).stdout == "[]\n"


def test_every_promised_name_is_there() -> None:
    assert set(EXPORTS) <= set(goodharts_lib.__all__)
    assert sorted(dir(goodharts_lib)) == sorted(goodharts_lib.__all__)
    for name in goodharts_lib.__all__:
        assert getattr(goodharts_lib, name) is not None


@pytest.mark.parametrize(("name", "home"), EXPORTS.items(), ids=EXPORTS)
def test_a_name_is_that_of_its_module(name: str, home: str) -> None:
    module = __import__(f"goodharts_lib.{home}", fromlist=[name])
    assert getattr(goodharts_lib, name) is getattr(module, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'goodharts_lib' has no attribute 'brain'"):
        goodharts_lib.brain  # noqa: B018
    assert not hasattr(goodharts_lib, "brain")


EVERY_MODULE = """
import importlib, os
before = dict(os.environ)
for name in NAMES:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        assert (error.name or "").split(".")[0] in EXTRAS, error
changed = [name for name in os.environ if os.environ[name] != before.get(name)]
assert not [n for n in changed if n.startswith(("GOODHARTS", "HSA", "CUBLAS", "TORCH"))], changed
"""

EXTRAS = (
    "gymnasium", "captum", "ipywidgets", "IPython", "dask", "distributed", "joblib", "tornado",
    "stable_baselines3",
)  # fmt: skip


def test_every_module_imports_quietly_and_writes_nothing(tmp_path: Path) -> None:
    # Work at import: caches made, environment variables set, messages printed.
    assert len(modules()) > 25
    code = f"NAMES = {modules()!r}\nEXTRAS = {EXTRAS!r}\n{EVERY_MODULE}"
    ended = python(code, tmp_path, "-W", "error", "-B")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ""
    assert ended.stderr == ""
    assert list(tmp_path.iterdir()) == []


UNTOUCHED = """
import random, signal, torch
def process():
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    numbers = torch.random.get_rng_state().tolist(), random.getstate()
    return handlers, numbers, torch.get_num_threads()
before = process()
import goodharts_lib.training.train_ppo, goodharts_lib.evaluation
import goodharts_lib.training.verification.__main__
assert process() == before
"""


def test_importing_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    ended = python(UNTOUCHED, tmp_path)
    assert ended.returncode == 0, ended.stderr
