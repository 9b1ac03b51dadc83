"""A folder with a model of other people's making, and what it must not hold: code, pickles, ways to elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from deid.errors import NotesError

CONFIG, GLINER_CONFIG, WEIGHTS, SHARDS = "config.json", "gliner_config.json", "model.safetensors", "model.safetensors.index.json"  # noqa: E501  # fmt: skip
# Code of the model's own is named by the first three; the last lets weights come from another model.
_CODE = ("auto_map", "custom_pipelines", "trust_remote_code")
_ADAPTER = "adapter_config.json"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib")
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "spm.model", "spiece.model", "sentencepiece.bpe.model",
                 "tokenizer.model")  # fmt: skip
_LARGEST_CONFIG = 16 << 20
_SAVE_ANEW = "save it with `save_pretrained(folder, safe_serialization=True)` where no patient data are"


class Sort(Enum):
    """How a model is made: a label for every word piece, or spans for the labels it is asked for."""

    TOKENS = "transformers"
    GLINER = "gliner"


@dataclass(frozen=True, slots=True)
class Folder:
    """A checked folder."""

    path: Path
    sort: Sort


def checked(path: Path) -> Folder:
    """Return the folder of a model; nothing of it is loaded.

    Raises NotesError when it is not there, lacks a part, has weights that are pickled, code, or an adapter to another
    model, and when the packages that load it are not installed.
    """
    if not path.is_dir():
        raise NotesError(
            f"there is no folder {path} with a model",
            hint="a model is read from a folder of this machine, never from a hub: fetch it before",
        )
    sort = Sort.GLINER if (path / GLINER_CONFIG).is_file() else Sort.TOKENS
    config = _document(path, GLINER_CONFIG if sort is Sort.GLINER else CONFIG)
    others = [_document(path, file.name) for file in sorted(path.glob("*_config.json")) if file.name != GLINER_CONFIG]
    if any(_names_code(document) for document in (config, *others)):
        raise NotesError(f"the model in {path} brings code of its own", hint="take a model that transformers knows")
    if (path / _ADAPTER).exists():
        raise NotesError(
            f"{path} holds an adapter to another model", hint="merge it into that model, and save the whole"
        )
    _check_weights(path)
    if not any((path / name).is_file() for name in _VOCABULARIES):
        raise NotesError(f"the model in {path} has no tokenizer", hint=f"it takes one of {', '.join(_VOCABULARIES)}")
    if sort is Sort.GLINER:
        _check_gliner(path, config)
    _check_packages(sort)
    return Folder(path, sort)


def _document(folder: Path, name: str) -> dict[str, Any]:
    file = folder / name
    try:
        with file.open("rb") as stream:
            data = stream.read(_LARGEST_CONFIG + 1)
    except OSError as error:
        raise NotesError(
            f"cannot read {name} of the model in {folder}: {error.strerror}", hint="fetch the whole model again"
        ) from None
    try:
        document = json.loads(data) if len(data) <= _LARGEST_CONFIG else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise NotesError(f"{name} of the model in {folder} is damaged", hint="fetch the whole model again")
    return document


def _names_code(document: Any) -> bool:
    return any(one.get(name) for one in _objects(document) for name in _CODE)


def _objects(document: Any) -> Iterator[dict[str, Any]]:
    waiting = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _check_weights(path: Path) -> None:
    if (path / WEIGHTS).is_file():
        return
    if (path / SHARDS).is_file():
        index = _document(path, SHARDS).get("weight_map")
        shards = {str(shard) for shard in index.values()} if isinstance(index, dict) else set()
        # A shard is a file of this folder, and no pickle.
        sound = [s for s in shards if Path(s).name == s and s.endswith(".safetensors") and (path / s).is_file()]
        if shards and len(sound) == len(shards):
            return
        raise NotesError(f"weights of the model in {path} are missing", hint="fetch the whole model again")
    if any(file.suffix in _PICKLES for file in path.iterdir()):
        raise NotesError(f"the weights in {path} are pickled: to read them is to run what they say", hint=_SAVE_ANEW)
    raise NotesError(f"there are no weights in {path}", hint=f"it takes {WEIGHTS}")


def _check_gliner(path: Path, config: dict[str, Any]) -> None:
    # Without them the package would look for the encoder and its tokenizer under the name of a hub.
    if not isinstance(config.get("encoder_config"), dict) or not (path / "tokenizer_config.json").is_file():
        raise NotesError(f"the model in {path} needs files of another model", hint=_SAVE_ANEW)
    named = config.get("model_name")
    if isinstance(named, str) and (Path(named) / _ADAPTER).exists():
        raise NotesError(f"the model in {path} takes an adapter from another folder", hint="run elsewhere")


def _check_packages(sort: Sort) -> None:
    extra = "gliner" if sort is Sort.GLINER else "hub"
    needed = ("torch", "transformers", *(["gliner"] if sort is Sort.GLINER else []))
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise NotesError(
            f"models of others need packages that are not installed: {', '.join(missing)}",
            hint=f"pip install 'deid[{extra}]'",
        )
