"""The audit log against a plain list: whatever is appended, by whom and how often it is torn, it holds just that."""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from audit_logs import BEGAN, KEY, event, last_segment, numbers_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from deid.audit import AuditLog, Receipt, verify
from deid.audit import log as log_module
from deid.audit.entries import Keys, completes, decode, encode, hash_of, is_ours
from deid.audit.segments import whole


class LogMachine(RuleBasedStateMachine):
    """Several writers, torn ends, clocks and receipts; the model is a list of numbers."""

    writers = Bundle("writers")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp()) / "audit"
        self.segments = patch.object(log_module, "MAX_SEGMENT", 1500)
        self.segments.start()
        self.model: list[int] = []
        self.receipts: list[Receipt] = []
        AuditLog.open(self.folder, key=KEY)

    @rule(target=writers)
    def opened(self) -> AuditLog:
        """Another writer comes."""
        return AuditLog.open(self.folder, key=KEY)

    @rule(writer=writers, days=st.integers(-400, 400))
    def append(self, writer: AuditLog, days: int) -> None:
        """A writer enters one event, whatever its clock says."""
        number = len(self.model)
        writer.append(event(number, at=BEGAN + timedelta(days=days)))
        self.model.append(number)

    @rule(writer=writers, count=st.integers(1, 12))
    def append_all(self, writer: AuditLog, count: int) -> None:
        """A writer enters many."""
        numbers = range(len(self.model), len(self.model) + count)
        writer.append_all([event(number) for number in numbers])
        self.model += numbers

    @rule(
        junk=st.binary(min_size=1, max_size=40).filter(lambda junk: b"\n" not in junk or b"\0" in junk.split(b"\n")[0])
    )
    def torn(self, junk: bytes) -> None:
        """A kill or a power cut leaves something behind the end; whoever writes there next heals it first."""
        if not last_segment(self.folder).read_bytes().endswith(b"\n"):
            return
        with last_segment(self.folder).open("ab") as file:
            file.write(junk)

    @rule(cut=st.integers(1, 300))
    def torn_entry(self, cut: int) -> None:
        """A kill in the middle of writing an entry leaves the first part of it."""
        if not last_segment(self.folder).read_bytes().endswith(b"\n") or verify(self.folder, key=KEY).torn:
            return
        head = verify(self.folder, key=KEY).head
        number = len(self.model)
        line = encode(event(number), head.entries + 1, head.hash, Keys.of(KEY, head.log))
        with last_segment(self.folder).open("ab") as file:
            file.write(line[: max(1, len(line) - cut + 1)])
        if cut == 1:
            self.model.append(number)  # whole but for its line feed: it is kept

    @rule()
    def receipt(self) -> None:
        """Somebody takes a receipt of what is committed."""
        if not verify(self.folder, key=KEY).torn:
            self.receipts.append(Receipt(verify(self.folder, key=KEY).head, "test", ""))

    @invariant()
    def holds_what_the_list_holds(self) -> None:
        """Numbers in order, every receipt held, with and without keys."""
        assert numbers_of(self.folder) == self.model
        verify(self.folder, self.receipts, key=KEY)
        verify(self.folder, self.receipts, key=None)

    def teardown(self) -> None:
        """Remove the log."""
        self.segments.stop()
        shutil.rmtree(self.folder.parent)


TestAuditLog = LogMachine.TestCase
TestAuditLog.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)


@given(number=st.integers(0, 2**40), n=st.integers(1, 2**40), other=st.binary(min_size=32, max_size=32))
def test_a_line_is_read_back_and_is_nobody_else_s(number: int, n: int, other: bytes) -> None:
    """What is encoded is decoded, is ours, and is not under another key."""
    keys = Keys.of(KEY, "0" * 32)
    line = encode(event(0, at=BEGAN + timedelta(seconds=number % 10**8)), n, hash_of(b"%d" % number), keys)
    entry = decode(line)
    assert entry is not None
    assert (entry.n, entry.prev) == (n, hash_of(b"%d" % number))
    assert is_ours(line, entry, keys)
    assert other == KEY or not is_ours(line, entry, Keys.of(other, "0" * 32))
    assert completes(line, n - 1, entry.prev, keys)
    assert not completes(line, n, entry.prev, keys)


@given(st.lists(st.binary(max_size=6).map(lambda part: part.replace(b"\n", b"")), max_size=6), st.booleans())
def test_what_is_whole_ends_with_a_line_feed_and_holds_no_zero(parts: list[bytes], ended: bool) -> None:
    """The whole part of an end is the longest run of full lines without a zero byte."""
    data = b"\n".join(parts) + (b"\n" if ended else b"")
    expected = 0
    for line in data.split(b"\n")[:-1]:
        if b"\0" in line:
            break
        expected += len(line) + 1
    assert whole(data) == expected
