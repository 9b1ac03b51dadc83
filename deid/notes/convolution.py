"""One layer of the network for notes: a dilated convolution over tokens, rectified, with as few products as it takes.

With three taps, four outputs a dilation apart are computed together, by six products and not twelve: minimal filtering
F(4, 3) at 0, 1, -1, 2, -2 and infinity (S. Winograd, Arithmetic Complexity of Computations, 1980). It differs from the
sum over taps in the last bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

TAPS = 3  # of every layer that is called; the first is looked up, and may have more
_TOGETHER = 4  # outputs


@dataclass(frozen=True, slots=True, repr=False)
class Convolution:
    """One layer: `weights` of shape (width * channels in, channels out), taps `dilation` tokens apart."""

    weights: Floats
    bias: Floats
    width: int
    dilation: int
    _filters: tuple[Floats, ...] = field(init=False, compare=False)
    _half_bias: Floats = field(init=False, compare=False)
    _side_by_side: Floats = field(init=False, compare=False)

    def __post_init__(self) -> None:
        # Halves, because half of y and half of its magnitude are y where it is positive and zero elsewhere; numpy's
        # maximum with a number takes three times as long.
        halves = (self.weights.astype(np.float64) / 2).reshape(self.width, -1, self.weights.shape[1])
        beside = halves.transpose(1, 0, 2).reshape(halves.shape[1], -1)
        object.__setattr__(self, "_filters", _filters(halves) if self.width == TAPS else ())
        object.__setattr__(self, "_half_bias", self.bias / 2)
        object.__setattr__(self, "_side_by_side", np.ascontiguousarray(beside, np.float32))

    @property
    def reach(self) -> int:
        """Tokens that one output sees to either side."""
        return self.width // 2 * self.dilation

    def inputs(self, count: int) -> int:
        """Return how many inputs a call needs for so many outputs: what is computed together is never divided."""
        together = _TOGETHER * self.dilation
        return -(-count // together) * together + (TAPS - 1) * self.dilation

    def __call__(self, x: Floats) -> Floats:
        """Return the rectified outputs of every token whose three taps lie in `x`: shape (n - 2 * reach, out).

        `x` has shape (n, in), and n is one of the lengths that `inputs` gives.
        """
        # Each row holds `dilation` tokens, so that the next tap of all of them is the next row.
        x = x.reshape(-1, self.dilation * x.shape[1])
        tiles = len(x) // _TOGETHER
        d0, d1, d2, d3, d4, d5 = (x[at : at + _TOGETHER * tiles : _TOGETHER][:tiles] for at in range(6))
        outer, inner = d4 - d2, d3 - d1
        even, odd = d2 * -3, d1 * -3
        even += outer  # d4 - 4 d2
        odd += d3
        odd -= d1  # d3 - 4 d1
        one, other = d0 - d2, d5 - d3
        one *= 4
        one += outer  # 4 d0 - 5 d2 + d4
        inner *= 2
        other -= inner
        other -= inner  # 4 d1 - 5 d3 + d5
        m0, m5 = self._product(one, 0), self._product(other, 5)
        m1 = self._product(np.add(even, odd, out=one), 1)
        m2 = self._product(np.subtract(even, odd, out=other), 2)
        m3 = self._product(np.add(outer, inner, out=one), 3)
        m4 = self._product(np.subtract(outer, inner, out=other), 4)
        m1 += self._half_bias  # which is then in all four outputs
        return _rectified(_joined((m0, m1, m2, m3, m4, m5), tiles))

    def _product(self, of: Floats, by: int) -> Floats:
        return np.asarray(of.reshape(-1, len(self._filters[by])) @ self._filters[by], np.float32)

    def products(self, distinct: Floats) -> Floats:
        """Return what each of several inputs (m, in) adds to an output at each tap: shape (m * width, out)."""
        products = distinct @ self._side_by_side
        products[:, : len(self.bias)] += self._half_bias
        return products.reshape(-1, len(self.bias))

    def looked_up(self, products: Floats, which: Ints) -> Floats:
        """Return the rectified outputs for the inputs `which` (n,) of those whose `products` these are.

        They are of every token whose taps all lie in `which`: shape (n - 2 * reach, out).
        """
        count = len(which) - 2 * self.reach
        rows = which * self.width
        y = np.take(products, rows[:count], axis=0)
        for tap in range(1, self.width):
            at = tap * self.dilation
            y += np.take(products, rows[at : at + count] + tap, axis=0)
        return _rectified(y)


def _filters(taps: npt.NDArray[np.float64]) -> tuple[Floats, ...]:
    """Return the factors of the six products for three taps (3, in, out)."""
    g0, g1, g2 = taps
    factors = (
        g0 / 4,
        (g0 + g1 + g2) / -6,
        (g0 - g1 + g2) / -6,
        (g0 + 2 * g1 + 4 * g2) / 24,
        (g0 - 2 * g1 + 4 * g2) / 24,
        g2,
    )
    return tuple(np.ascontiguousarray(factor, np.float32) for factor in factors)


def _joined(products: tuple[Floats, ...], tiles: int) -> Floats:
    """Return the outputs in order, from their six products, which are overwritten."""
    m0, m1, m2, m3, m4, m5 = products
    m0 += m1
    m0 += m2
    total, twice = m1 + m2, m3 + m4
    m1 -= m2
    m3 -= m4
    m3 *= 2
    m5 += m1
    y = np.empty((tiles, _TOGETHER, m0.size // tiles), np.float32)
    np.add(m0.reshape(tiles, -1), twice.reshape(tiles, -1), out=y[:, 0])
    np.add(m1.reshape(tiles, -1), m3.reshape(tiles, -1), out=y[:, 1])
    twice *= 4
    m3 *= 4
    np.add(total.reshape(tiles, -1), twice.reshape(tiles, -1), out=y[:, 2])
    np.add(m5.reshape(tiles, -1), m3.reshape(tiles, -1), out=y[:, 3])
    return y.reshape(-1, m0.shape[1])


def _rectified(halves: Floats) -> Floats:
    """Return the outputs from halves of what they are before they are rectified, which are overwritten."""
    halves += np.abs(halves)
    return halves
