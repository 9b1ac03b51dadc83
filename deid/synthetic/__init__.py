"""Synthetic people, their coded encounters and notes: for `deid demo`, tests and benchmarks.

Everything is drawn from lists typed for this project and from a seed; nobody is described.
"""

from __future__ import annotations

from deid.synthetic.population import Population, generate, generate_chunks

__all__ = ["Population", "generate", "generate_chunks"]
