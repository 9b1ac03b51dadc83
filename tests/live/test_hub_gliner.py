"""GLiNER models, through their package: a tiny one, made on the spot, that really finds words."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from attack.test_notes_network import NO_PEER, guarded
from hub_models import ARE_INSTALLED, asked_model

from deid.errors import NotesError
from deid.notes.hub import HubTagger
from deid.notes.hub_folder import WEIGHTS
from deid.notes.span import Span

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        not ARE_INSTALLED or find_spec("gliner") is None, reason="the extra `gliner` is not installed: gliner"
    ),
]
LABELS = {"person": "person_name", "date": "service_date", "city": "city"}
SENTENCE = "東京 the ximena plan, march knee pain: "
FOUND = [Span(7, 13, "person_name", "hub:person"), Span(20, 25, "service_date", "hub:date")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a trained tiny model."""
    return asked_model(tmp_path_factory.mktemp("gliner"))


def test_what_it_is_asked_for_is_found(model: Path) -> None:
    """A label asked for gives spans of its kind; words that are none stay."""
    assert HubTagger(model, labels=LABELS).tag([SENTENCE, "", "the knee pain ."]) == [FOUND, [], []]


def test_a_long_note_is_read_to_its_end(model: Path) -> None:
    """The package cuts a text at its model's length: here windows go over all of it, in any batch."""
    for batch in (1, 8):
        [spans] = HubTagger(model, labels=LABELS, batch=batch).tag([SENTENCE * 50])
        wide = len(SENTENCE)
        assert spans == [
            Span(s.start + wide * at, s.end + wide * at, s.kind, s.rule) for at in range(50) for s in FOUND
        ]


def test_a_word_longer_than_the_window_is_an_error(model: Path) -> None:
    """What does not fit is not passed over: such a note has no answer."""
    with pytest.raises(NotesError, match="longer than the model's window"):
        HubTagger(model, labels=LABELS).tag(["東京 " + "ab-" * 600 + "c"])


def test_a_damaged_model_is_refused(model: Path, tmp_path: Path) -> None:
    """A model without one of its tables is an error, and so is one whose weights are cut."""
    from safetensors.torch import load_file, save_file

    copy = shutil.copytree(model, tmp_path / "model")
    tables = load_file(copy / WEIGHTS)
    tables.pop(min(tables))
    save_file(tables, copy / WEIGHTS)
    with pytest.raises(NotesError, match="cannot be used"):
        HubTagger(copy, labels=LABELS)
    (copy / WEIGHTS).write_bytes((model / WEIGHTS).read_bytes()[:1000])
    with pytest.raises(NotesError, match="cannot be used"):
        HubTagger(copy, labels=LABELS)


def test_labels_that_leave_no_room_are_refused(model: Path) -> None:
    """So many labels that no text fits beside them are an error."""
    with pytest.raises(NotesError, match="no room"):
        HubTagger(model, labels={f"label number {at}": "unique_id" for at in range(100)})


SEARCH = """
import sys
from pathlib import Path
from deid.notes.hub import HubTagger
tagger = HubTagger(Path(sys.argv[1]), labels={"person": "person_name"})
assert len(tagger.tag(["the ximena plan"])[0]) == 1
"""


def test_no_network_is_reached_for(model: Path, tmp_path: Path) -> None:
    """Loading and searching work where every way to a peer ends the process, without the encoder's own folder."""
    copy = shutil.copytree(model, tmp_path / "model")
    config = (copy / "gliner_config.json").read_text()
    (copy / "gliner_config.json").write_text(config.replace(str(model.parent / "base"), "org/encoder"))
    run = [sys.executable, "-c", SEARCH, str(copy)]
    ended = subprocess.run(run, env=guarded(tmp_path, NO_PEER), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
