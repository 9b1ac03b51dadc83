"""`python -m deid.synthetic`: make the folder of samples anew."""

from __future__ import annotations

from pathlib import Path

import click

from deid.synthetic.samples import PATIENTS, SEED, write_samples


@click.command()
@click.option("--seed", default=SEED, show_default=True, help="Decides everything that is drawn.")
@click.option("--patients", default=PATIENTS, show_default=True, help="How many people samples/claims holds.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("samples"), show_default=True, help="Where to.")
def main(seed: int, patients: int, out: Path) -> None:
    """Write synthetic people in every input format."""
    write_samples(out, seed=seed, patients=patients)
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    click.echo(f"wrote {patients} people and fewer in the other formats to {out}/, {size:,} bytes")


if __name__ == "__main__":
    main()
