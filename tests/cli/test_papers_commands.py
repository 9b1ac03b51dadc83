"""`deid request sign`, `approve`, `status`, `diff` and `withdraw`, as their users type them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from sites import PASSPHRASE, TEST_SCRYPT_N
from tiny_sources import REQUESTED, World

from deid.cli import cli
from deid.errors import DeidError, TrustError, WithdrawnError
from deid.keys.officers import generate_signing_key
from deid.papers.approval import approval_path, record_path
from deid.papers.signing import statement_path
from deid.papers.trust import add_person


class Typed:
    """A request at a site, and what is typed about it."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.request = self.world.request(self.world.source(), REQUESTED, request="typed")
        self.officer, self.asker = (folder / "keys" / f"{name}.key" for name in ("officer", "requester"))

    def deid(self, command: str, *options: str | Path, of: str = "request", path: Path | None = None) -> Result:
        """Run `deid request COMMAND`, or that of another kind of document."""
        return CliRunner().invoke(
            cli,
            [of, command, str(path or self.request), *map(str, options)],
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


def test_withdrawn_papers_are_told_and_not_signed_again(typed: Typed) -> None:
    """Status tells what was withdrawn, with the file and without; neither signing nor approving goes on."""
    typed.deid("sign", "--key", typed.asker)
    typed.deid("approve", "--key", typed.officer)
    refused = typed.deid("withdraw", "--key", typed.asker, "--reason", "error")
    assert isinstance(refused.exception, TrustError)
    done = typed.deid("withdraw", "--key", typed.officer, "--reason", "no-longer-needed")
    assert "the request typed.yaml is withdrawn (no-longer-needed)" in done.output
    assert "entered in the audit log" in done.output
    for command, key in (("sign", typed.asker), ("approve", typed.officer)):
        assert isinstance(typed.deid(command, "--key", key).exception, WithdrawnError)
    typed.request.with_name("typed.yaml.withdrawn.dsse.json").unlink()
    after = typed.deid("status")
    assert after.exit_code == 14
    assert "withdrawn request" in after.output
    assert "withdrawn approval" in after.output
    assert "the audit log says so" in after.output
    states = {paper["type"]: paper["state"] for paper in json.loads(typed.deid("status", "--json").output)["papers"]}
    assert states == {"policy": "stands", "request": "withdrawn", "approval": "withdrawn", "agreement": "stands"}


def test_a_policy_and_an_agreement_are_withdrawn_for_later(typed: Typed) -> None:
    """Without the site's keys the statement counts, and the next run enters it; a second text waits until it has."""
    typed.deid("sign", "--key", typed.asker)
    typed.deid("approve", "--key", typed.officer)
    folder = typed.world.folder
    policy, agreement = folder / "policies" / "limited-data-set.yaml", folder / "agreements" / "DUA-1.yaml"
    for of, path in (("policy", policy), ("agreement", agreement)):
        done = typed.deid("withdraw", "--key", typed.officer, "--reason", "misuse", "--later", of=of, path=path)
        assert "the next run at the site enters it" in done.output
        assert isinstance(typed.deid("sign", "--key", typed.officer, of=of, path=path).exception, WithdrawnError)
    assert not (folder / "state" / "audit").exists()
    states = {paper["type"]: paper["state"] for paper in json.loads(typed.deid("status", "--json").output)["papers"]}
    assert (states["policy"], states["agreement"]) == ("withdrawn", "withdrawn")
    policy.write_text(policy.read_text().replace("version: 1", "version: 2"))
    again = typed.deid("withdraw", "--key", typed.officer, "--reason", "misuse", "--later", of="policy", path=policy)
    assert isinstance(again.exception, TrustError)
    assert "the audit log does not have it yet" in again.exception.message
    entered = typed.deid("withdraw", "--key", typed.officer, "--reason", "misuse", of="policy", path=policy)
    assert entered.exit_code == 0
    shown = CliRunner().invoke(
        cli, ["audit", "show", "--kind", "document-withdrawn", "--json"],
        env={"DEID_SITE": str(folder / "site.yaml")},
    )  # fmt: skip
    assert shown.output.count("document-withdrawn") == 2


def test_officers_need_no_way_into_the_state(typed: Typed) -> None:
    """Where the log cannot be read, signing, approving and status go on, and say what they cannot tell."""
    log = typed.world.folder / "state" / "audit"
    log.parent.mkdir(mode=0o700, exist_ok=True)
    log.write_text("no folder, as for somebody who may not read it")
    assert typed.deid("sign", "--key", typed.asker).exit_code == 0
    approved = typed.deid("approve", "--key", typed.officer)
    assert "approved by Officer" in approved.output
    after = typed.deid("status")
    assert after.exit_code == 0
    assert "what it calls withdrawn or superseded is not told here" in after.output


def test_a_withdrawal_that_takes_two(typed: Typed) -> None:
    """The first signature stops what runs already; the second completes it."""
    trust, steward = typed.world.site.site.trust, typed.world.folder / "keys" / "steward.key"
    generate_signing_key(steward, PASSPHRASE, scrypt_n=TEST_SCRYPT_N)
    add_person(trust, name="Steward", role="data_steward", key=steward.with_suffix(".pub"))
    trust.write_text(trust.read_text() + "threshold: {withdrawal: 2}\n")
    first = typed.deid("withdraw", "--key", typed.officer, "--reason", "other")
    assert "1 more must sign it; nothing runs on the request typed.yaml until then" in first.output
    assert "does not hold" in typed.deid("status").output
    second = typed.deid("withdraw", "--key", steward, "--reason", "other")
    assert "is withdrawn (other)" in second.output
    assert "withdrawn request" in typed.deid("status").output
