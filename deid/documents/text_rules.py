"""What a policy says of identifiers in text: its rules for columns, as far as they can be said in a sentence.

Pure. A text tells no more than the tables may: a kind of date is written no finer in a note than in its column, and
what a rule cannot say in a text, a band of years or a pseudonym, is a tag or a surrogate.
"""

from __future__ import annotations

from datetime import date, timedelta

from deid.cells.days import number_of
from deid.documents.policy import Policy
from deid.notes.writing import DATE_KINDS, UNITS, Writing
from deid.transforms import Transform
from deid.transforms.generalize_age import AGED_FROM, GeneralizeAge
from deid.transforms.generalize_date import GeneralizeDate
from deid.transforms.generalize_zip import GeneralizeZip
from deid.transforms.keep import Keep
from deid.transforms.redact_note import RedactNote
from deid.transforms.shift_date import ShiftDate

_COARSE = ("year", "quarter", "month")  # each holds the next; a week lies in no month


def shifts_of(policy: Policy) -> set[ShiftDate]:
    """Return every rule by which the policy shifts dates."""
    rules = (policy.rules.get(kind) for kind in DATE_KINDS)
    return {rule for rule in rules if isinstance(rule, ShiftDate)}


def dates_in_text(policy: Policy, notes: RedactNote) -> dict[str, str]:
    """Return, for each kind of date that is not a tag in notes, how it is written there."""
    ways = {kind: _way(notes.dates, policy.rules.get(kind)) for kind in DATE_KINDS}
    return {kind: way for kind, way in ways.items() if way is not None}


def writing_of(policy: Policy, notes: RedactNote, *, window: tuple[date, date] | None, reference_year: int) -> Writing:
    """Return how the notes of a step are written.

    `window`: the data's first and last day, of which shifted dates are cut as in the tables. `reference_year`: the
    year in which ages are judged.
    """
    dates = dates_in_text(policy, notes)
    age, zip_code = policy.rules.get("age"), policy.rules.get("zip_code")
    floors = [rule.floor_age for kind in dates if isinstance(rule := policy.rules[kind], GeneralizeDate)]
    oldest = [floor for floor in floors if floor is not None]
    return Writing(
        surrogates=notes.replace == "surrogates",
        dates=dates,
        caps_ages=isinstance(age, Keep) or (isinstance(age, GeneralizeAge) and age.top >= AGED_FROM),
        zip3=isinstance(zip_code, GeneralizeZip) and zip_code.to == "zip3",
        shown=_shown(policy, window),
        floor_year=reference_year - min(oldest) if oldest else None,
        reference_year=reference_year,
    )


def _way(asked: str, rule: Transform | None) -> str | None:
    """Return how a kind of date is written where notes ask for `asked` and tables have `rule`; None for a tag."""
    if isinstance(rule, ShiftDate) and asked == "shift":
        return "shift"
    if asked not in UNITS:
        return None
    if isinstance(rule, Keep):
        return asked
    return _coarser(asked, rule.to) if isinstance(rule, GeneralizeDate) and rule.width == 1 else None


def _coarser(one: str, other: str) -> str | None:
    """Return the coarser of two units of time, None where neither holds the other."""
    if one == other or "year" in (one, other):
        return one if one == other else "year"
    return None if "week" in (one, other) else min(one, other, key=_COARSE.index)


def _shown(policy: Policy, window: tuple[date, date] | None) -> tuple[int, int] | None:
    """Return the first and last shifted day that the tables show: see ShiftDate."""
    margins = [shift.max_days for shift in shifts_of(policy)]
    if window is None or not margins:
        return None
    margin = timedelta(days=max(margins))
    return number_of(window[0] + margin), number_of(window[1] - margin)
