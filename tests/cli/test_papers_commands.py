"""`deid request sign`, `approve`, `status` and `diff`, as their users type them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from sites import PASSPHRASE
from tiny_sources import REQUESTED, World

from deid.cli import cli
from deid.errors import DeidError
from deid.papers.approval import approval_path, record_path
from deid.signing import statement_path


class Typed:
    """A request at a site, and what is typed about it."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.request = self.world.request(self.world.source(), REQUESTED, request="typed")
        self.officer, self.asker = (folder / "keys" / f"{name}.key" for name in ("officer", "requester"))

    def deid(self, command: str, *options: str | Path) -> Result:
        """Run `deid request COMMAND`."""
        return CliRunner().invoke(
            cli,
            ["request", command, str(self.request), *map(str, options)],
            env={"DEID_SITE": str(self.world.folder / "site.yaml"), "DEID_PASSPHRASE": PASSPHRASE.decode()},
        )

    def change(self, **fields: object) -> None:
        """Change fields of the request."""
        self.request.write_text(yaml.safe_dump(yaml.safe_load(self.request.read_text()) | fields))


@pytest.fixture
def typed(tmp_path: Path) -> Typed:
    """Return a request that nobody has signed."""
    made = Typed(tmp_path / "site")
    for path in (statement_path(made.request), approval_path(made.request), record_path(made.request)):
        path.unlink()
    return made


def test_from_nothing_to_approved(typed: Typed) -> None:
    """Status says what lacks and who signs it, until it is asked for and approved; conditions are told."""
    before = typed.deid("status")
    assert before.exit_code == 14
    assert "stands  policy  by Officer" in before.output
    assert "lacks   request  may be signed by: requester" in before.output
    assert "lacks   approval  may be signed by: privacy_officer, data_steward" in before.output
    too_early = typed.deid("approve", "--key", typed.officer)
    assert isinstance(too_early.exception, DeidError)
    assert "deid request sign typed.yaml --key KEY" in too_early.exception.hint
    assert typed.deid("sign", "--key", typed.asker).exit_code == 0
    approved = typed.deid("approve", "--key", typed.officer, "--condition", "after the IRB letter")
    assert "approved by Officer" in approved.output
    assert "recipient  researcher  age1" in approved.output
    after = typed.deid("status", "--json")
    told = {paper["type"]: paper for paper in json.loads(after.output)["papers"]}
    assert (after.exit_code, all(paper["stands"] for paper in told.values())) == (0, True)
    assert told["approval"]["conditions"] == "after the IRB letter"


def test_what_changed_is_told_in_plain_words(typed: Typed) -> None:
    """Diff names a column that is new, a field with both of its values, and a key; nothing where nothing changed."""
    typed.deid("sign", "--key", typed.asker)
    typed.deid("approve", "--key", typed.officer)
    same = typed.deid("diff")
    assert (same.exit_code, same.output) == (0, "typed is as it was approved\n")
    tables = {name: list(columns) for name, columns in REQUESTED.items()}
    gone = tables["patients"].pop()
    typed.change(purpose="another study", tables=tables)
    changed = typed.deid("diff")
    assert changed.exit_code == 14
    assert f"the plan: patients.{gone} no longer leaves" in changed.output
    assert "the request: purpose is another study, and was research on outcomes" in changed.output
    typed.change(purpose="research on outcomes", tables=dict(REQUESTED))
    with typed.request.open("a") as file:
        file.write("# a remark\n")
    assert typed.deid("diff").output == "the request: its bytes differ, and no field of it does\n"


def test_a_record_that_was_exchanged_is_refused(typed: Typed) -> None:
    """Diff compares with what the approval names, and with nothing else."""
    typed.deid("sign", "--key", typed.asker)
    typed.deid("approve", "--key", typed.officer)
    typed.change(purpose="another study")
    record = record_path(typed.request)
    record.write_bytes(record.read_bytes().replace(b"outcomes", b"0utcomes"))
    refused = typed.deid("diff")
    assert isinstance(refused.exception, DeidError)
    assert "not the record that the approval names" in refused.exception.message
