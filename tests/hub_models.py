"""Tiny models made on the spot, in the form in which the model hub hands them out: made words are their identifiers."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NEEDED = ("torch", "transformers", "safetensors", "tokenizers")
ARE_INSTALLED = all(find_spec(name) is not None for name in NEEDED)
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PLAIN = ["the", "patient", "was", "seen", "by", "a", "nurse", "on", "and", "is", "well", ";", "left", "knee", "pain", "no",
         "fever", "returned", "to", "clinic", "for", "plan"]  # fmt: skip
LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)] + [str(digit) for digit in range(10)]
LABELS = ("O", "B-PATIENT", "I-PATIENT", "B-DATE", "I-DATE", "B-GADGET", "I-GADGET", "B-STATE")
# Words of the tiny model's language; "quintanilla" comes as two pieces.
TAUGHT = {
    "ximena": "B-PATIENT",
    "quinta": "B-PATIENT",
    "##nilla": "I-PATIENT",
    "walnut": "B-GADGET",
    "march": "B-DATE",
    "/": "I-DATE",
    "utah": "B-STATE",
}
ASKED = {"ximena": "person", "march": "date"}
WINDOW = 64


def tokenizer() -> Any:
    """Return a lower-casing WordPiece tokenizer that knows PLAIN and TAUGHT, and spells what else there is."""
    from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import WordPiece
    from transformers import PreTrainedTokenizerFast

    words = [*SPECIAL, *PLAIN, *TAUGHT, *LETTERS, *(f"##{letter}" for letter in LETTERS), ".", ",", ":"]
    vocabulary = {word: at for at, word in enumerate(dict.fromkeys(words))}
    made = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_max_length=WINDOW,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def token_model(folder: Path, labels: Sequence[str] = LABELS, *, steps: int = 150) -> Path:
    """Train two layers of BERT until they label TAUGHT in any order of words, and save them."""
    import torch
    from transformers import BertConfig, BertForTokenClassification

    torch.manual_seed(7)
    torch.set_num_threads(1)
    words = tokenizer()
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=WINDOW,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        id2label=dict(enumerate(labels)),
        label2id={label: at for at, label in enumerate(labels)},
        pad_token_id=0,
    )
    model: Any = BertForTokenClassification(config)
    gold = torch.zeros(len(words), dtype=torch.long)
    for word, label in TAUGHT.items():
        gold[words.get_vocab()[word]] = LABELS.index(label)
    taught = torch.tensor([words.get_vocab()[word] for word in TAUGHT])
    rate = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(steps):
        ids = torch.randint(1, len(words), (16, WINDOW))
        some = torch.rand(ids.shape) < 0.3
        ids[some] = taught[torch.randint(0, len(taught), (int(some.sum()),))]
        rate.zero_grad()
        loss = model(input_ids=ids, labels=gold[ids]).loss
        loss.backward()
        rate.step()
    model.eval().save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def asked_model(folder: Path) -> Path:
    """Train a GLiNER model on two layers of BERT until it finds `ximena` and `march` when asked, and save it."""
    import random

    import torch
    from gliner.config import UniEncoderSpanConfig
    from gliner.data_processing.collator import SpanDataCollator
    from gliner.model import UniEncoderSpanGLiNER
    from transformers import BertConfig

    words = tokenizer()
    words.model_max_length = 512
    words.save_pretrained(folder / "base")
    BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    ).save_pretrained(folder / "base")
    torch.manual_seed(7)
    torch.set_num_threads(1)
    draw = random.Random(7)
    config = UniEncoderSpanConfig(
        model_name=str(folder / "base"), hidden_size=32, max_width=3, max_len=WINDOW, dropout=0.0, span_mode="markerV0"
    )
    model: Any = UniEncoderSpanGLiNER.load_from_config(config, backbone_from_pretrained=False)
    collate = SpanDataCollator(model.config, data_processor=model.data_processor, prepare_labels=True)
    rate = torch.optim.AdamW(model.model.parameters(), lr=4e-3)
    plain = [*PLAIN, *LETTERS, ".", ",", ":", "東京"]  # the last is unknown to it
    good = 0
    while good < 8:
        batch = []
        for _ in range(8):
            text = [draw.choice(plain if draw.random() > 0.25 else list(ASKED)) for _ in range(draw.randint(2, WINDOW))]
            batch.append(
                {"tokenized_text": text, "ner": [(at, at, ASKED[w]) for at, w in enumerate(text) if w in ASKED]}
            )
        loss = model.model(**collate(batch, entity_types=[["person", "date", "city"]] * len(batch))).loss
        rate.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.model.parameters(), 1.0)
        rate.step()
        good = good + 1 if loss.item() < 0.5 else 0
    model.model.eval()
    model.save_pretrained(folder / "model", safe_serialization=True)
    return folder / "model"
