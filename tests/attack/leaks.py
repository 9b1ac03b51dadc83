"""An independent search for identifiers of source people in a release, and in the bytes of the folders around it.

It sees what a recipient sees: every cell of every table after opening, as text. It compares whole tokens, and same kind
with same kind: a ZIP code with places and text, never with a charge; a name with whatever may hold words, never with
the closed lists of sex or race. It reports classes and columns, never a value, and shares no code with the product.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from attack.raw_sources import Raw

Found = Counter[tuple[str, str]]
WORDS = ("name", "relative")
PHRASES = ("address", "birth_place", "city", "county", "provider_name")
NUMBERS = ("ssn", "phone", "provider_phone")
IDS = ("patient", "mrn", "member", "account", "claim", "encounter", "other_id", "device", "license", "provider")
DATES = ("birth_date", "death_date", "service_date")
CLASSES = (
    *WORDS, *PHRASES, "house_street", *NUMBERS, *IDS, "email", "url", "zip5", "geocode", *DATES, "timestamp", "any_day",
)  # fmt: skip

PLACE = re.compile(r"(?<!ethni)city|county|cnty|fips|district|zip_plc", re.IGNORECASE)
ZIP = re.compile(r"zip|postal", re.IGNORECASE)
# Columns whose five or eight digits are codes: CPT and HCPCS beside ZIP codes, SNOMED CT and RxNorm beside days.
CODE = re.compile(
    r"^(CODE|.*_?CODE|REACTION\d|DIAGNOSIS\d|cpt|hcpcs.*|icd.*|ndc|snomed|.*_snomed|rxnorm|loinc|type|drg|modifier.*|"
    r".*_concept_id|(condition|procedure|drug|cause)_source_value|CLM_PRCDR_CD|.*DGNS.*|.*PRCDR_CD.*|HCPCS.*|.*NDC.*|REV_CNTR|.*_NUM|PT[CD]_.*|ICD9.*|RSN_VISIT.*|VALUE)$"
)
_STATES = (
    "alabama alaska arizona arkansas california colorado connecticut delaware florida georgia hawaii idaho illinois "
    "indiana iowa kansas kentucky louisiana maine maryland massachusetts michigan minnesota mississippi missouri "
    "montana nebraska nevada newhampshire newjersey newmexico newyork northcarolina northdakota ohio oklahoma oregon "
    "pennsylvania rhodeisland southcarolina southdakota tennessee texas utah vermont virginia washington westvirginia "
    "wisconsin wyoming districtofcolumbia puertorico"
)
_RACES = "white black asian native other hawaiian unknown"
CLOSED: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = (
    (re.compile("race", re.IGNORECASE), frozenset(_RACES.split())),
    (re.compile("state", re.IGNORECASE), frozenset(_STATES.split())),
    (re.compile("cpt"), frozenset({"surgerygeneralandintegumentary"})),  # a section of CPT, and nobody called General
)


@dataclass(frozen=True)
class Basis:
    """What a policy leaves in, by class: the columns in which a class may stand, told by name and Arrow type."""

    name: str
    may: Mapping[str, Callable[[str, pa.DataType], bool]] = field(default_factory=dict)

    def allows(self, kind: str, column: str, type_: pa.DataType) -> bool:
        """Whether a hit of a class in a column is what the policy says."""
        test = self.may.get(kind)
        return test is not None and test(column, type_)


def _is_day(_: str, type_: pa.DataType) -> bool:
    return bool(pa.types.is_date(type_))


def _is_place(column: str, _: pa.DataType) -> bool:
    return PLACE.search(column) is not None


SAFE_HARBOR = Basis("safe-harbor")
EXPERT = Basis("expert-k11")
LIMITED = Basis(
    "limited-data-set",
    {
        **dict.fromkeys(DATES, _is_day),
        **dict.fromkeys(("city", "county", "birth_place", "name", "relative"), _is_place),
        "zip5": lambda column, _: ZIP.search(column) is not None or PLACE.search(column) is not None,
        "provider": lambda *_: True,  # the sixteen are the individual's, not the provider's
        "birth_part": lambda *_: True,
        "any_day": _is_day,
    },
)
BASES = {basis.name: basis for basis in (SAFE_HARBOR, LIMITED, EXPERT)}


@dataclass
class Known:
    """The identifiers of a source in the forms in which they are looked up."""

    words: dict[str, str] = field(default_factory=dict)
    phrases: dict[tuple[str, ...], str] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    zips: set[str] = field(default_factory=set)
    geocodes: set[str] = field(default_factory=set)
    days: dict[date, str] = field(default_factory=dict)
    stamps: set[str] = field(default_factory=set)
    columns: dict[tuple[str, str], tuple[str, set[str]]] = field(default_factory=dict)
    lengths: tuple[int, ...] = ()
    spelled: dict[tuple[str, ...], str] = field(default_factory=dict)
    totals: Counter[str] = field(default_factory=Counter)

    def counts(self) -> Counter[str]:
        """Return how many different identifiers of each class are looked for."""
        found = Counter(self.totals)
        for kinds in (self.phrases, self.numbers, self.ids, self.addresses):
            found.update(kinds.values())
        found.update({"zip5": len(self.zips), "geocode": len(self.geocodes), "timestamp": len(self.stamps)})
        return +found


def known_of(raw: Raw) -> Known:
    """Return what to look for."""
    known = Known(columns=raw.columns)
    _take_words(raw, known)
    _take_places(raw, known)
    _take_numbers(raw, known)
    _take_dates(raw, known)
    return known


def _take_words(raw: Raw, known: Known) -> None:
    for kind in reversed(WORDS):
        found: set[str] = set()
        for value in raw.values[kind]:
            spelled = [word for word in _WORD.findall(value) if _is_word(word)]
            known.spelled |= {(word,): kind for word in spelled if not word.islower()}  # "ten" of ten Brink
            found |= {word.lower() for word in spelled}
        known.words |= dict.fromkeys(found, kind)
        known.totals[kind] = len(found)


def _take_places(raw: Raw, known: Known) -> None:
    for kind in PHRASES:
        for value in raw.values[kind]:
            words = tuple(tokens(value))
            if sum(map(len, words)) >= 4:
                known.phrases[words] = kind
                known.spelled[tuple(_WORD.findall(value))] = kind
            if kind == "address" and len(words) > 2 and words[0].isdigit():
                known.phrases[words[:2]] = "house_street"
    known.lengths = tuple(sorted({len(words) for words in known.phrases}))
    known.zips = {z for value in raw.values["zip5"] if len(z := _digits(value.split("-")[0]).zfill(5)[:5]) == 5}
    known.geocodes = {g for value in raw.values["geocode"] if (g := _geocode(value))}


def _take_numbers(raw: Raw, known: Known) -> None:
    for kind in NUMBERS:
        for value in raw.values[kind]:
            parts = re.split(r"[a-z]+", value.lower())
            known.numbers |= {number: kind for part in parts if len(number := _digits(part)) >= 7}
    for kind in reversed(IDS):
        known.ids |= {c: kind for value in raw.values[kind] if len(c := compact(value)) >= 6}
    for kind in ("email", "url"):
        known.addresses |= {value.lower(): kind for value in raw.values[kind]}


def _take_dates(raw: Raw, known: Known) -> None:
    for kind in reversed(DATES):
        found = {day for value in raw.values[kind] for day in days_in(value, compact_too=True)}
        known.days |= dict.fromkeys(found, kind)
        known.totals[kind] = len(found)
        known.stamps |= {stamp for value in raw.values[kind] for stamp in _stamps(value)}


_WORD = re.compile(r"[^\W_]+")


def tokens(text: str) -> list[str]:
    """Return the words of a text, small letters, split at everything that is no letter or digit."""
    return _WORD.findall(text.lower())


def compact(text: str) -> str:
    """Return the letters and digits of a text, small letters."""
    return "".join(tokens(text))


def _is_word(word: str) -> bool:
    return len(word) >= 3 and any(c.isalpha() for c in word)


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _geocode(text: str) -> str | None:
    return f"{float(text):.4f}" if re.fullmatch(r"-?\d{1,3}\.\d{4,}", text) else None


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?P<b>{'|'.join(_MONTHS)})[a-z]*"
_DAYS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<!\d)(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})(?!\d)",
        r"(?<!\d)(?P<m>\d{1,2})[-/.](?P<d>\d{1,2})[-/.](?P<y>\d{4}|\d{2})(?!\d)",
        rf"(?<!\d)(?P<d>\d{{1,2}})(?:st|nd|rd|th)?[ -]{_MONTH}\.?,?[ -](?P<y>\d{{4}}|\d{{2}})(?!\d)",
        rf"\b{_MONTH}\.?[ -](?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?[ -](?P<y>\d{{4}})(?!\d)",
    )
]
_COMPACT = re.compile(r"(?<!\w)(?P<y>1[89]\d\d|20\d\d)(?P<m>0[1-9]|1[0-2])(?P<d>[0-3]\d)(?!\w)")


def days_in(text: str, *, compact_too: bool) -> Iterator[date]:
    """Yield every full date that a text may say; a year of two digits is read in both centuries."""
    for pattern in [*_DAYS, _COMPACT] if compact_too else _DAYS:
        for match in pattern.finditer(text):
            parts = match.groupdict()
            month = int(parts["m"]) if parts.get("m") else _MONTHS.index(parts["b"].lower()) + 1
            years = [int(parts["y"])] if len(parts["y"]) == 4 else [1900 + int(parts["y"]), 2000 + int(parts["y"])]
            for year in years:
                try:
                    yield date(year, month, int(parts["d"]))
                except ValueError:
                    continue


def _stamps(text: str) -> Iterator[str]:
    for match in re.finditer(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)", text):
        yield f"{match[1]}T{match[2]}"


def cells(table: pa.Table) -> dict[str, tuple[pa.DataType, Counter[str]]]:
    """Return, for each column, its type and how often each text stands in it."""
    found: dict[str, tuple[pa.DataType, Counter[str]]] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        counted: Counter[str] = Counter()
        for entry in pc.value_counts(plain.combine_chunks()).to_pylist():
            if entry["values"] is not None:
                counted[str(entry["values"])] += entry["counts"]
        found[name] = (plain.type, counted)
    return found


def scan(tables: Mapping[str, pa.Table], known: Known, basis: Basis, *, notes: Iterable[str] = ()) -> Found:
    """Return the cells that hold an identifier, counted by class and column.

    `notes` names free-text columns (table.column): of their words only what `note_words` counts is a leak, for a note
    has "brown sputum" without any Brown.
    """
    found: Found = Counter()
    apart = frozenset(notes)
    for table, content in tables.items():
        for column, (type_, texts) in cells(content).items():
            where = f"{table}.{column}"
            own = known.columns.get((table, column))
            for text, times in texts.items():
                kinds = set(kinds_in(text, known, column, type_, is_note=where in apart))
                if own is not None and text.strip() in own[1]:
                    kinds.add(own[0])
                for kind in kinds:
                    if not basis.allows(kind, column, type_):
                        found[kind, where] += times
    return found


def kinds_in(text: str, known: Known, column: str, type_: pa.DataType, *, is_note: bool = False) -> Iterator[str]:
    """Yield the classes of identifiers that stand in one cell; the type says with what it is compared."""
    if re.fullmatch("[a-z2-7]{16}", text):  # a pseudonym: one token
        if text in known.ids:
            yield known.ids[text]
        return
    if pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        if (point := _geocode(text)) in known.geocodes and point is not None:
            yield "geocode"
        return
    is_code = CODE.match(column) is not None
    if not is_code and not pa.types.is_integer(type_):
        yield from _places(text, known)
    yield from _dates(text, known, compact_too=not is_code, is_note=is_note)
    yield from _identifiers(text, known)
    if not pa.types.is_integer(type_) and not _is_closed(text, column):
        yield from _words(text, known, is_note=is_note)


def _is_closed(text: str, column: str) -> bool:
    return any(pattern.search(column) and compact(text) in words for pattern, words in CLOSED)


def _places(text: str, known: Known) -> Iterator[str]:
    if any(zip_[:5] in known.zips for zip_ in re.findall(r"(?<![\w.])\d{5}(?:-\d{4})?(?![\w.]\w)(?!\w)", text)):
        yield "zip5"
    if any(_geocode(number) in known.geocodes for number in re.findall(r"-?\d{1,3}\.\d{4,}", text)):
        yield "geocode"


def _dates(text: str, known: Known, *, compact_too: bool, is_note: bool) -> Iterator[str]:
    for day in days_in(text, compact_too=compact_too):
        if day in known.days:
            yield known.days[day]
    if not is_note and next(days_in(text, compact_too=False), None) is not None:
        yield "any_day"
    if any(stamp in known.stamps for stamp in _stamps(text)):
        yield "timestamp"


_TOKEN = re.compile(r"[^\s,;|/\"'()<>=\[\]]+")
_RUN = re.compile(r"\+?\(?\d[\d\s().\-]{5,}\d")


def _identifiers(text: str, known: Known) -> Iterator[str]:
    parts = [text, *_TOKEN.findall(text), *_WORD.findall(text)]
    for part in parts:
        if (kind := known.ids.get(compact(part))) is not None:
            yield kind
        if (kind := known.addresses.get(part.lower().strip("."))) is not None:
            yield kind
    for run in _RUN.findall(text):
        number = _digits(run)
        for form in (number, number.removeprefix("1") if len(number) == 11 else number):
            if form in known.numbers:
                yield known.numbers[form]


def _words(text: str, known: Known, *, is_note: bool) -> Iterator[str]:
    words = tokens(text)
    if not is_note:
        for word in words:
            if word in known.words:
                yield known.words[word]
    for length in known.lengths:
        if is_note and length < 2:
            continue
        for at in range(len(words) - length + 1):
            phrase = tuple(words[at : at + length])
            kind = known.phrases.get(phrase)
            if kind is not None and (kind != "house_street" or _side_by_side(text, phrase)):
                yield kind


def _side_by_side(text: str, phrase: tuple[str, ...]) -> bool:
    """Whether a house number and its street stand in one line with nothing but blanks between them."""
    return re.search(rf"(?<![\w.]){phrase[0]} +{re.escape(phrase[1])}(?!\w)", text.lower()) is not None


def note_words(released: Iterable[str], source: Iterable[tuple[str, list[tuple[int, int]]]], known: Known) -> int:
    """Return how many more times names and places stand in released notes than outside those spans in their source.

    `source` pairs each note with the spans that must be gone, from the answer key. "Brown" in "brown sputum" stands
    outside of them and may stay; every "Brown" beyond those is a person's.
    """
    wanted = set(known.words) | {words[0] for words in known.phrases if len(words) == 1}
    outside: Counter[str] = Counter()
    for text, spans in source:
        kept, at = [], 0
        for start, end in sorted(spans):
            kept.append(text[at:start])
            at = max(at, end)
        outside.update(word for word in tokens(" \n ".join([*kept, text[at:]])) if word in wanted)
    inside: Counter[str] = Counter()
    for text in released:
        inside.update(word for word in tokens(re.sub(r"\[[A-Z_]+\]", " ", text)) if word in wanted)
    return sum((inside - outside).values())


_SHORTEST = 6
# Since when a public list of codes knows its codes: the same in every release.
_LISTS = re.compile(rb"all codes (?:billable|valid) from \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d")

# Sizes of encrypted files differ from run to run, and may be any number: one of five digits is now and then a county.
_FILE_SIZES = re.compile(rb'"(?:bytes|contentSize)": ?"?\d+(?: B)?"?')
# Sizes of classes in a report, as 1000 to 4999: eight digits together, which are some identifier now and then.
_BINS = re.compile(rb"\b[125]0*\xe2\x80\x93[1-9]9*\b")


def scan_bytes(folder: Path, known: Known) -> Found:
    """Return what stands in the names and raw bytes of every file below a folder, by class and file name.

    Encrypted bytes are random, so nothing shorter than six bytes is looked for in them; in text, whole tokens are.
    """
    found: Found = Counter()
    needles = _needles(known)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.name
        data = path.read_bytes()
        is_text = path.suffix in (".json", ".md", ".txt", ".html")
        if is_text:
            for harmless in (_LISTS, _FILE_SIZES, _BINS):
                data = harmless.sub(b"", data)
        for kind, times in _in_bytes(data, needles).items():
            if not (is_text and kind in (*WORDS, *PHRASES)):  # those are looked for as whole words, below
                found[kind, name] += times
        for text in [str(path.relative_to(folder)), *([_text(data)] if is_text else [])]:
            for kind in set(_identifiers(text, known)) | set(_dates(text, known, compact_too=False, is_note=True)):
                found[kind, name] += 1
            for kind in set(_as_spelled(text, known)):
                found[kind, name] += 1
    return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


def _as_spelled(text: str, known: Known) -> Iterator[str]:
    """Yield the classes of words and phrases that stand in a document as the source spells them.

    A codebook may say that something may be short without naming Mr. Short or May. `cr:Field` is a term of Croissant,
    and no patient called Field.
    """
    words = _WORD.findall(text.replace('"cr:Field"', ""))
    for length in {1, *known.lengths}:
        for at in range(len(words) - length + 1):
            if (kind := known.spelled.get(tuple(words[at : at + length]))) is not None:
                yield kind


def _needles(known: Known) -> dict[bytes, dict[bytes, str]]:
    """Return every identifier of six bytes or more in the ways it is written, by its first six bytes."""
    forms: dict[str, str] = dict(known.words)
    forms |= {" ".join(words): kind for words, kind in known.phrases.items()}
    forms |= known.ids | known.addresses | known.numbers
    for values in (known.columns or {}).values():
        forms |= {value: values[0] for value in values[1] if not value.isdigit() or len(value) > 8}
    for day, kind in known.days.items():
        forms |= dict.fromkeys((f"{day:%Y-%m-%d}", f"{day:%m/%d/%Y}", f"{day:%d-%b-%Y}"), kind)
    forms |= dict.fromkeys(known.stamps, "timestamp")
    index: dict[bytes, dict[bytes, str]] = defaultdict(dict)
    for form, kind in forms.items():
        for spelled in {form, form.lower(), form.upper(), form.title()}:
            if len(needle := spelled.encode()) >= _SHORTEST:
                index[needle[:_SHORTEST]][needle] = kind
    return index


def _in_bytes(data: bytes, needles: dict[bytes, dict[bytes, str]]) -> Counter[str]:
    found: Counter[str] = Counter()
    if len(data) < _SHORTEST or not needles:
        return found
    keys = np.sort(_six(np.frombuffer(b"".join(needles), np.uint8).reshape(-1, _SHORTEST)))
    raw = np.frombuffer(data, np.uint8)
    for begin in range(0, len(raw), 1 << 20):
        part = raw[begin : begin + (1 << 20) + _SHORTEST - 1]
        if len(part) < _SHORTEST:
            break
        windows = _six(np.lib.stride_tricks.sliding_window_view(part, _SHORTEST))
        at = np.searchsorted(keys, windows)
        for hit in np.flatnonzero(keys[np.minimum(at, len(keys) - 1)] == windows):
            start = begin + int(hit)
            for needle, kind in needles[data[start : start + _SHORTEST]].items():
                before, after = data[start - 1 : start] if start else b"", data[start + len(needle) :][:1]
                if data.startswith(needle, start) and not (before.isalnum() or after.isalnum()):
                    found[kind] += 1
    return found


def _six(rows: np.ndarray) -> np.ndarray:
    total = np.zeros(len(rows), np.uint64)
    for place in range(_SHORTEST):
        total = (total << np.uint64(8)) | rows[:, place].astype(np.uint64)
    return total
