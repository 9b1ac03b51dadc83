"""Releases of C-CDA documents, searched for identifiers by the independent scanner, and for canaries of our own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from attack.inputs import SAMPLES, lenient, wide
from attack.leaks import SAFE_HARBOR, known_of, scan
from attack.raw_ccda import collect_ccda
from ccda_documents import LOCAL, NAMESPACES, act, coded, section
from sites import TestSite, expert_without_ceiling, make_site

from deid.sources import load_dataset, open_source

FOLDER = SAMPLES / "ccda"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """One site for the releases of this module."""
    return make_site(tmp_path_factory.mktemp("ccda") / "site")


def test_the_scanner_finds_what_stands_in_the_source() -> None:
    """In the raw columns that the source reads, every class of identifier is found: the search can fail."""
    dataset = load_dataset(FOLDER / "dataset.yaml")
    source = open_source(dataset)
    known = known_of(collect_ccda(FOLDER))
    found: set[str] = set()
    for name in ("patients", "relatives", "encounters"):
        table = dataset.table(name)
        assert table is not None
        batches = source.read(name, [column.name for column in table.columns])
        found |= {kind for kind, _ in scan({name: pa.Table.from_batches(batches)}, known, SAFE_HARBOR)}
    assert found >= {"name", "relative", "address", "city", "ssn", "mrn", "member", "phone", "email", "provider"}


# Canaries: identifiers hidden in every corner where nobody described one. Each is shaped like a code.
CORNERS: dict[str, tuple[str, str]] = {
    "display": ("Q70.1", "value[codeSystem=icd10cm]@displayName"),
    "original_text": ("Q70.2", "value/originalText"),
    "local_code": ("Q71.1", f"value[codeSystem={LOCAL}]@code"),
    "system_name": ("Q71.2", "value[codeSystem=icd10cm]@codeSystemName"),
    "extension": ("Q72.1", "id@extension"),
    "local_id": ("Q72.2", "author/assignedAuthor/id@extension"),
    "author": ("Q73.1", "author/assignedAuthor/assignedPerson/name/family"),
    "performer": ("Q73.2", "performer/assignedEntity/assignedPerson/name"),
    "narrative": ("Q74.1", "%section/text"),
    "act_text": ("Q74.2", "text"),
    "title": ("Q74.3", "%section/title"),
    "scribe": ("Q75.1", "%document/dataEnterer/assignedEntity/assignedPerson/name"),
    "recipient": ("Q75.2", "%document/informationRecipient/intendedRecipient/informationRecipient/name"),
    "participant": ("Q75.3", "participant/participantRole/playingEntity/name"),
    "document_title": ("Q76.1", "%document/title"),
    "status": ("Q76.2", "entryRelationship/observation/value[codeSystem=icd10cm]@displayName"),
}
NEVER = {"unknown_element": "Q77.1", "unknown_attribute": "Q77.2", "comment": "Q77.3", "instruction": "Q77.4",
         "other_namespace": "Q77.5", "image": "Q77.6", "null_value": "Q77.7", "fathers": "Q77.8", "denied": "Q77.9"}  # fmt: skip


def _canary(corner: str) -> str:
    return CORNERS[corner][0] if corner in CORNERS else NEVER[corner]


def _named(element: str, corner: str) -> str:
    person = f"<assignedPerson><name><family>{_canary(corner)}</family></name></assignedPerson>"
    return f'<{element}><id root="{LOCAL}" extension="{_canary("local_id")}"/>{person}</{element}>'


def _document(who: int) -> str:
    name = _canary
    value = coded(
        "E11.9",
        more=f'displayName="{name("display")}" codeSystemName="{name("system_name")}" badge="{name("unknown_attribute")}"',
        inside=f"<originalText>{name('original_text')}</originalText>"
        + coded(name("local_code"), LOCAL, name="translation"),
    )
    status = act("6", coded("I10", more=f'displayName="{name("status")}"'))
    told = (
        f'<id root="{LOCAL}" extension="{name("extension")}"/><text>{name("act_text")}</text>'
        f'<effectiveTime><low value="20240304"/></effectiveTime>{value}'
        f'<value xsi:type="CD" nullFlavor="UNK" code="{name("null_value")}" codeSystem="2.16.840.1.113883.6.90"/>'
        f"<performer>{_named('assignedEntity', 'performer')}</performer>"
        f"<author>{_named('assignedAuthor', 'author')}</author>"
        f"<participant><participantRole><playingEntity><name>{name('participant')}</name></playingEntity></participantRole></participant>"
        f"<entryRelationship>{status}</entryRelationship>"
        f"<badge>{name('unknown_element')}</badge><x:badge xmlns:x='urn:x'>{name('other_namespace')}</x:badge>"
        f"<observationMedia><value>{name('image')}</value></observationMedia><!-- {name('comment')} --><?x {name('instruction')}?>"
    )
    entries = (
        act("4", told),
        act("4", coded(name("denied")), attributes='moodCode="EVN" negationInd="true"'),
        act("45", f"<subject/><component>{act('4', coded(name('fathers')))}</component>", name="organizer"),
    )
    texts = f"<title>{name('title')}</title><text>{name('narrative')}</text>"
    person = '<administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/><birthTime value="19700203"/>'
    recipient = f"<informationRecipient><name>{name('recipient')}</name></informationRecipient>"
    visit = (
        f'<componentOf><encompassingEncounter><id root="1.2" extension="e{who}"/>'
        '<effectiveTime><low value="20240304"/><high value="20240304"/></effectiveTime></encompassingEncounter></componentOf>'
    )
    return (
        f'<ClinicalDocument {NAMESPACES}><id root="1.2.3.7" extension="d{who}"/><title>{name("document_title")}</title>'
        f'<recordTarget><patientRole><id root="1.2.3.99" extension="p{who}"/><patient>{person}</patient></patientRole></recordTarget>'
        f"<dataEnterer>{_named('assignedEntity', 'scribe')}</dataEnterer>"
        f"<informationRecipient><intendedRecipient>{recipient}</intendedRecipient></informationRecipient>{visit}"
        f"<component><structuredBody><component>{section(*entries, inside=texts)}</component></structuredBody></component>"
        "</ClinicalDocument>"
    )


@pytest.fixture(scope="module")
def canaries(site: TestSite) -> Path:
    """Documents of eleven patients alike: so many that no policy withholds them."""
    folder = site.folder / "canaries"
    folder.mkdir()
    for who in range(11):
        (folder / f"d{who}.xml").write_text(_document(who))
    return folder


def _policy(site: TestSite, name: str) -> Path:
    """Return a policy; of eleven patients alike a ceiling on known codes lets nothing through."""
    return expert_without_ceiling(site) if name == "expert-k11" else site.folder / "policies" / f"{name}.yaml"


def _release(site: TestSite, name: str, policy: str, **description: Any) -> str:
    """Return every cell of a release of every described column, as one text."""
    document = {"dataset": name, "format": "ccda_r21", "root": "canaries"} | description
    dataset = site.write(f"{name}.yaml", document)
    tables = wide(dataset)
    if policy == "expert-k11":  # its k counts these of a patient
        tables = {"patients": ["patient_id", "birth_date", "sex"]} | {
            table: tables[table] for table in ("encounters", "diagnoses")
        }
    request = site.request(
        dataset,
        tables,
        request=f"{name}-{policy}",
        policy=str(_policy(site, policy)),
        agreement="DUA-1" if policy.startswith("limited") else None,
    )
    opened = site.open(site.run(request))
    found = [opened.read(table) for table in opened.tables]
    assert Counter(table.num_rows for table in found)[11] >= 3
    return "\n".join(str(cell) for table in found for column in table.columns for cell in column.to_pylist())


@pytest.mark.parametrize("policy", ["limited-data-set", "safe-harbor", "expert-k11"])
def test_no_corner_that_nobody_described_reaches_a_release(site: TestSite, canaries: Path, policy: str) -> None:
    """Displays, original texts, narratives, names, local codes and ids, unknown elements: none of the canaries is there."""
    cells = _release(site, "described", policy)
    assert "E11" in cells
    assert [corner for corner in (*CORNERS, *NEVER) if _canary(corner) in cells] == []


def test_the_canaries_would_be_seen(site: TestSite, canaries: Path) -> None:
    """A description that calls each corner a facility, or a diagnosis, lets every canary through if these are kept."""
    columns = {
        corner: {"kind": "icd10cm" if path.endswith("@code") else "facility_name", "path": path}
        for corner, (_, path) in CORNERS.items()
    }
    cells = _release(site, "misdescribed", lenient(site), tables={"diagnoses": {"columns": columns}})
    assert [corner for corner in CORNERS if _canary(corner) not in cells] == []
    assert [corner for corner in NEVER if _canary(corner) in cells] == []
