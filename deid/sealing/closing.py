"""What holds something until it is closed: files, keys in memory, worker processes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closing(ABC):
    """Closed by leaving a `with` block, however it is left."""

    __slots__ = ()

    @abstractmethod
    def close(self) -> None:
        """Give back what is held; the object is of no use afterwards unless it says so."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
