"""RxNorm concepts, kept by the National Library of Medicine: a number that carries no check digit and no hierarchy."""

from __future__ import annotations

from deid.codes.formed import FormedSystem, codes_like, spelled

PATTERN = "[1-9][0-9]{0,6}"

RXNORM = FormedSystem(
    name="rxnorm",
    title="RxNorm",
    kinds=("rxnorm",),
    code=codes_like(PATTERN, "RxNorm: up to seven digits"),
    normal=spelled(PATTERN),
)
