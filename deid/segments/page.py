"""The page docs/reference/segments.md, made of the ranges: `python -m deid.segments.page`."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from deid.segments.ranges import VERSION, Range, segments

_EPOCH = date(1970, 1, 1).toordinal()
_HEAD = f"""# Sensitive segments

Classes of rows that a policy can leave out; what is left out with them is in [choices.md](../formats/choices.md).
Made by `python -m deid.segments.page` from `deid/data/segments.csv`, version {VERSION}; sources stand in `deid/data/README.md`.

| segment | told by |
|---|---|
| `part2` | a column of kind `part2` on the row or the patient, or the number of a program; never by codes, for origin decides (42 CFR 2.11, 2.12) |
| `minors` | age on the day of the row |
| `substance_use`, `hiv`, `mental_health`, `reproductive_health` | ranges of codes, below |

Codes are a proxy. A range holds every code whose first characters lie between its ends, dots, case and lost zeros aside, also where a cell holds several; days bound ranges whose codes meant another thing before or after, as numbers of DRGs did: a visit belongs if the range is in force on any of its days.
`icd10cm` ranges also serve `icd10`, and both revisions of ICD serve `icd10cm`, `icd9cm` and `icd_any`; `cpt` and `hcpcs` are one; procedures of ICD-9-CM are read in columns with `use: procedure`.
Not read: NDC, RxNorm, LOINC, SNOMED CT, CVX, OMOP concepts, BETOS, APR-DRG, local codes, names of codes, specialties and taxonomies. Where drugs or results stand apart from visits, leave out `patients`.
Not among the ranges on purpose: nicotine (F17, 305.1), disorders of intellect and development (F70 to F89, 315, 317 to 319), newborns' own records (P00 to P96), diseases and poisonings that substances cause (K70, T40), which CMS does not withhold either; modifiers HE, HG, HH and HI, which are ways of ambulances as often as programs.
"""  # noqa: E501 - lines of a page


def segments_page() -> str:
    """Return docs/reference/segments.md."""
    parts = [_HEAD]
    for name, ranges in sorted(segments().items()):
        rows = [f"| `{r.system}` | {_span(r)} | {r.what} | {_days(r)} |" for r in ranges]
        parts.append(
            "\n".join([f"\n## `{name}`\n", "| system | codes | what | days |", "|---|---|---|---|", *rows, ""])
        )
    return "".join(parts)


def _span(one: Range) -> str:
    return f"`{one.first}`" if one.first == one.last else f"`{one.first}` to `{one.last}`"


def _days(one: Range) -> str:
    since = date.fromordinal(one.since + _EPOCH).isoformat() if one.since > -_EPOCH else ""
    until = date.fromordinal(one.until + _EPOCH).isoformat() if one.until < date.max.toordinal() - _EPOCH else ""
    return f"from {since}" if since else f"to {until}" if until else ""


if __name__ == "__main__":
    Path("docs/reference/segments.md").write_text(segments_page(), encoding="utf-8")
