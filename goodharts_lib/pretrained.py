"""The trained agents that ship with the package, and the command that makes them again.

``python -m goodharts_lib.pretrained`` lists them; ``--reproduce`` trains them anew and compares.
They are there to be looked at. No claim rests on them: each is one training seed, named before it
was trained and never exchanged for a better one.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from goodharts_lib import runtime
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.cli import Parser
from goodharts_lib.config import load_config
from goodharts_lib.errors import one_of, run_command
from goodharts_lib.evaluation import EVALUATION_SEED, check_name, evaluate_decodings
from goodharts_lib.files import probe_directory, write_whole
from goodharts_lib.modes import MODES
from goodharts_lib.training.ppo import checkpoint
from goodharts_lib.training.ppo.trainer import PPOTrainer
from goodharts_lib.training.progress import Progress

CLONE = "clone"
NAMES = (*MODES, CLONE)
SEED = 100
EXPERT = "omniscient_seeker"  # whom the clone copies
RECIPE = {  # the rest are the shipped defaults
    "training.network": "small_cnn",
    "training.timesteps": 1_000_000,
    "runtime.device": "cpu",
    "runtime.threads": 1,
}
CURVE = ("total_steps", "proxy_score", "true_energy")
EVERY = 4  # updates between two points of a stored curve


def load_pretrained(name: str, *, device: str = "auto", greedy: bool = False) -> LearnedPolicy:
    """Load an agent that ships with the package. Needs no network.

    Args:
        name: a mode, or ``clone``, the clone of a scripted expert.
        device: where to.
        greedy: take the likeliest action instead of sampling.

    Raises:
        UserError: there is no such agent; the sentence lists those there are.
    """
    one_of("pretrained agent", name, NAMES)
    with importlib.resources.as_file(_shipped(f"{name}.safetensors")) as path:
        return checkpoint.load_policy(path, device=device, greedy=greedy)


def load_record() -> dict[str, Any]:
    """Return the training record of the shipped agents: ``{"agents": {NAME: ...}, ...}``."""
    record: dict[str, Any] = json.loads(_shipped("record.json").read_text(encoding="utf-8"))
    return record


def find_or_pretrained(
    directory: Path, names: Sequence[str], device: str = "auto"
) -> list[tuple[LearnedPolicy, str]]:
    """Load the models of a folder, and in place of each missing one the shipped agent.

    Args:
        directory: where training put its models; it need not exist.
        names: modes, or ``clone``: that of `EXPERT`.
        device: where to.

    Returns:
        Each policy, and where it came from, to be told to the user.

    Raises:
        UserError: an unknown name, or a model that is there and cannot be loaded, or is another
            than its file name says.
    """
    found = []
    for name in names:
        path = own_path(directory, one_of("pretrained agent", name, NAMES))
        if path.exists():
            policy = _named(checkpoint.load_policy(path, device=device), name)
            check_name(policy, name, path)
            found.append((policy, str(path)))
        else:
            found.append((load_pretrained(name, device=device), "shipped with the package"))
    return found


def own_path(directory: Path, name: str) -> Path:
    """Return where training leaves the model that takes the place of a shipped agent."""
    if name == CLONE:
        return directory / f"{CLONE}_{EXPERT}.safetensors"
    return checkpoint.model_path(directory, name)


def _named(policy: LearnedPolicy, name: str) -> LearnedPolicy:
    """Call a clone of whomever just a clone; leave other names as they are stored."""
    if name != CLONE or not policy.name.startswith(CLONE):
        return policy
    return LearnedPolicy(policy.model, policy.mode, policy.config, name=CLONE)


def weights_checksum(policy: LearnedPolicy) -> str:
    """Return the SHA-256 of a policy's weights, whatever its description says."""
    digest = hashlib.sha256()
    for name, value in sorted(policy.model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def make(name: str) -> tuple[LearnedPolicy, dict[str, Any]]:
    """Train one agent from its recipe; return it and its training record."""
    start = time.monotonic()
    overrides = RECIPE | ({} if name == CLONE else {"training.mode": name})
    config = load_config(overrides=overrides)
    if name == CLONE:
        from goodharts_lib.training.train import EpochProgress, clone  # only who clones needs it

        cloned = clone(config, EXPERT, SEED, EpochProgress(config))
        told: dict[str, Any] = {"expert": EXPERT, "epochs": [asdict(e) for e in cloned.history]}
        settled = cloned.policy
    else:
        trainer = PPOTrainer(config, SEED)
        result = trainer.run(Progress(trainer))
        thinned = result.history[EVERY - 1 :: EVERY]
        told = {"total_steps": result.total_steps}
        told["curve"] = {k: [round(getattr(u, k), 3) for u in thinned] for k in CURVE}
        settled = result.policy
    policy = LearnedPolicy(settled.model, settled.mode, settled.config, name=name)
    told |= {
        "seed": SEED,
        "network": policy.config.training.network,
        "precision": policy.config.runtime.precision,
        "weights_sha256": weights_checksum(policy),
        "training_seconds": round(time.monotonic() - start, 1),
        "scores": scores(policy),
    }
    return policy, told


def scores(policy: LearnedPolicy) -> dict[str, dict[str, Any]]:
    """Evaluate an agent in the mortal worlds of its own `[evaluation]`."""
    found = evaluate_decodings(policy, policy.config, EVALUATION_SEED)
    return {decoding: asdict(scores) for decoding, scores in found.items()}


def reproduce(names: Sequence[str], directory: Path) -> int:
    """Train agents again, write them with their record, and compare with those that ship."""
    probe_directory(directory)
    shipped = load_record()["agents"] if _shipped("record.json").is_file() else {}
    record = {"agents": dict(shipped), "made_with": runtime.machine()}
    different = False
    recipe = (f"{key}={value}" for key, value in RECIPE.items())
    print(f"Configuration: {' + '.join(('shipped defaults', *recipe))}")
    print(f"Training {', '.join(names)} again, seed {SEED}; they go to {directory}/", flush=True)
    for name in names:
        policy, told = make(name)
        path = directory / f"{name}.safetensors"
        checkpoint.save_model(path, policy, SEED, told.get("total_steps", 0))
        record["agents"][name] = told
        text = json.dumps(record, indent=1) + "\n"
        write_whole(directory / "record.json", text.encode())
        same = shipped.get(name, {}).get("weights_sha256") == told["weights_sha256"]
        different |= not same
        energy = told["scores"]["sampled"]["true_energy"]
        print(f"[{name}] {path}, true energy {energy:+,.0f} per 1,000 steps: "
              + ("the shipped weights, bit for bit" if same else "other weights than the shipped"),
              flush=True)  # fmt: skip
    if different:
        print("Other weights are expected with another processor, precision or torch version: "
              "rounding differs in the last bits, and training amplifies it. Scores should then "
              "differ no more than two training seeds do.")  # fmt: skip
    return int(different)


def _shipped(file: str) -> Any:
    return importlib.resources.files("goodharts_lib").joinpath("data", "pretrained", file)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 1 if an agent made again has other weights, 0 otherwise."""
    parser = Parser(prog="pretrained", description="List the shipped agents, or make them again.")
    parser.add_argument("--reproduce", nargs="*", metavar="NAME", help="which; none named: all")
    parser.add_argument("--output-dir", default="pretrained", help="where new ones go")
    args = parser.parse_args(argv)
    if args.reproduce is not None:
        names = [one_of("pretrained agent", name, NAMES) for name in args.reproduce]
        return reproduce(names or NAMES, Path(args.output_dir))
    record = load_record()
    made = record["made_with"]
    print(f"Shipped agents, made with torch {made['torch']} on {made['platform']} "
          f"({made['instructions']}); per 1,000 steps, sampled, mortal worlds:")  # fmt: skip
    print("agent            network     seed    food  poison  true energy")
    for name, told in record["agents"].items():
        s = told["scores"]["sampled"]
        print(f"{name:<16} {told['network']:<10} {told['seed']:>5} {s['food']:>7.1f} "
              f"{s['poison']:>7.1f} {s['true_energy']:>+12,.0f}")  # fmt: skip
    return 0


if __name__ == "__main__":
    run_command(main)
