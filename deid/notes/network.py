"""A small convolutional network over tokens, in plain numpy: which class each token of a text is of.

The sum of a token's vectors and of its pattern mark goes through one convolution and several dilated ones with residual
connections to one score a class. It is trained by `deid.training`; here it only runs.
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

Floats = npt.NDArray[np.float32]

CLASSES = ("O", "NAME", "LOCATION", "FACILITY", "DATE", "CONTACT", "ID", "AGE", "OTHER")
DATA = Path(__file__).parent / "data"
WEIGHTS = (DATA / "network-7.npz", DATA / "network-8.npz")  # by the seed each was trained from
BLOCK = 1_024  # tokens whose layers stay in the cache of a core


@dataclass(frozen=True, slots=True, repr=False)
class Convolution:
    """One layer: `weights` of shape (width * channels in, channels out), taps `dilation` tokens apart."""

    weights: Floats
    bias: Floats
    width: int
    dilation: int

    @property
    def reach(self) -> int:
        """Tokens that one output sees to either side."""
        return self.width // 2 * self.dilation

    def __call__(self, x: Floats) -> Floats:
        """Return the rectified outputs of every token whose taps all lie in `x`: shape (n - 2 * reach, out)."""
        count = len(x) - 2 * self.reach
        taps = [x[k * self.dilation : k * self.dilation + count] for k in range(self.width)]
        y = np.concatenate(taps, axis=1) @ self.weights
        y += self.bias
        np.maximum(y, 0, out=y)
        return np.asarray(y, np.float32)


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

    def probabilities(self, x: Floats) -> Floats:
        """Return the probability of each class for each token, float32 (n, classes), from summed vectors (n, channels).

        Computed in blocks that overlap by what a score depends on: the result is that of one pass.
        """
        reach = self.reach
        padded = np.zeros((len(x) + 2 * reach, x.shape[1]), np.float32)
        padded[reach : reach + len(x)] = x
        parts = [self._block(padded[at : at + BLOCK + 2 * reach]) for at in range(0, len(x), BLOCK)]
        return np.concatenate(parts) if parts else np.zeros((0, len(CLASSES)), np.float32)

    def _block(self, x: Floats) -> Floats:
        x = self.layers[0](x)
        for layer in self.layers[1:]:
            y = layer(x)
            y += x[layer.reach : layer.reach + len(y)]
            x = y
        scores = x @ self.out_weights + self.out_bias
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        return np.asarray(scores, np.float32)


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
        if tuple(about["classes"]) != CLASSES:
            raise KeyError("classes")
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


def average(networks: Sequence[Network], summed: Floats, marks: npt.NDArray[np.int8]) -> Floats:
    """Return the mean of the networks' probabilities, float32 (n, classes).

    `summed` (n, channels of all) holds each token's vectors of one network beside those of the next; `marks` has shape
    (n,).
    """
    total = np.zeros((len(summed), len(CLASSES)), np.float32)
    at = 0
    for network in networks:
        channels = network.vectors.shape[1]
        total += network.probabilities(summed[:, at : at + channels] + network.marks[marks])
        at += channels
    return np.asarray(total / np.float32(len(networks)), np.float32)
