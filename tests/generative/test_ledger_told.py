"""Laws of what increments have told: however it came in parts, the union is what was shown, patient by patient."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from deid.cells.buffers import scattered
from deid.disclosure.pairs import attack
from deid.documents.limits import Adversary
from deid.known_codes.entries import NO_VISIT
from deid.ledger import RELEASED, State
from deid.ledger.told import ITEMS, Told

Row = tuple[int, str | None, int, int]  # patient, item or None for what was left empty, dates, visit or -1
ROWS = st.lists(
    st.tuples(st.integers(0, 6), st.sampled_from(["A", "B", "C", None]), st.integers(0, 2), st.integers(-1, 2)),
    max_size=12,
)


def state_of(people: list[int], klass: dict[int, int]) -> State:
    """Return a state of released patients; their tags sort unlike their numbers."""
    tags = np.array([[(7 * person) % 11, person] for person in people], np.uint64).reshape(-1, 2)
    order = np.lexsort((tags[:, 1], tags[:, 0]))
    ones = np.ones(len(people), np.int16)
    classes = np.array([klass[person] for person in people], np.int32)[order]
    full = np.full(len(people), RELEASED)
    return State(tags[order], classes, full, ones * 0, ones, ones * 0, np.zeros((len(people), 0), np.uint64))


def people_of(state: State) -> list[int]:
    """Return who stands at each place."""
    return [int(tag[1]) for tag in state.tags]


def told_by(months: list[list[Row]], klass: dict[int, int]) -> tuple[Told, State]:
    """Return what the increments have told, each entered when its patients are known, and the state at the end."""
    told, state = Told.nothing(), state_of([], klass)
    known: set[int] = set()
    for number, rows in enumerate(months, 1):
        known |= {row[0] for row in rows}
        after = state_of(sorted(known), klass)
        told, state = told.placed(state, after), after
        place = {person: at for at, person in enumerate(people_of(state))}
        texts = sorted({row[1] or "" for row in rows}, reverse=bool(number % 2))
        items = pa.table(
            {"system": ["" if not t else "icd10cm" for t in texts], "text": [t or None for t in texts]}, schema=ITEMS
        )
        counted = Counter(rows)
        told = told.with_release(
            number,
            np.array([place[row[0]] for row in counted], np.int32),
            np.array([texts.index(row[1] or "") for row in counted], np.int32),
            np.array([row[2] for row in counted], np.uint64),
            np.array([row[3] for row in counted], np.int32),
            np.array(list(counted.values()), np.int32),
            items,
        )
    return told, state


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_the_union_is_all_that_was_shown(months: list[list[Row]]) -> None:
    """Items and mentions add up over releases, visits stay apart, and every patient keeps the class."""
    klass = {person: person % 2 for person in range(7)}
    told, state = told_by(months, klass)
    people, texts = people_of(state), told.items["text"].to_pylist()
    coded = told.coded(state)
    found = {(people[p], texts[c]): int(m) for p, c, m in zip(coded.patient, coded.code, coded.mentions, strict=True)}
    wanted = Counter((row[0], row[1]) for rows in months for row in rows)
    assert found == dict(wanted)
    assert [klass[person] for person in people] == coded.klass.tolist()
    visits = coded.visits if coded.visits is not None else np.zeros((0, 2), np.int32)
    shown = Counter(int(entry) for entry, _ in visits)
    by_visit = {(n, row[0], row[1], row[3]) for n, rows in enumerate(months) for row in rows if row[3] != NO_VISIT}
    per_entry = Counter((person, item) for _, person, item, _ in by_visit)
    assert {(people[coded.patient[e]], texts[coded.code[e]]): n for e, n in shown.items()} == dict(per_entry)


@given(st.lists(ROWS, min_size=1, max_size=4), st.booleans())
def test_dates_tell_one_mention_from_another(months: list[list[Row]], by_release: bool) -> None:
    """An item with other dates is another thing to know; and in another release, if that is counted as a date."""
    told, state = told_by(months, dict.fromkeys(range(7), 0))
    people, texts = people_of(state), told.items["text"].to_pylist()
    tied = told.tied(state, by_release=by_release)
    wanted = {(row[0], row[1], (row[2], n * by_release)) for n, rows in enumerate(months, 1) for row in rows}
    units = {
        (dates, n * by_release): (dates + int(scattered(np.array([n]))[0]) * by_release) % 2**64
        for dates in range(3)
        for n in range(1, 5)
    }
    found = {
        (people[p], texts[tied.of_code[c]], int(tied.prints[tied.unit[c]]))
        for p, c in zip(tied.coded.patient, tied.coded.code, strict=True)
    }
    assert found == {(person, item, units[unit]) for person, item, unit in wanted}
    assert (np.diff(tied.of_code) >= 0).all()
    entry, coded = tied.entry_of(told.coded(state)), told.coded(state)
    assert (coded.patient[entry] == tied.coded.patient).all()


@given(st.lists(ROWS, min_size=1, max_size=4), st.randoms())
def test_the_attack_on_the_union_does_not_hang_on_how_it_was_parted(months: list[list[Row]], chance: object) -> None:
    """All rows in one release, or over several in any order: one pseudonym joins them."""
    klass = {person: person % 2 for person in range(7)}
    rows = [(person, item, dates, NO_VISIT) for month in months for person, item, dates, _ in month]
    parts: list[list[Row]] = [[], []]
    for row in rows:
        parts[chance.randrange(2)].append(row)  # type: ignore[attr-defined]
    adversaries = (Adversary.UNIFORM, Adversary.MENTIONS)
    risks = []
    for each in ([rows], parts):
        told, state = told_by(each, klass)
        empty = [text is None for text in told.items["text"].to_pylist()]
        items = np.where(empty, -1, np.arange(len(empty))).astype(np.int32)
        risks.append(attack(told.coded(state), items, draws=adversaries, k=2).mean)
    assert abs(risks[0] - risks[1]) < 1e-12
