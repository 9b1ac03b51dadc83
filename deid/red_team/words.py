"""What a red team's figures mean for who decides about a release: scenarios in words, and what is to be done."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from deid.attacks import ATTACKERS
from deid.red_team.score import FEWEST, Figure, Verdict
from deid.release.small_counts import shown

_GRID = re.compile(r"(\d)d(\d)c")
_WORTH_SAYING = 1 / 11  # a chance without a ceiling that somebody should look at: fewer than eleven on average
_VERDICTS = {
    Verdict.FAILED: "FAILED: do not hand this release on",
    Verdict.UNDECIDED: "undecided: settle what stands below before this release is handed on",
    Verdict.PASSED: "passed: no attack went beyond a ceiling of the policy",
    Verdict.MEASURED: "no ceiling: the policy bounds none of these attacks, so nothing was passed",
}
_WRITTEN_BADLY = "not the policy's fault but the writer's: export again with this version of deid, and report it"
_NOTES = "leave notes out (`clinical_note: drop`), or have the notes of these patients read and the redaction mended"
REMEDIES = {
    "voter_list": "give --voters if none were given, for without them everybody is a patient; coarsen birth dates "
    "and places (`limits.recoding`), or raise `limits.k`",
    "acquaintance": "coarsen days of visits by their rule and codes by `limits.codes`, leave out numbers of visits "
    "beside codes, or raise `limits.k`",
    "months": "release it as a series under `limits.k`, which holds newcomers until they are enough",
    "recipients": "give both recipients coarser or fewer columns in common, and each a `party` of its own",
    "pseudonyms": "use `pseudonymize`, which needs a key or a crosswalk of the site, and never a hash",
    "offsets": "use units of time (`generalize_date`) in the place of `shift_date`",
    "row_order": _WRITTEN_BADLY,
    "side_channels": _WRITTEN_BADLY,
    "small_cells": "leave the document out, or make its table with `deid tabulate`",
    "notes": _NOTES,
    "parrot": _NOTES,
}


def title(figure: Figure) -> str:
    """Return a scenario in words."""
    if (grid := _GRID.fullmatch(figure.scenario)) is None:
        return figure.scenario
    days, codes = int(grid[1]), int(grid[2])
    told = [f"{count} {unit}{'s' if count > 1 else ''}" for count, unit in ((days, "day"), (codes, "code")) if count]
    return ", ".join(["demographics", *told])


def percent(share: float) -> str:
    """Return a share in percent."""
    return f"{100 * share:.2f} %"


def verdict(worst: Verdict, figures: Sequence[Figure]) -> str:
    """Return what the worst of all verdicts says of a release."""
    if worst is Verdict.PASSED and any(_is_free(figure) for figure in figures):
        return "passed what the policy bounds; what it does not bound stands below"
    return _VERDICTS[worst]


def to_do(figures: Sequence[Figure], targets: int) -> tuple[str, ...]:
    """Return what is to be done, a sentence for each attacker who failed, is undecided, or met no ceiling.

    `targets`: how many people were asked for.
    """
    told: list[str] = []
    for name in ATTACKERS:
        own = [figure for figure in figures if figure.attacker == name]
        told += _of_failed(name, [f for f in own if f.verdict is Verdict.FAILED])
        told += _of_undecided(name, [f for f in own if f.verdict is Verdict.UNDECIDED], targets)
        told += _of_free(name, [f for f in own if f.verdict is Verdict.MEASURED])
    return tuple(told)


def _of_failed(name: str, bad: Sequence[Figure]) -> Iterator[str]:
    if bad:
        worst = max(bad, key=lambda figure: (figure.expected or 0.0) - (figure.ceiling or 0.0))
        yield f"FAILED {name}: {_told(worst)}{_more(bad)}. {_capital(REMEDIES[name])}."


def _of_undecided(name: str, open_: Sequence[Figure], targets: int) -> Iterator[str]:
    if not open_:
        return
    worst = max(open_, key=lambda figure: (figure.expected or 0.0) - (figure.ceiling or 0.0))
    if worst.found is not None:
        remedy = "More than chance gives, and few: have these notes read"
    elif worst.ceiling is None:
        remedy = "Take the figures of this attacker for the least that is possible"
    elif worst.n < targets:
        few = f", and they are fewer than {FEWEST}" if worst.n < FEWEST else ""
        remedy = f"Everybody of whom so much is known was tried{few}; `deid report` has the run's own figure over all"
    else:
        remedy = "Raise --targets"
    yield f"undecided {name}: {_told(worst)}{_more(open_)}. {remedy}."


def _of_free(name: str, free: Sequence[Figure]) -> Iterator[str]:
    high = [figure for figure in free if _is_free(figure)]
    if not high:
        return
    least, most = (pick(high, key=lambda figure: figure.expected or 0.0) for pick in (min, max))
    span = f"{percent(least.expected or 0.0)} ({title(least)})"
    span += f" to {percent(most.expected or 0.0)} ({title(most)})" if most is not least else ""
    yield (
        f"no ceiling {name}: {span}. The policy bounds none of it: who signs decides whether a recipient may know so "
        f"much; else {REMEDIES[name]}."
    )


def _is_free(figure: Figure) -> bool:
    """Whether a figure without a ceiling is so high that somebody must look at it; offsets name nobody."""
    return figure.verdict is Verdict.MEASURED and figure.left is None and (figure.expected or 0.0) > _WORTH_SAYING


def _told(figure: Figure) -> str:
    """Return a figure against what it is held to."""
    if figure.found is not None:
        return f"{title(figure)}, {shown(figure.found)} of {shown(figure.n)}"
    if figure.correlation is not None:
        return f"{title(figure)}, correlation {figure.correlation:+.3f}"
    if figure.expected is None:
        return f"{title(figure)} {figure.told}"
    chance, what = figure.expected, "on average"
    if figure.ceiling_written is not None and figure.is_single:
        chance, what = figure.greatest or 0.0, "for one of them"
    limit = f" against {percent(figure.ceiling)} of {figure.ceiling_written}" if figure.ceiling is not None else ""
    return f"{title(figure)}, {percent(chance)} {what}{limit}"


def _more(figures: Sequence[Figure]) -> str:
    return f", and {len(figures) - 1} more of its scenarios" if len(figures) > 1 else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
