"""Models of others, through the libraries that load them: tiny ones, made on the spot, that really find words."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from attack.test_notes_network import NO_PEER, guarded
from hub_models import ARE_INSTALLED, LABELS, NEEDED, TAUGHT, WINDOW, token_model, tokenizer

from deid.annotated.document import Document, Labeled
from deid.errors import NotesError, StorageError
from deid.notes.detector import Detector
from deid.notes.hub import HubTagger
from deid.notes.hub_folder import WEIGHTS
from deid.notes.span import Span
from deid.training.minilm import CLASSES, PACKAGE, labels_of, train

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not ARE_INSTALLED, reason=f"the extra `hub` is not installed: {', '.join(NEEDED)}"),
]
TEXT = "👩‍⚕️ Ximena Quintanilla, naïve 東京; seen on MARCH/, e\u0301 walnut7 no fever; Utah."
FOUND = [
    ("Ximena", "person_name", "hub:PATIENT"),
    ("Quintanilla", "person_name", "hub:PATIENT"),
    ("MARCH/", "service_date", "hub:DATE"),
    ("walnut7", "unique_id", "hub:GADGET"),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a trained tiny model."""
    return token_model(tmp_path_factory.mktemp("hub") / "model")


@pytest.fixture
def copy(model: Path, tmp_path: Path) -> Path:
    """Return a copy of the model that a test may damage."""
    return shutil.copytree(model, tmp_path / "model")


def seen(text: str, spans: list[Span]) -> list[tuple[str, str, str]]:
    """Return what stands at each span, with kind and rule."""
    return [(text[span.start : span.end], span.kind, span.rule) for span in spans]


def test_offsets_are_exact_under_characters_of_many_bytes(model: Path) -> None:
    """Spans count code points, of whole words; a label nobody knows is unique_id, and a state is none."""
    [spans] = HubTagger(model).tag([TEXT])
    assert seen(TEXT, spans) == FOUND


def test_a_long_note_is_read_to_its_end(model: Path) -> None:
    """Names at the end, and on every seam of two windows, are found where one window alone would find them."""
    tagger = HubTagger(model)
    for words in range(WINDOW - 20, 2 * WINDOW + 20):
        text = "pain " * words + "Ximena Quintanilla was well"
        assert seen(text, tagger.tag([text])[0]) == FOUND[:2], words
    [alone] = tagger.tag(["the ximena plan"])
    [many] = tagger.tag(["the ximena plan " * 500])
    assert many == [
        Span(one.start + 16 * at, one.end + 16 * at, one.kind, one.rule) for at in range(500) for one in alone
    ]


def test_windows_of_any_size_find_the_same(model: Path) -> None:
    """How a text is cut into windows and batches changes no span; nor does asking again."""
    text = " ".join([TEXT, "the knee pain ; no fever", TEXT, "returned to clinic"] * 6)
    whole = HubTagger(model).tag([text, TEXT, "", " \n", text])
    assert seen(TEXT, whole[1]) == FOUND
    assert (whole[2], whole[3], whole[4]) == ([], [], whole[0])
    for window, batch in ((16, 1), (33, 3), (WINDOW, 64)):
        assert HubTagger(model, window=window, batch=batch).tag([text, TEXT, "", " \n", text]) == whole


def test_labels_given_go_before_the_table(model: Path) -> None:
    """The caller says what a label means, or that it means nothing."""
    [spans] = HubTagger(model, labels={"GADGET": "device_id", "PATIENT": "O", "STATE": "city"}).tag([TEXT])
    assert seen(TEXT, spans) == [
        ("MARCH/", "service_date", "hub:DATE"),
        ("walnut7", "device_id", "hub:GADGET"),
        ("Utah", "city", "hub:STATE"),
    ]


def test_plain_labels_and_a_bare_vocabulary_do(copy: Path) -> None:
    """A model with labels without prefixes, and with nothing but vocab.txt for a tokenizer, finds the same."""
    config = json.loads((copy / "config.json").read_text())
    config["id2label"] = {str(at): label.removeprefix("B-").removeprefix("I-") for at, label in enumerate(LABELS)}
    config.pop("label2id")
    (copy / "config.json").write_text(json.dumps(config))
    vocabulary = sorted((at, word) for word, at in tokenizer().get_vocab().items())
    (copy / "tokenizer.json").unlink()
    (copy / "vocab.txt").write_text("".join(f"{word}\n" for _, word in vocabulary))
    (copy / "tokenizer_config.json").write_text("{}")
    [spans] = HubTagger(copy).tag([TEXT])
    # Without prefixes two names side by side are one span.
    assert seen(TEXT, spans) == [("Ximena Quintanilla", *FOUND[0][1:]), *FOUND[2:]]


def test_the_threads_of_the_process_are_as_they_were(model: Path) -> None:
    """A search bounds the threads of torch for its own time alone."""
    import torch

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        HubTagger(model, threads=1).tag([TEXT])
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def without_head(folder: Path) -> None:
    """Take the table of labels out of the weights."""
    from safetensors.torch import load_file, save_file

    tables = load_file(folder / WEIGHTS)
    save_file({name: table for name, table in tables.items() if "classifier" not in name}, folder / WEIGHTS, {"format": "pt"})  # fmt: skip


def with_nan(folder: Path) -> None:
    """Put one value that is no number into the weights."""
    from safetensors.torch import load_file, save_file

    tables = load_file(folder / WEIGHTS)
    tables["classifier.bias"][0] = float("nan")
    save_file(tables, folder / WEIGHTS, {"format": "pt"})


def cut(folder: Path) -> None:
    """Cut the weights short."""
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: len(data) // 2])


def with_another_tokenizer(folder: Path) -> None:
    """Give the tokenizer more words than the model has."""
    words: Any = tokenizer()
    words.add_tokens(["flurb", "blurb"])
    words.save_pretrained(folder)


def of_no_kind(folder: Path) -> None:
    """Name a sort of model that nobody knows."""
    (folder / "config.json").write_text('{"model_type": "flurb"}')


def pickled(folder: Path) -> None:
    """Leave the weights as a pickle alone, which would run a command."""
    import torch

    torch.save({"a": 1}, folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without_head, "2 of its tables are missing"),
        (with_nan, "no numbers"),
        (cut, "cannot be used"),
        (with_another_tokenizer, "another model"),
        (of_no_kind, "cannot be used"),
        (pickled, "pickled"),
    ],
)
def test_a_damaged_model_is_refused(copy: Path, damage: Any, message: str) -> None:
    """A model that is not whole is an error when it is loaded, never a tagger of random or no spans."""
    damage(copy)
    with pytest.raises(NotesError, match=message):
        HubTagger(copy)


def test_a_second_opinion_joins_the_others(model: Path) -> None:
    """The detector adds what the model finds, in this process and in workers, and says that the model found it."""
    text = "The patient is well, knee walnut, seen 03/14/2024."
    with Detector() as alone, Detector(hub=model) as joined, Detector(hub=model, processes=2) as apart:
        [before], [after], [also] = (one.detect([text], [None]) for one in (alone, joined, apart))
    assert ("walnut", "unique_id", "hub:GADGET") not in seen(text, before)
    assert set(after) == {*before, Span(26, 32, "unique_id", "hub:GADGET")}
    assert also == after


def test_the_command_takes_a_model(model: Path) -> None:
    """`deid redact --hub FOLDER` removes what the model finds, and is refused without a model."""
    run = [sys.executable, "-m", "deid", "redact", "--hub"]
    done = subprocess.run([*run, str(model)], input="knee walnut pain", capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("knee [UNIQUE_ID] pain", "")
    refused = subprocess.run([*run, "org/model"], input="knee walnut", capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (20, "")
    assert "no folder org/model" in refused.stderr
    assert "walnut" not in refused.stderr


def test_presidio_can_have_it(model: Path) -> None:
    """The recognizer gives Presidio the model's spans under their kinds."""
    from deid.notes.hub_recognizer import HubRecognizer

    recognizer = HubRecognizer(model)
    assert recognizer.supported_entities == ["person_name", "service_date", "unique_id"]
    assert [(r.entity_type, TEXT[r.start : r.end]) for r in recognizer.analyze(TEXT, [])] == [
        (kind, text) for text, kind, _ in FOUND
    ]
    assert [r.entity_type for r in recognizer.analyze(TEXT, ["service_date"])] == ["service_date"]


SEARCH = """
import sys
from pathlib import Path
from deid.notes.hub import HubTagger
assert len(HubTagger(Path(sys.argv[1])).tag(["the Ximena plan"])[0]) == 1
if "--dial" in sys.argv:
    import socket
    socket.create_connection(("127.0.0.1", 9), timeout=1)
"""


def test_no_network_is_reached_for(model: Path, tmp_path: Path) -> None:
    """Loading and searching work where every way to a peer ends the process, and that guard is shown to bite."""
    environment = guarded(tmp_path, NO_PEER)
    search = [sys.executable, "-c", SEARCH, str(model)]
    ended = subprocess.run(search, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert subprocess.run([*search, "--dial"], env=environment, capture_output=True, check=False).returncode == 99


def test_the_made_model_knows_its_words_alone(model: Path) -> None:
    """The tiny model is no stub: what it was taught it finds, and a plain sentence has none of it."""
    tagger = HubTagger(model)
    assert tagger.tag(["the patient was seen by a nurse ; no fever"]) == [[]]
    assert len(TAUGHT) > len({span.rule for [span] in tagger.tag(["ximena", "march", "walnut"])}) == 3


@pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f"the extra `minilm` is not installed: {PACKAGE}")
def test_minilm_is_trained_into_a_folder_that_loads(tmp_path: Path) -> None:
    """Two steps make a folder that the loader takes, with labels of the table, and whose loss is a number."""
    losses: list[float] = []
    train(tmp_path / "minilm", steps=2, report=lambda _, loss: losses.append(loss))
    assert len(losses) == 2
    assert 0 < losses[-1] < 10
    assert not list((tmp_path / "minilm").glob("*.bin"))
    tagger = HubTagger(tmp_path / "minilm")
    assert {"person_name", "facility_name", "service_date", "email"} <= tagger.kinds
    with pytest.raises(StorageError, match="already there"):
        train(tmp_path / "minilm", steps=1)


def test_word_pieces_have_the_labels_of_their_document() -> None:
    """A piece begins a span or goes on in it; what may stay or go, and what is no text, counts for nothing."""
    spans = (Labeled(0, 6, "NAME"), Labeled(7, 10, "NAME"), Labeled(14, 18, "ANY"), Labeled(19, 23, "DATE"))
    offsets = [(0, 0), (0, 3), (3, 6), (7, 10), (11, 13), (14, 18), (19, 21), (21, 23), (0, 0)]
    assert [CLASSES[at] if at >= 0 else None for at in labels_of(Document("", "", spans), offsets)] == [
        None, "B-NAME", "I-NAME", "B-NAME", "O", None, "B-DATE", "I-DATE", None,
    ]  # fmt: skip


def test_models_whose_positions_begin_behind_the_padding_fit(tmp_path: Path) -> None:
    """RoBERTa has two positions fewer than it says: a long note, cut by bytes, is read and its offsets are in it."""
    import torch
    from tokenizers import Tokenizer, decoders, pre_tokenizers, processors
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForTokenClassification

    alphabet = ["<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    made = Tokenizer(BPE({piece: at for at, piece in enumerate(alphabet)}, [], unk_token="<unk>"))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=True), decoders.ByteLevel()
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", unk_token="<unk>").save_pretrained(tmp_path)
    config = RobertaConfig(vocab_size=len(alphabet), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                           intermediate_size=32, max_position_embeddings=WINDOW + 2, type_vocab_size=1,
                           id2label={0: "O", 1: "B-PATIENT"})  # fmt: skip
    torch.manual_seed(7)
    model: Any = RobertaForTokenClassification(config)
    torch.nn.init.constant_(model.classifier.weight, 0.0)
    model.classifier.bias.data = torch.tensor([0.0, 1.0])  # everything is a patient to it
    model.save_pretrained(tmp_path)
    text = "Zoë 東京 👩‍⚕️ " * 50
    [spans] = HubTagger(tmp_path).tag([text])
    assert [text[span.start : span.end] for span in spans] == text.split()
