"""What the patterns find in a note by its form, and what they leave: the reference by example."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from datetime import date

import pytest
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import SpacyNlpEngine

from deid.kinds import KINDS
from deid.notes.patterns import RULES, find
from deid.notes.recognizers import pattern_recognizers
from deid.notes.span import Find

# kind            | text                                                | what of it is removed without anybody's agreement
SURE = """
service_date      | no visit since Q3 2021                              | Q3 2021
service_date      | moved here in the spring of 2019                    | spring of 2019
mrn               | MRN: 0012345                                        | 0012345
mrn               | mrn 00 12 34 56                                     | 00 12 34 56
mrn               | Medical-record identifier verified today: HC-5653   | HC-5653
mrn               | exported as visitMRN04857211                        | 04857211
account_number    | Account number is 55-12345                          | 55-12345
account_number    | card 4111 1111 1111 1111                            | 4111 1111 1111 1111
account_number    | DE89 3704 0044 0532 0130 00                         | DE89 3704 0044 0532 0130 00
member_id         | 1EG4-TE5-MK73                                       | 1EG4-TE5-MK73
member_id         | the claim of 123-45-6789A                           | 123-45-6789A
member_id         | Policy number 99-1234-A                             | 99-1234-A
npi               | NPI 1234567893                                      | 1234567893
npi               | NPI: 1234567890                                     | 1234567890
license_number    | AB1234563                                           | AB1234563
license_number    | Driver License: CA D1234567                         | D1234567
license_number    | Passport 523456789                                  | 523456789
ssn               | SSN 912-33-1234                                     | 912-33-1234
ssn               | social security number: 912331234                   | 912331234
ssn               | ***-**-4321                                         | 4321
ssn               | the last four of her SSN are 4321                   | 4321
service_date      | metformin from 11/3                                 | 11/3
service_date      | swallow 9/4                                         | 9/4
device_id         | Serial number PX4471K                               | PX4471K
device_id         | (01)00643169007222(17)160712(21)21A3                | (01)00643169007222(17)160712(21)21A3
vehicle_id        | 1HGCM82633A004352                                   | 1HGCM82633A004352
vehicle_id        | license plate ABC-1234                              | ABC-1234
claim_id          | Claim: C4471                                        | C4471
license_number    | License: R4471                                      | R4471
claim_id          | Claim #: 2021-0099812                               | 2021-0099812
encounter_id      | CSN: 100123456                                      | 100123456
unique_id         | Accession #: S21-12345                              | S21-12345
unique_id         | b9c610cd-28a6-4636-ccb6-c7a0d2a4cb85                | b9c610cd-28a6-4636-ccb6-c7a0d2a4cb85
photo             | see IMG_2041.jpg                                    | IMG_2041.jpg
phone             | (617) 555-0142 x12                                  | (617) 555-0142 x12
phone             | 617.555.0142                                        | 617.555.0142
phone             | +44 20 7946 0958                                    | +44 20 7946 0958
phone             | call her at 555-0142                                | 555-0142
phone             | pager 12345                                         | 12345
phone             | ext. 5512                                           | 5512
fax               | Fax: 617-555-0143                                   | 617-555-0143
email             | a.b+c@mail.example.org                              | a.b+c@mail.example.org
email             | jo @ mail.example.org                               | jo @ mail.example.org
email             | jo (at) example (dot) org                           | jo (at) example (dot) org
url               | https://example.org/p?id=7                          | https://example.org/p?id=7
url               | example.com/portal                                  | example.com/portal
ip_address        | 192.168.14.7                                        | 192.168.14.7
ip_address        | fe80::1ff:fe23:4567:890a                            | fe80::1ff:fe23:4567:890a
ip_address        | 00:1A:2B:3C:4D:5E                                   | 00:1A:2B:3C:4D:5E
service_date      | 03/14/2024                                          | 03/14/2024
service_date      | 3-14-24                                             | 3-14-24
service_date      | 14.03.2024                                          | 14.03.2024
service_date      | 2024-03-15T10:00Z                                   | 2024-03-15T10:00Z
service_date      | March 3rd, 2021                                     | March 3rd, 2021
service_date      | 03MAR2021                                           | 03MAR2021
service_date      | the 3rd of March                                    | 3rd of March
service_date      | March twenty-first, two thousand twenty-one         | March twenty-first, two thousand twenty-one
service_date      | March 2021                                          | March 2021
service_date      | Mar '21                                             | Mar '21
service_date      | since 3/14                                          | 3/14
service_date      | Mon 3/4                                             | 3/4
service_date      | 3/14-3/18/21                                        | 3/14-3/18/21
service_date      | last November                                       | November
service_date      | 20240315103000                                      | 20240315103000
service_date      | dated 03152024                                      | 03152024
service_date      | Jan 2-5, 2021                                       | Jan 2-5, 2021
service_date      | on Christmas Eve                                    | Christmas Eve
birth_date        | DOB: 1/2/1950                                       | 1/2/1950
birth_date        | DOB1/2/1950                                         | 1/2/1950
birth_date        | born in 1929                                        | 1929
death_date        | died on 3/4/2019                                    | 3/4/2019
age               | a 93-year-old woman                                 | 93
age               | 93yo                                                | 93
age               | 93F with cough                                      | 93
age               | Jones, 97F                                          | 97
age               | age 102                                             | 102
age               | ninety-four years old                               | ninety-four
age               | her father died at 94                               | 94
age               | her 95th birthday                                   | 95
age               | in her nineties                                     | nineties
street_address    | 4410 Larkspur Lane Apt 7B                           | 4410 Larkspur Lane Apt 7B
street_address    | 1600 5th Ave                                        | 1600 5th Ave
street_address    | 4410 CR 12                                          | 4410 CR 12
street_address    | 12 Rue des Saules                                   | 12 Rue des Saules
street_address    | P.O. Box 1182                                       | P.O. Box 1182
street_address    | RR 2 Box 45                                         | RR 2 Box 45
street_address    | PSC 473 Box 12, FPO AP 96349                        | PSC 473 Box 12, FPO AP 96349
geocode           | 42.3601, -71.0589                                   | 42.3601, -71.0589
zip_code          | zip 02446                                           | 02446
facility_name     | Room 412                                            | 412
provider_name     | Dr. Okafor                                          | Okafor
provider_name     | Priya Raman, MD                                     | Priya Raman
provider_name     | Electronically signed by Priya Raman                | Priya Raman
person_name       | Mrs. Lindqvist-Hale                                 | Lindqvist-Hale
person_name       | Mr. de la Cruz                                      | de la Cruz
person_name       | Patient Name: aisha rahimi                          | aisha rahimi
person_name       | Patient: Rahimi, Aisha                              | Rahimi, Aisha
"""

AROUND = ("{}", "The patient is stable. {}. No change.", "x\n{}\ny", "({})", "{}, and so on", "{}; stable")

# Everything that only looks like an identifier stays: nothing in these lines is removed by a pattern alone.
STAYS = """
fall risk, q4h dosing, Q1: sleep 2: energy 3, spring in his step, the fall of 3 feet
GCS 15/15, strength 5/5, pain 4/10, MMSE 26/30, MoCA score was 12/30, Apgar 8/9, vision 20/20, BP 120/80
rates pain at 6/10, strength 4/5 to 5/5, motor 4/5-5/5, 2/6 systolic murmur, on 2/3 of occasions, on 1/2 tab daily
10/325 mg, 1/2 tablet, insulin 70/30, 250/50, 5-10 mg, 250-500 mg, 5000-10000 units, 2.5 x 3.1 cm, 0.9/1.0
PMID 31234567, PMID: 20190315, PMCID PMC1234567, doi:10.1001/jama.2020.1234, NCT01234567, ISBN 978-3-16-148410-0
ICD-10 E11.9, CPT 99213, CPT code 99214-25, HCPCS J1885, NDC 00071-0155-23, LOINC 4548-4, SNOMED CT 386661006
version 10.2.14, firmware 4.12.2020, software version 3.14.15.92, v2.3.1
for 3 weeks, every 4-6 hours, 10-14 days, 24-48 hours, 24/7, q4-6h, 30 1/7 weeks, 20 pack-years, 95 pack years
ratio 1:2, titer 1:160, 1/2000 dilution, FEV1/FVC 0.65, L4-L5, T12-L1, V4-V6, T2N1M0, 4-0 vicryl, 12-lead EKG
platelets 250000, 1500000 copies/mL, viral load 1,200,000, 100000 CFU, BNP 1200, 7.35/45/80/24, 140/4.0/102/24
SpO2 98%, HR 92 and regular, T 98.6 F, weight 95 kg, 92% on room air, rate in the 90s, 90 minutes, 97th percentile
67-year-old, 45 y/o, age 54, aged 60, in her 50s, ages 90 and over, age > 90, >89 years, for 95 years, 100 years ago
may repeat in 5 minutes, march in place, may 2 tabs, second opinion, first of many, 3rd toe, on the 3rd attempt
hospital day 3, POD 2, G2P1, stage 3/4, grade 3/4 tear, 2/12 nodes positive, week 12, phase 3, room air, bed rest
in 2019, since 2015, in the 1990s, 2018-2020, 2019-20 season, at 10:30, 08:00 AM, 10:30:15, 0800 hours
case 3, plan: 1. continue, order 2 units, visit 2 of 3, group 2 disease, Order: 1000 NS bolus, office visit 99214
lot of pain, serial exams, reference range 150-400, page 3 of 5, call 911, disp #60, refills 3, Tylenol #3
in the last 4 days he drank 2000 mL, the last four visits in 2019, quit smoking in 2005, Social history: 2005 quit
COVID-19, SARS-CoV-2, CA-125, CD20, IL-6, HLA-B27, H1N1, HbA1c 7.5, B12, D5W, 1/2 NS, Section 164.514, 45 CFR 164.514
Parkinson disease, Foley catheter, Dr. Foley catheter, Bell's palsy, Babinski sign, Mr. or Mrs., St. John's wort
Patient: Stable, Name: Lisinopril 10 mg, Attending: Cardiology, Mother: Breast Cancer, Patient signed Informed Consent
T 101 F today, Temp 102 F at noon, Warmer 104 F, pulse width 0.75 V @ 0.4 ms, doses at 0000 0400 0800 1200
SEP-1 bundle met, Monitor. NRS-2002 was 5, TENS unit (Empi 300), billed (Medicare: G2212), form DEA 222, a Dr Pepper a day
Na 139 K 4.0 BUN 18 Cr 0.9, rituximab 375 PER SQUARE METER weekly, S/P LAP APPY, Creatinine|2.4|mg/dL|0.6-1.2|H
Attending: See Board, Attending: Per Call Schedule, quit 3/4 of the packs
TAKE WITH FOOD, DO NOT DRIVE. CALL OFFICE, DO NOT WAIT.
a 15 minute drive, a 2 lane road, 3 times down the street, walked 2 miles
"""

HINTS = (
    ("Her daughter Sarah called", "Sarah"),
    ("Boston, MA", "Boston"),
    ("at Mercy General Hospital", "Mercy General Hospital"),
    ("moved to Brookline", "Brookline"),
    ("code 8812345 on the wrist", "8812345"),
    ("tag XK-44120-7", "XK-44120-7"),
    ("maybe 9/14 or so", "9/14"),
    ("by June", "June"),
    ("SMITH, JOHN", "SMITH, JOHN"),
)


def rows(table: str) -> list[tuple[str, ...]]:
    """Cut a text table into its cells."""
    return [tuple(cell.strip() for cell in line.split("|")) for line in table.strip().splitlines()]


def removed(text: str, finds: Iterable[Find]) -> set[int]:
    """Return the places of letters and digits that finds remove by themselves."""
    return {at for f in finds if f.sure for at in range(f.start, f.end) if text[at].isalnum()}


@pytest.mark.parametrize(("kind", "text", "value"), rows(SURE))
def test_identifiers_are_removed_by_their_form_alone(kind: str, text: str, value: str) -> None:
    """Each form goes wherever it stands, all of it, and as what it is."""
    for around in AROUND:
        whole = around.format(text)
        start = whole.index(value)
        finds = find(whole)
        expected = {at for at in range(start, start + len(value)) if whole[at].isalnum()}
        assert removed(whole, finds) == expected, whole
        assert kind in {f.kind for f in finds if f.sure and f.start < start + len(value) and f.end > start}


@pytest.mark.parametrize("text", STAYS.strip().splitlines())
def test_what_only_looks_like_an_identifier_stays(text: str) -> None:
    """Scores, doses, codes, versions, durations and eponyms are not removed by a pattern alone."""
    assert [(f.rule, text[f.start : f.end]) for f in find(text) if f.sure] == []


@pytest.mark.parametrize(("text", "value"), HINTS)
def test_what_needs_agreement_is_a_hint(text: str, value: str) -> None:
    """What is right too seldom is told to the network and never removed alone."""
    (hint,) = [f for f in find(text) if text[f.start : f.end] == value]
    assert not hint.sure


def test_a_state_stays_between_its_city_and_its_zip_code() -> None:
    """45 CFR 164.514(b)(2)(i)(B) names what is smaller than a state."""
    text = "Lives in Brookline, MA 02446"
    assert (
        "".join("_" if at in removed(text, find(text)) else c for at, c in enumerate(text))
        == "Lives in _________, MA _____"
    )


def test_a_wrong_check_digit_never_spares_a_labeled_number() -> None:
    """Check digits raise confidence: without them a bare number is a hint, and a labeled one is removed all the same."""
    assert not any(f.sure for f in find("code 1HGCM82634A004352"))
    assert [f.kind for f in find("VIN 1HGCM82634A004352") if f.sure] == ["vehicle_id"]
    assert any(f.kind == "npi" and f.sure for f in find("Provider Raman 1234567893"))
    assert not any(f.kind == "npi" for f in find("number 1234567890"))


def test_a_year_of_birth_goes_when_it_tells_an_age_over_89() -> None:
    """The year stays while the oldest it may tell is 89."""
    this = date.today().year  # noqa: DTZ011 - a year has no zone
    assert [f.sure for f in find(f"born in {this - 90}")] == [True]
    assert find(f"born in {this - 89}") == []


def test_no_find_crosses_from_one_note_to_the_next() -> None:
    """Joined notes are searched as they are alone: a label does not reach into the next note."""
    first, second = "MRN:", "0012345 was read. Seen by Dr."
    joined = f"{first}\n\x00\n{second}\n\x00\nPatel"
    assert [f for f in find(joined) if f.sure] == []


def test_finds_come_in_order_and_none_lies_inside_a_sure_one() -> None:
    """The reader of finds need not sort them, nor weigh a hint against what goes anyway."""
    finds = find("Call 617-555-0142 x12 or write to jo@example.org (https://example.org/a/2024-01-02).")
    assert [f.start for f in finds] == sorted(f.start for f in finds)
    for outer in finds:
        assert not [f for f in finds if f is not outer and outer.sure and outer.start <= f.start and f.end <= outer.end]


def test_every_rule_finds_a_kind_of_the_vocabulary_under_a_name_of_its_own() -> None:
    """Reports and policies know the kinds, and a name says which pattern it was."""
    assert {rule.kind for rule in RULES} <= {kind.name for kind in KINDS.values()}
    assert all(rule.title == f"pattern:{rule.kind}:{rule.name}" for rule in RULES)


def test_presidio_finds_what_the_patterns_find() -> None:
    """The recognizers stand in a stock registry; offsets are those of the text as it came, folded or not."""
    spacy = pytest.importorskip("spacy")

    class Blank(SpacyNlpEngine):
        """Presidio's own engine on an empty model: the patterns need none."""

        def __init__(self) -> None:
            super().__init__()
            self.nlp = {"en": spacy.blank("en")}

    registry = RecognizerRegistry(supported_languages=["en"])
    for recognizer in pattern_recognizers():
        registry.add_recognizer(recognizer)
    engine = AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["en"])
    text = "Jos\u0065\u0301: MRN\u00a0\uff10\uff10\uff11\uff12\uff13\uff14\uff15, DOB 1/2/1950, Mercy General Hospital"
    found = {(r.entity_type, text[r.start : r.end], r.score) for r in engine.analyze(text, language="en")}
    assert ("mrn", "\uff10\uff10\uff11\uff12\uff13\uff14\uff15", 0.95) in found
    assert ("birth_date", "1/2/1950", 0.95) in found
    assert ("facility_name", "Mercy General Hospital", 0.4) in found
    (only,) = engine.analyze(text, language="en", entities=["mrn"])
    assert only.entity_type == "mrn"


def test_patterns_load_neither_presidio_nor_spacy() -> None:
    """The functions are called directly: recognizers are there for others."""
    code = (
        "import sys, deid.notes.patterns as p; p.find('MRN 0012345');"
        "sys.exit(any(m.split('.')[0] in ('spacy', 'presidio_analyzer', 'presidio_anonymizer') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
