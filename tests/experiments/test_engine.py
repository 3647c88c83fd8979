"""Running experiments: nothing is done twice, nothing is lost, and nothing stale is believed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from experiments import fake
from training.tiny import ROOT, environment

from goodharts_lib import runtime
from goodharts_lib.errors import UserError
from goodharts_lib.experiments import catalog, engine, measures, results
from goodharts_lib.experiments.catalog import EXPERIMENTS
from goodharts_lib.experiments.engine import Condition
from goodharts_lib.networks import registry


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the small experiment into the catalog."""
    monkeypatch.setattr(catalog, "EXPERIMENTS", {**EXPERIMENTS, "fake": fake.experiment()})


def run(experiment: engine.Experiment, folder: Path, **options: object) -> dict:
    return engine.run(experiment, folder, jobs=1, tell=lambda _: None, **options)  # type: ignore[arg-type]


@pytest.mark.usefixtures("known")
def test_every_unit_is_done_once_and_stored_with_its_origin(tmp_path: Path) -> None:
    run(fake.experiment(), tmp_path)
    stored = catalog.load_results("fake", tmp_path)
    found = {(u["condition"], u["seed"]): u["metrics"]["sum"] for u in stored["units"]}
    assert found == {("base 10", 1): 11, ("base 10", 2): 12, ("base 20", 1): 21, ("base 20", 2): 22}
    machine = runtime.machine() | {"threads": 1, "repeatable": True}
    assert stored["units"][0]["machine"] == machine
    assert stored["manifest"]["machines"] == [machine]
    commit = engine.commit_of(Path(engine.__file__))
    assert stored["manifest"]["commits"] == ([commit] if commit else [])
    assert "placement" not in stored["units"][0]
    assert stored["manifest"]["checksum"] == results.checksum(stored["units"])
    assert stored["definition"]["conditions"]["base 10"]["settings"] == {"base": 10}
    assert results.values(stored, "base 20", "sum") == [21.0, 22.0]


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    line = ["git", *who, *words]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_a_commit_is_on_record_only_where_it_says_what_ran(tmp_path: Path) -> None:
    ours, other = tmp_path / "ours.py", tmp_path / "installed.py"
    ours.write_text("x = 1\n", encoding="utf-8")
    assert engine.commit_of(ours) is None  # no checkout
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "ours.py")
    git(tmp_path, "commit", "-q", "-m", "one")
    git(tmp_path, "tag", "-a", "v1", "-m", "a name is no commit")
    commit = git(tmp_path, "rev-parse", "HEAD")[:12]
    assert engine.commit_of(ours) == commit
    other.write_text("x = 1\n", encoding="utf-8")
    assert engine.commit_of(other) is None  # of somebody else's checkout
    ours.write_text("x = 2\n", encoding="utf-8")
    assert engine.commit_of(ours) == f"{commit}-dirty"


def test_more_seeds_add_units_and_repeat_none(tmp_path: Path) -> None:
    notes = str(tmp_path / "notes")
    small = fake.experiment(fake.slow, seeds=(1,), notes=notes, seconds=0)
    run(small, tmp_path)
    first = {path.name: path.stat().st_mtime_ns for path in Path(notes).iterdir()}
    run(fake.experiment(fake.slow, seeds=(1, 2), notes=notes, seconds=0), tmp_path)
    second = {path.name: path.stat().st_mtime_ns for path in Path(notes).iterdir()}
    assert set(second) - set(first) == {"10_2", "20_2"}
    assert all(second[name] == first[name] for name in first)


def test_only_what_was_asked_for_is_done(tmp_path: Path) -> None:
    stored = run(fake.experiment(), tmp_path, seeds=[2], conditions=["base 20"])
    assert [(u["condition"], u["seed"]) for u in stored["units"]] == [("base 20", 2)]
    with pytest.raises(UserError, match=r"unknown condition 'base 2' \(nearest valid: base 20\)"):
        run(fake.experiment(), tmp_path, conditions=["base 2"])
    with pytest.raises(UserError, match=r"unknown training seed '5'.*: choose from 1, 2"):
        run(fake.experiment(), tmp_path, seeds=[2, 5])
    lopsided = fake.experiment()
    first, second = lopsided.conditions
    lopsided = replace(lopsided, conditions=(replace(first, seeds=(1,)), second))
    with pytest.raises(UserError, match="'fake' has no unit of these conditions and these seeds"):
        run(lopsided, tmp_path, seeds=[2], conditions=["base 10"])


def test_a_module_that_is_missing_is_named_before_any_work(tmp_path: Path) -> None:
    needy = replace(fake.experiment(), needs=(("no_such_module", "bench"),))
    words = r"'fake' needs no_such_module: pip install 'goodharts-lib\[bench\]'"
    with pytest.raises(UserError, match=words):
        run(needy, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    stored = run(fake.experiment(), tmp_path)
    with pytest.raises(UserError, match=words):
        next(engine.verify(needy, stored, 1, seed=0, scratch=tmp_path))
    assert {module for module, _ in EXPERIMENTS["replication"].needs} >= {"stable_baselines3"}
    assert "captum" in dict(EXPERIMENTS["two_by_two"].needs)


def test_results_of_another_definition_are_neither_mixed_nor_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(fake.experiment(), tmp_path)
    changed = fake.experiment(extra=1)
    with pytest.raises(UserError, match="holds results of another definition"):
        run(changed, tmp_path)
    monkeypatch.setattr(catalog, "EXPERIMENTS", {"fake": changed})
    with pytest.raises(UserError, match="stale: its definition has changed"):
        catalog.load_results("fake", tmp_path)


def test_a_changed_default_makes_results_stale_and_a_changed_question_does_not() -> None:
    experiment = EXPERIMENTS["phase"]
    before = results.hashed(experiment.definition())
    asked = replace(experiment, question="Another one?", primary="x", cut="A half.")
    assert results.hashed(asked.definition()) == before
    condition = experiment.conditions[0]
    overrides = {**condition.settings["overrides"], "training.gamma": 0.98}
    moved = Condition(condition.name, {**condition.settings, "overrides": overrides}, (1,))
    other = replace(experiment, conditions=(moved, *experiment.conditions[1:]))
    assert results.hashed(other.definition()) != before


@pytest.mark.parametrize(
    ("name", "value", "stale"),
    [
        ("EVALUATION_SEED", 5, set(EXPERIMENTS)),
        ("WINDOW", 6, set(EXPERIMENTS) - {"cloning"}),
        ("POISON_SHARE", 0.1, set(EXPERIMENTS) - {"cloning"}),
        ("MEALS", 30.0, set(EXPERIMENTS) - {"cloning"}),
        ("N_VIEWS", 7, set(EXPERIMENTS)),
        ("CASCADE_VIEWS", 7, {"two_by_two"}),
        ("VISITED_WORLDS", 7, {"cloning"}),
    ],
)
def test_a_changed_number_of_the_protocol_makes_stale_what_it_decided(
    name: str, value: float, stale: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hashes() -> dict[str, str]:
        return {key: results.hashed(one.definition()) for key, one in EXPERIMENTS.items()}

    before = hashes()
    monkeypatch.setattr(measures, name, value)
    assert {key for key, found in hashes().items() if found != before[key]} == stale


def test_a_network_s_new_learning_rate_makes_stale_what_it_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small, base = (EXPERIMENTS[name] for name in ("two_by_two", "two_by_two_base"))
    before = [results.hashed(one.definition()) for one in (small, base)]
    faster = replace(registry.NETWORKS["base_cnn"], learning_rate=1e-3)
    monkeypatch.setitem(registry.NETWORKS, "base_cnn", faster)
    after = [results.hashed(one.definition()) for one in (small, base)]
    assert after[0] == before[0]  # its scripted agents do not learn
    assert after[1] != before[1]
    told = small.definition()["conditions"]
    assert told["proxy"]["config"]["training"]["learning_rate"] == 1e-3
    assert told["random"]["protocol"] == {"evaluation_seed": measures.EVALUATION_SEED}


@pytest.mark.usefixtures("known")
def test_a_changed_number_is_noticed(tmp_path: Path) -> None:
    run(fake.experiment(), tmp_path)
    path = tmp_path / "fake.json"
    path.write_text(path.read_text("utf-8").replace('"sum": 11', '"sum": 12'), encoding="utf-8")
    with pytest.raises(UserError, match="do not have the checksum on record"):
        catalog.load_results("fake", tmp_path)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"units": [{}]}, "a unit needs condition, seed, seconds, machine, metrics"),
        ({"units": [7]}, "a unit needs"),
        ({"units": {}}, "is not a results file"),
        ({"manifest": None}, "is not a results file"),
        ({"definition": {"name": "fake"}}, "its definition does not have the hash on record"),
        ({"definition_hash": "another"}, "its definition does not have the hash on record"),
    ],
)
def test_a_file_with_wrong_insides_is_one_sentence(
    tmp_path: Path, changed: dict[str, object], words: str
) -> None:
    run(fake.experiment(), tmp_path)
    path = tmp_path / "fake.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changed), encoding="utf-8")
    with pytest.raises(UserError, match=words):
        results.read("fake", tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"units": []}'])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "fake.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"is damaged|is not a results file"):
        results.read("fake", tmp_path)


def test_missing_results_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "phase.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match=r"no results of 'phas' in .* \(nearest valid: phase\)"):
        catalog.load_results("phas", tmp_path)


def test_the_order_of_finishing_leaves_no_trace(tmp_path: Path) -> None:
    for folder, order in (("a", [1, 2]), ("b", [2, 1])):
        for seed in order:
            run(fake.experiment(), tmp_path / folder, seeds=[seed])
    a, b = (json.loads((tmp_path / f / "fake.json").read_text("utf-8")) for f in "ab")
    assert a["manifest"]["checksum"] == b["manifest"]["checksum"]
    assert [u["metrics"] for u in a["units"]] == [u["metrics"] for u in b["units"]]


def test_doing_a_unit_again_gives_what_is_stored(tmp_path: Path) -> None:
    stored = run(fake.experiment(), tmp_path)
    pairs = list(engine.verify(fake.experiment(), stored, 3, seed=0, scratch=tmp_path))
    assert len(pairs) == 3
    assert all(old["metrics"] == new["metrics"] for old, new in pairs)
    assert len({(old["condition"], old["seed"]) for old, _ in pairs}) == 3


PROGRAM = """
import sys
from pathlib import Path
from experiments import fake
from goodharts_lib.experiments import engine
folder = Path(sys.argv[1])
slow = fake.experiment(fake.slow, seeds=(1, 2, 3), notes=str(folder / "notes"), seconds=0.5)
engine.run(slow, folder, jobs=2, tell=lambda line: print(line, flush=True))
"""


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        env=environment() | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


@pytest.mark.slow
def test_a_killed_run_keeps_what_was_done_and_goes_on(tmp_path: Path) -> None:
    process = start(tmp_path)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]  # the head and two units
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert lines[-1].startswith("base")
    kept = results.read("fake", tmp_path)["units"]
    assert 2 <= len(kept) < 6
    begun = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "notes").iterdir()}
    out, err = start(tmp_path).communicate(timeout=120)
    assert out.startswith(f"fake: {6 - len(kept)} units to do, {len(kept)} done"), err
    stored = results.read("fake", tmp_path)["units"]
    assert len({(u["condition"], u["seed"]) for u in stored}) == len(stored) == 6
    for unit in kept:
        name = f"{unit['condition'].removeprefix('base ')}_{unit['seed']}"
        assert (tmp_path / "notes" / name).stat().st_mtime_ns == begun[name]


@pytest.mark.slow
def test_a_dask_worker_that_is_killed_costs_no_unit(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    notes = tmp_path / "notes"
    slow = fake.experiment(fake.slow, seeds=(1, 2, 3, 4), notes=str(notes), seconds=0.5)
    told: list[str] = []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:

        def tell(line: str) -> None:
            told.append(line)
            if len(told) == 2:  # after the first unit: end a process that is at work on another
                busy = max(notes.iterdir(), key=lambda path: path.stat().st_mtime_ns)
                os.kill(int(busy.read_text("utf-8").split()[-1]), signal.SIGKILL)
                time.sleep(0.1)

        stored = engine.run(slow, tmp_path, dask=cluster.scheduler_address, tell=tell)
    found = [(u["condition"], u["seed"]) for u in stored["units"]]
    assert len(found) == len(set(found)) == 8
    assert {u["metrics"]["sum"] for u in stored["units"]} == {11, 12, 13, 14, 21, 22, 23, 24}
    starts = [path.read_text("utf-8").split() for path in notes.iterdir()]
    assert len(starts) == 8
    assert sum(map(len, starts)) > 8  # a unit was cut off and begun again


def test_a_dask_scheduler_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(UserError, match=r"no Dask scheduler at tcp://127\.0\.0\.1:1"):
        run(fake.experiment(), tmp_path, dask="tcp://127.0.0.1:1")
