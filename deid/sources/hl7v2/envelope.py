"""The envelopes of a batch of messages, FHS BHS … BTS FTS (HL7 v2.8, chapter 2.10.3), and the counts they state."""

from __future__ import annotations

from deid.sources.hl7v2.framing import Place


class Envelope:
    """Follows the envelopes of one file; `messages` is how many went by so far."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.messages = 0
        self._in_batch: int | None = None  # messages of the open batch
        self._batches: int | None = None  # batches of the open file envelope

    def add(self, messages: int) -> None:
        """Note that messages went by."""
        self.messages += messages
        if self._in_batch is not None:
            self._in_batch += messages

    def see(self, segment: bytes) -> None:
        """Take the next segment of an envelope; raise SourceError where it is out of turn or states another count."""
        name = segment[:3]
        if name == b"FHS" and self._batches is None and self._in_batch is None:
            self._batches = 0
        elif name == b"BHS" and self._in_batch is None:
            self._in_batch = 0
        elif name == b"BTS" and self._in_batch is not None:
            self._compare(segment, self._in_batch, "messages")
            self._in_batch = None
            self._batches = None if self._batches is None else self._batches + 1
        elif name == b"FTS" and self._batches is not None and self._in_batch is None:
            self._compare(segment, self._batches, "batches")
            self._batches = None
        else:
            raise self._place.fault(
                "batch envelopes (FHS, BHS, BTS, FTS) do not open and close in turn", message=self.messages
            )

    def finish(self) -> None:
        """Raise SourceError where an envelope was opened and not closed, or no message went by."""
        if self._in_batch is not None or self._batches is not None:
            raise self._place.fault("is cut: its batch envelope (FHS, BHS) is opened and not closed (BTS, FTS)")
        if not self.messages:
            raise self._place.fault("holds no message")

    def _compare(self, segment: bytes, found: int, what: str) -> None:
        stated = segment[4:].split(segment[3:4])[0].strip() if len(segment) > 4 else b""
        if stated and not (stated.isdigit() and len(stated) < 10 and int(stated) == found):
            raise self._place.fault(
                f"{segment[:3].decode('ascii')} states another number of {what} than the {found:,} that are there",
                message=self.messages,
            )
