"""`python -m deid.training`: make the weights of the networks for notes."""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

from deid.notes.network import DATA, save
from deid.training.train import Settings, train

SEEDS = (7, 8)


def main() -> None:
    """Train from each seed and write its weights; prints the loss as it goes, and the digest of each file."""
    parser = argparse.ArgumentParser(prog="python -m deid.training", description=__doc__)
    parser.add_argument("--seed", type=int, action="append", help="may be given again; default: 7 and 8")
    parser.add_argument("--steps", type=int, default=Settings().steps, help="batches of 16 x 512 tokens")
    parser.add_argument("--out", type=Path, default=DATA, help="the folder of the weights")
    asked = parser.parse_args()
    for seed in asked.seed or SEEDS:
        begun = time.monotonic()

        def report(step: int, loss: float, seed: int = seed, begun: float = begun) -> None:
            passed = time.monotonic() - begun
            print(f"seed {seed}, step {step:,} of {asked.steps:,}: loss {loss:.4f}, {passed:.0f} s", flush=True)  # noqa: T201

        path = asked.out / f"network-{seed}.npz"
        save(path, train(Settings(seed=seed, steps=asked.steps), report=report))
        print(f"{path}: {hashlib.sha256(path.read_bytes()).hexdigest()}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
