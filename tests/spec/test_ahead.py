"""Reading ahead and writing behind change nothing but which thread does the work."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from deid.engine.ahead import Behind, ahead


def _numbers(upto: int, ended: list[str], fault: bool = False) -> Generator[int]:
    try:
        yield from range(upto)
        if fault:
            raise ValueError("at the end")
    finally:
        ended.append(threading.current_thread().name)


@pytest.mark.parametrize("is_apart", [False, True])
def test_items_come_in_their_order(is_apart: bool) -> None:
    """All items come, in their order, and their source is closed."""
    ended: list[str] = []
    assert list(ahead(_numbers(100, ended), is_apart=is_apart)) == list(range(100))
    assert len(ended) == 1
    assert (ended[0] == "deid-ahead") == is_apart


@pytest.mark.parametrize("is_apart", [False, True])
def test_a_fault_is_raised_after_the_items_before_it(is_apart: bool) -> None:
    """What the source of the items raises is raised to their reader, who has had all items before it."""
    items = ahead(_numbers(5, [], fault=True), is_apart=is_apart)
    assert [next(items) for _ in range(5)] == list(range(5))
    with pytest.raises(ValueError, match="at the end"):
        next(items)


def test_no_more_than_the_depth_waits_and_no_thread_is_left_behind() -> None:
    """The source runs ahead by the depth alone, and a reader who stops leaves neither thread nor open source."""
    begun: list[int] = []
    ended: list[str] = []

    def counting() -> Generator[int]:
        try:
            for number in range(1000):
                begun.append(number)
                yield number
        finally:
            ended.append("closed")

    items = ahead(counting(), is_apart=True, depth=2)
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    assert ended == ["closed"]
    assert len(begun) <= 5
    assert not [thread for thread in threading.enumerate() if thread.name == "deid-ahead"]


@pytest.mark.parametrize("is_apart", [False, True])
def test_a_task_that_failed_behind_is_told_at_the_next_call(is_apart: bool) -> None:
    """A task's fault is never lost: it is raised at once, or by the next call."""
    behind = Behind(is_apart=is_apart)

    def fails() -> None:
        raise OSError("disk")

    def both() -> None:
        behind.start(fails)
        behind.settle()

    with pytest.raises(OSError, match="disk"):
        both()
    behind.settle()


def test_tasks_behind_run_one_at_a_time_and_in_order() -> None:
    """A task begins when the one before is done."""
    behind, done = Behind(is_apart=True), []
    for number in range(50):
        behind.start(lambda number=number: done.append(number))  # type: ignore[misc]
    behind.settle()
    assert done == list(range(50))
