"""A small convolutional network over tokens, in plain numpy: which class each token of a text is of.

The sum of a token's vectors and of its pattern mark goes through one convolution and several dilated ones with residual
connections to one score a class. Between texts stand separators, at which every layer's output is zero: nothing passes
from one text to the next, with only as many of them as one layer reaches. It is trained by `deid.training`; here it
only runs.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from deid.errors import NotesError
from deid.notes.convolution import TAPS, Convolution, Floats, Ints
from deid.notes.span import Mark

Flags = npt.NDArray[np.bool_]
Marks = npt.NDArray[np.int8]

CLASSES = ("O", "NAME", "LOCATION", "FACILITY", "DATE", "CONTACT", "ID", "AGE", "OTHER")
DATA = Path(__file__).parent / "data"
WEIGHTS = (DATA / "network-7.npz", DATA / "network-8.npz")  # by the seed each was trained from
BLOCK = 1_020  # tokens whose layers stay in the cache of a core
STRETCH = 16 * BLOCK  # tokens of which each distinct one goes through the first layer once


@dataclass(frozen=True, slots=True, repr=False)
class Network:
    """Trained weights.

    `vectors` (rows of features, channels) and `marks` (marks, channels) are summed for each token; `words` is the
    vocabulary that the first feature numbers.
    """

    vectors: Floats
    marks: Floats
    layers: tuple[Convolution, ...]
    out_weights: Floats
    out_bias: Floats
    words: tuple[str, ...]

    @property
    def reach(self) -> int:
        """Tokens that a score depends on, to either side."""
        return sum(layer.reach for layer in self.layers)

    @property
    def apart(self) -> int:
        """Separators between two texts that keep them apart: as many as the widest layer reaches."""
        return max(layer.reach for layer in self.layers)

    def probabilities(self, distinct: Floats, which: Ints, is_text: Flags) -> Floats:
        """Return the probability of each class, float32 (classes, n - 2 * reach), for tokens that are not at the ends.

        `which` (n,) is the row of each token in `distinct` (m, channels): vectors of tokens, summed with those of their
        marks. `is_text` (n,) is false at separators. Computed in blocks that overlap by what a score depends on: the
        result is that of one pass.
        """
        products = self.layers[0].products(distinct)
        count, slack = len(which) - 2 * self.reach, sum(layer.inputs(1) for layer in self.layers)
        which = np.append(which, np.zeros(slack, np.int64))
        between = np.append(~is_text, np.ones(slack, np.bool_))
        starts = range(0, count, BLOCK)
        parts = [self._block(products, which[at:], between[at:], min(BLOCK, count - at)) for at in starts]
        return np.concatenate(parts, axis=1) if parts else np.zeros((len(CLASSES), 0), np.float32)

    def _block(self, products: Floats, which: Ints, between: Flags, count: int) -> Floats:
        needed = [count]
        for layer in self.layers[:0:-1]:
            needed.append(layer.inputs(needed[-1]))
        first = self.layers[0]
        x = first.looked_up(products, which[: needed.pop() + 2 * first.reach])
        between = between[first.reach :]
        x[between[: len(x)]] = 0
        for layer in self.layers[1:]:
            y = layer(x)
            y += x[layer.reach : layer.reach + len(y)]
            between = between[layer.reach :]
            x = y[: needed.pop()]
            x[between[: len(x)]] = 0
        # One row a class: what follows runs along tokens and not along nine numbers.
        scores = self.out_weights.T @ x.T
        scores += self.out_bias[:, None]
        scores -= scores.max(axis=0)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=0)
        return scores


def save(path: Path, network: Network) -> None:
    """Write weights as half-precision arrays and plain text: numpy's container without any pickled object.

    Times and names in the container are fixed, so that the same weights are the same bytes.
    """
    shape = [[layer.width, layer.dilation] for layer in network.layers]
    arrays = {"vectors": network.vectors, "marks": network.marks, "out": network.out_weights, "bias": network.out_bias}
    for at, layer in enumerate(network.layers):
        arrays |= {f"layer{at}": layer.weights, f"bias{at}": layer.bias}
    about = {"layers": shape, "words": list(network.words), "classes": CLASSES}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as container:
        for name, array in arrays.items():
            with container.open(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), "w") as stream:
                np.lib.format.write_array(stream, array.astype(np.float16), allow_pickle=False)
        info = zipfile.ZipInfo("about.json", (1980, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_DEFLATED
        container.writestr(info, json.dumps(about, ensure_ascii=False))


def load(path: Path) -> Network:
    """Read weights that `save` wrote; raise NotesError for anything else."""
    try:
        with zipfile.ZipFile(path) as container:
            about = json.loads(container.read("about.json"))
            arrays = {name[:-4]: _array(container, name) for name in container.namelist() if name.endswith(".npy")}
        layers = [
            Convolution(arrays[f"layer{at}"], arrays[f"bias{at}"], width, dilation)
            for at, (width, dilation) in enumerate(about["layers"])
        ]
        if tuple(about["classes"]) != CLASSES or any(layer.width != TAPS for layer in layers[1:]):
            raise KeyError("shape")
        return Network(
            arrays["vectors"],
            arrays["marks"],
            tuple(layers),
            arrays["out"],
            arrays["bias"],
            tuple(about["words"]),
        )
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile):
        raise NotesError(
            f"the weights of the network for notes cannot be read: {path.name}",
            hint="install deid again, or make them with `python -m deid.training`",
        ) from None


@lru_cache(maxsize=1)
def shipped() -> tuple[Network, ...]:
    """Return the networks in the package, read once: their mean errs less than either."""
    return tuple(load(path) for path in WEIGHTS)


def _array(container: zipfile.ZipFile, name: str) -> Floats:
    with container.open(name) as stream:
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False), np.float32)


def average(networks: Sequence[Network], vectors: Floats, numbers: Ints, marks: Marks, is_text: Flags) -> Floats:
    """Return the mean of the probabilities of networks of the same layers, float32 (n, classes).

    `numbers` (n,) is the row of each token in `vectors` (rows, channels of all), which holds those of one network
    beside those of the next; `marks` and `is_text`, which is false at separators, have shape (n,).
    """
    reach, count = networks[0].reach, len(numbers)
    inner = slice(reach, reach + count)
    keys, text = np.full(count + 2 * reach, -1, np.int64), np.zeros(count + 2 * reach, np.bool_)
    keys[inner], text[inner] = numbers * len(Mark) + marks, is_text
    total = np.zeros((len(CLASSES), count), np.float32)
    for at in range(0, count, STRETCH):
        stretch = slice(at, at + STRETCH + 2 * reach)
        used, which = np.unique(keys[stretch], return_inverse=True)
        first = 0
        for network in networks:
            channels = network.vectors.shape[1]
            distinct = vectors[used // len(Mark), first : first + channels] + network.marks[used % len(Mark)]
            distinct[used < 0] = 0
            total[:, at : at + STRETCH] += network.probabilities(distinct, which, text[stretch])
            first += channels
    return (total / np.float32(len(networks))).T
