"""The word lists of notes: what they say of words, what they were made of, and that making them again changes nothing."""

from __future__ import annotations

import hashlib
import io
import json
import math
import random
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from deid.errors import NotesError
from deid.notes import lists
from deid.notes.build import named_table, write_table
from deid.notes.building import own
from deid.notes.building.english import count_words, frequencies
from deid.notes.building.facilities import _titled
from deid.notes.building.facts import page
from deid.notes.building.inputs import Inputs
from deid.notes.building.own import CLINICAL, DRUGS, ENGLISH, EPONYMS, FILES, MISSPELLINGS, read_own
from deid.notes.building.places import place_bits
from deid.notes.building.sources import SOURCES
from deid.notes.building.table import Known, english_class, facility_class, name_class, ratio_class, word_table
from deid.notes.lists import COLUMNS, DATA, FACTS, load, plain

ROOT = Path(__file__).parents[2]
FACTS_OF_RELEASE = json.loads((DATA / FACTS).read_text(encoding="utf-8"))
LARGEST = 3_000_000


def level(word: str, column: str) -> int:
    """Return what a column says of a word that is in the lists."""
    known = load()
    return int(known.levels[known.index[word], COLUMNS.index(column)])


def bits(word: str, column: str) -> set[int]:
    """Return the bits of a word that is in the lists."""
    return {bit for bit in (1, 2, 4, 8, 16, 32) if level(word, column) & bit}


@pytest.mark.parametrize(("common", "rare"), [("smith", "drewno"), ("garcia", "utendorf"), ("nguyen", "maddrey")])
def test_surnames_of_more_people_have_a_higher_class(common: str, rare: str) -> None:
    """A surname of millions is classed above one of hundreds, and both are surnames."""
    assert level(common, "surname") > level(rare, "surname") > 0


@pytest.mark.parametrize("name", ["michael", "maria", "wei", "lakshmi", "fatima", "shaniqua"])
def test_given_names_of_all_origins_are_there(name: str) -> None:
    """Given names of the census are listed whatever language they are of."""
    assert level(name, "given") > 0


def test_english_is_classed_by_how_common_it_is() -> None:
    """The commonest words have the highest class, rare words the lowest, and names that are no words have none."""
    assert level("the", "english") == 12
    assert level("the", "english") > level("pain", "english") > level("tachycardia", "english") > 0
    assert level("nguyen", "english") == 0


def test_ratio_tells_names_from_words() -> None:
    """A word that is both stands between a word that is hardly a name and a name that is hardly a word."""
    assert level("individuals", "ratio") < level("will", "ratio") < level("grace", "ratio") < level("michael", "ratio")


@pytest.mark.parametrize(
    ("word", "column", "some"),
    [
        ("fracture", "clinical", {lists.CLINICAL_DESCRIPTION}),
        ("copd", "clinical", {lists.CLINICAL_DESCRIPTION}),
        ("lisinopril", "clinical", {lists.CLINICAL_DRUG}),
        ("lipitor", "clinical", {lists.CLINICAL_DRUG}),
        ("parkinson", "clinical", {lists.CLINICAL_EPONYM}),
        ("foley", "clinical", {lists.CLINICAL_EPONYM}),
        ("femur", "clinical", {lists.CLINICAL_BODY}),
        ("mcg", "clinical", {lists.CLINICAL_BODY}),
        ("chicago", "place", {lists.PLACE_WORD, lists.PLACE_WHOLE}),
        ("vegas", "place", {lists.PLACE_WORD}),
        ("tx", "place", {lists.PLACE_STATE}),
        ("dakota", "place", {lists.PLACE_STATE}),
        ("vietnamese", "place", {lists.PLACE_COUNTRY}),
        ("osaka", "place", {lists.PLACE_WORLD}),
        ("blvd", "place", {lists.PLACE_STREET}),
    ],
)
def test_a_word_has_the_bits_of_its_kinds(word: str, column: str, some: set[int]) -> None:
    """A word of a kind has that kind's bit."""
    assert some <= bits(word, column)


@pytest.mark.parametrize(
    ("words", "bit"),
    [
        ("unithroid lortab epiduo microgestin aviane camila errin ozempic shingrix omnipaque pediasure", lists.CLINICAL_DRUG),
        ("weightbearing dyspneic carbinol pubmed ntnd abx dispo postop televisit aircast dermabond", lists.CLINICAL_DESCRIPTION),
        ("smith magenis guillain barre ehlers danlos osgood schlatter legg calve perthes", lists.CLINICAL_EPONYM),
    ],
)  # fmt: skip
def test_words_of_notes_are_known_for_what_they_are(words: str, bit: int) -> None:
    """Brands, words that only notes have, and both halves of double eponyms have the bit of their kind."""
    assert [word for word in words.split() if bit not in bits(word, "clinical")] == []


@pytest.mark.parametrize(
    ("words", "least", "most"),
    [
        ("themself website online smartphone selfie covid vape", 3, 8),
        ("palpabale recieve abdomin diarhea occured", 1, 3),
    ],
)
def test_everyday_words_and_misspellings_are_english(words: str, least: int, most: int) -> None:
    """Words of today are English in a middle class, misspellings in a low one."""
    assert [word for word in words.split() if not least <= level(word, "english") <= most] == []


@pytest.mark.parametrize(
    ("file", "least"),
    [(DRUGS, 3_500), (CLINICAL, 6_000), (ENGLISH, 1_500), (MISSPELLINGS, 800), (EPONYMS, 500)],
)
def test_own_lists_are_in_the_data(file: str, least: int) -> None:
    """Every word of the lists that were written for this project has a row that says so."""
    column, bit = {
        DRUGS: ("clinical", lists.CLINICAL_DRUG),
        CLINICAL: ("clinical", lists.CLINICAL_DESCRIPTION),
        EPONYMS: ("clinical", lists.CLINICAL_EPONYM),
    }.get(file, ("english", 15))
    words = read_own(file)
    assert len(words) > least
    assert [word for word in words if not level(word, column) & bit] == []


def test_own_lists_add_no_very_common_names() -> None:
    """No misspelling and no word of everyday writing that is no other word of English is a name of many people."""
    for file in (ENGLISH, MISSPELLINGS):
        assert [word for word in read_own(file) if max(level(word, "surname"), level(word, "given")) >= 7] == []


@pytest.mark.parametrize("line", ["Lortab", "o'neil", "x", "caf\u00e9"])
def test_own_lists_refuse_what_is_not_plain(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word with capitals, accents or signs, or of one letter, stops the build, and only its line is named."""
    for file in FILES:
        (tmp_path / file).write_text(f"# It's a remark\nplain words\n{line}\n", encoding="utf-8")
    monkeypatch.setattr(own, "_FOLDER", tmp_path)
    with pytest.raises(ValueError, match="line 3") as caught:
        read_own(DRUGS)
    assert str(caught.value).removeprefix(DRUGS) == ", line 3: a word is not of 2 to 24 letters from a to z"


@pytest.mark.parametrize("word", ["amber", "price", "group", "time", "carry"])
def test_ordinary_words_are_no_drugs(word: str) -> None:
    """Names and words that some dictionary of drugs has as a synonym are not classed as drugs."""
    assert lists.CLINICAL_DRUG not in bits(word, "clinical")


def test_facility_words_are_classed_by_how_many_names_have_them() -> None:
    """`hospital` is in more names than `mercy`; `lisinopril` is in none."""
    assert level("hospital", "facility") > level("mercy", "facility") > level("lisinopril", "facility") == 0


def test_unknown_words_have_a_row_of_zeros() -> None:
    """Row 0 says nothing, and no word has it."""
    known = load()
    assert not known.levels[0].any()
    assert min(known.index.values()) == 1
    assert "zzyzxq" not in known.index


def test_rows_are_one_for_each_word_and_cannot_be_written() -> None:
    """Every word has a row of its own of one byte for each column, and the table refuses to be changed."""
    known = load()
    assert known.levels.shape == (len(known.index) + 1, len(COLUMNS))
    assert known.levels.dtype == np.uint8
    with pytest.raises(ValueError, match="read-only"):
        known.levels[1, 0] = 7


def test_columns_stay_within_their_classes() -> None:
    """No column says more than the network has rows for."""
    highest = dict(zip(COLUMNS, load().levels.max(axis=0).tolist(), strict=True))
    limits = {"surname": 9, "given": 9, "english": 12, "ratio": 18, "clinical": 15, "place": 63, "facility": 7}
    assert all(0 < highest[name] <= limit for name, limit in limits.items())


def test_words_are_spelled_plain() -> None:
    """Every word of the lists is what `plain` makes of it: letters from a to z in lower case."""
    assert all(word.isascii() and word.isalpha() and word == plain(word) for word in load().index)


@pytest.mark.parametrize(
    ("written", "spelled"),
    [("José", "jose"), ("MÜLLER", "muller"), ("Łódź", "lodz"), ("Strauß", "strauss"), ("Ng", "ng")],
)
def test_plain_folds_case_and_accents(written: str, spelled: str) -> None:
    """A word is looked up without its accents, composed, decomposed or whole letters."""
    assert plain(written) == spelled


def test_names_come_with_their_people() -> None:
    """Names for the generator are those of the table, with positive counts; Smith leads the surnames."""
    names, people = load().surnames()
    assert len(names) == len(people) > 150_000
    assert people.min() > 0
    assert names[int(people.argmax())] == "smith"
    given, born = load().given_names()
    assert len(given) == len(born) > 50_000
    assert given[int(born.argmax())] == "michael"


def test_whole_names_are_distinct_and_as_written() -> None:
    """Cities, counties, hospitals, clinics and streets are each listed once, spelled as in running text."""
    known = load()
    listed = [known.cities(), known.counties(), known.hospital_names(), known.clinic_names(), known.streets()]
    assert all(len(names) == len(set(names)) > 1_000 for names in listed)
    assert "Salt Lake City" in known.cities()
    assert "Cook County" in known.counties()
    assert not [name for names in listed for name in names if name != name.strip() or name.islower()]


def test_clinics_named_after_one_person_are_left_out() -> None:
    """No name of a facility has a credential of a person in it."""
    credentials = {"MD", "DO", "NP", "DPM", "DDS", "PHD"}
    names = [*load().hospital_names(), *load().clinic_names()]
    assert not [name for name in names if credentials & set(name.upper().replace(".", "").replace(",", " ").split())]


def test_files_are_those_of_the_facts() -> None:
    """Sizes and digests beside the data are those of the data, and all of it is small."""
    said = FACTS_OF_RELEASE["files"]
    assert {file.name for file in DATA.glob("*.parquet")} >= set(said)
    for name, facts in said.items():
        content = (DATA / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (facts["bytes"], facts["sha256"])
    assert sum(facts["bytes"] for facts in said.values()) < LARGEST


def test_every_source_has_origin_license_and_digest() -> None:
    """Each source that the code names is in the facts, with where it is from, its terms, and the package's SHA-256."""
    said = {source["package"]: source for source in FACTS_OF_RELEASE["sources"]}
    assert list(said) == [source.package for source in SOURCES]
    for source in SOURCES:
        facts = said[source.package]
        assert (facts["version"], facts["origin"], facts["license"]) == (source.version, source.origin, source.license)
        assert facts["license"]
        assert source.is_of(facts["file"])
        assert len(bytes.fromhex(facts["sha256"])) == 32


def test_no_source_is_shared_alike() -> None:
    """No license makes what is derived carry the same license."""
    terms = " ".join(source.license for source in SOURCES)
    assert not any(word in terms for word in ("SA", "GPL", "GFDL", "ODbL"))


def test_notices_that_must_go_along_do() -> None:
    """The permission notices of word lists and packages are in the data and on the page; GeoNames is credited."""
    shown = (ROOT / "docs/reference/word-lists.md").read_text(encoding="utf-8")
    assert set(FACTS_OF_RELEASE["notices"]) == {source.package for source in SOURCES if source.notices}
    for held in (shown, json.dumps(FACTS_OF_RELEASE)):
        assert "Kevin Atkinson" in held
        assert "WordNet 3.0 Copyright 2006 by Princeton University" in held
        assert "The MITRE Corporation" in held
        assert "GeoNames" in held
        assert "CC BY 4.0" in held


def test_the_page_is_that_of_the_facts() -> None:
    """docs/reference/word-lists.md is generated: nobody edited it."""
    assert (ROOT / "docs/reference/word-lists.md").read_text(encoding="utf-8") == page(FACTS_OF_RELEASE)


def test_a_damaged_list_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is no table is refused with its name and a remedy, and nothing of what it holds."""
    (tmp_path / lists.WORDS).write_bytes(b"Zebediah")
    monkeypatch.setattr(lists, "DATA", tmp_path)
    load.cache_clear()
    try:
        with pytest.raises(NotesError, match=r"words\.parquet") as caught:
            load()
        assert "Zebediah" not in str(caught.value)
    finally:
        load.cache_clear()


def test_only_lower_case_words_are_counted() -> None:
    """Names, parts of addresses and paths, and halves of other words are not counted as English."""
    counted = count_words("Mark will mark the mark; see mark@home /usr/mark mark_up MARK and the well-known mark.")
    assert counted["mark"] == 3
    assert counted["home"] == counted["usr"] == counted["known"] == 0


def test_english_is_the_mean_of_texts_and_tier() -> None:
    """A word that all texts have is commoner than one of a single text, and an unseen word has what its tier gives."""
    counts = {"wordnet": count_words("a b a"), "austen": count_words("a a a")}
    found = frequencies(counts, {"a": 10, "b": 10, "c": 70})
    assert found["a"] > found["b"] > found["c"] > 0


def test_classes_grow_with_what_they_count() -> None:
    """More people, more English, more facilities never give a lower class; nothing gives none."""
    counts = [0, 1, 92, 500, 10_000, 300_000, 3_500_000]
    assert [name_class(n) for n in counts] == sorted(name_class(n) for n in counts)
    assert [facility_class(n) for n in counts] == sorted(facility_class(n) for n in counts)
    shares = [0.0, 1e-3, 0.01, 1.0, 100.0, 4e4]
    assert [english_class(s) for s in shares] == sorted(english_class(s) for s in shares)
    assert [ratio_class(n, 1.0) for n in counts] == sorted(ratio_class(n, 1.0) for n in counts)
    assert name_class(0) == english_class(0.0) == facility_class(1) == 0
    assert math.isclose(ratio_class(10**9, 0.0), 18)


def test_places_give_whole_and_part() -> None:
    """A name of one word is a whole place; words of longer names are parts; fillers are nothing."""
    found = place_bits(["Truth or Consequences", "Boise"], ["Ada County"], ["Île-Ville"])
    assert found["boise"] == found["ada"] == lists.PLACE_WORD | lists.PLACE_WHOLE
    assert found["consequences"] == lists.PLACE_WORD
    assert found["ile"] == lists.PLACE_WORLD
    assert "the" not in found


@pytest.mark.parametrize(
    ("shouted", "written"),
    [
        ("CHILDREN'S HOSPITAL OF THE KINGS", "Children's Hospital of the Kings"),
        ("BSMH URGENT CARE-ST LUKE", "BSMH Urgent Care-St Luke"),
        ("McLeod Regional", "McLeod Regional"),
    ],
)
def test_names_in_capitals_are_written_as_in_text(shouted: str, written: str) -> None:
    """Capitals are taken back but from abbreviations; names in mixed case stay."""
    assert _titled(shouted) == written


def test_the_same_facts_give_the_same_bytes(tmp_path: Path) -> None:
    """Whatever the order in which sources were read, table and file are the same."""
    people = {"smith": 2_000_000, "drewno": 92, "grace": 4_000}
    pairs = list(people.items())
    digests = set()
    for seed in range(3):
        random.Random(seed).shuffle(pairs)
        known = Known(
            dict(pairs), {"grace": 400_000}, {"grace": 27.0, "the": 4e4}, {"smith": 4}, {"grace": 3}, {"the": 5}
        )
        write_table(word_table(known), tmp_path / "made.parquet")
        digests.add(hashlib.sha256((tmp_path / "made.parquet").read_bytes()).hexdigest())
    assert len(digests) == 1


def test_only_plain_words_of_some_length_get_a_row() -> None:
    """Single letters, words with other signs, and very long strings are left out."""
    known = Known({"ab": 100, "x": 100, "o'neil": 100, "a" * 30: 100, "β" * 3: 100}, {}, {}, {}, {}, {})
    assert known.words() == ["ab"]


def test_named_tables_keep_kind_and_name() -> None:
    """Every name stands once beside its kind, in the order given."""
    table = named_table({"city": ["A", "B"], "county": ["C County"]})
    assert table.to_pydict() == {"kind": ["city", "city", "county"], "name": ["A", "B", "C County"]}


def _debian(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    members = [(b"debian-binary", b"2.0\n"), (b"control.tar.xz", b"odd"), (b"data.tar.xz", packed.getvalue())]
    parts = [
        name.ljust(16)
        + b"0".ljust(32)
        + str(len(content)).encode().ljust(10)
        + b"`\n"
        + content
        + b"\n" * (len(content) % 2)
        for name, content in members
    ]
    return b"!<arch>\n" + b"".join(parts)


def test_packages_are_read_as_they_are_and_digested(tmp_path: Path) -> None:
    """Files of a Debian package and of a wheel come by path, and each package is noted with its SHA-256."""
    (tmp_path / "tiny_1.0-1_all.deb").write_bytes(_debian({"usr/b.txt": b"two", "usr/a.txt": b"one", "etc/c": b"no"}))
    with zipfile.ZipFile(tmp_path / "small-2.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("small/rows.csv", "name,count\nx,1\n")
    inputs = Inputs(tmp_path)
    assert list(inputs.debian("tiny", "usr/", (".txt",))) == [("usr/a.txt", b"one"), ("usr/b.txt", b"two")]
    assert inputs.rows("small", "small/rows.csv") == [{"name": "x", "count": "1"}]
    assert inputs.digests == {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(tmp_path.iterdir())
    }


def test_a_package_must_be_there_once(tmp_path: Path) -> None:
    """Two versions of a package, or none, are refused rather than one of them chosen."""
    with pytest.raises(FileNotFoundError):
        Inputs(tmp_path).wheel("small")
    for version in ("1", "2"):
        (tmp_path / f"small-{version}-py3-none-any.whl").write_bytes(b"")
    with pytest.raises(FileNotFoundError):
        Inputs(tmp_path).wheel("small")
