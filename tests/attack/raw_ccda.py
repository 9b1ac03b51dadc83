"""What identifies the people of C-CDA documents, collected by walking their trees with the standard library.

Every element that may hold an identifier is collected by its name, wherever in the document it stands: of the patient,
of relatives and informants, of authors, signers, custodians and whoever else is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from attack.raw_sources import Raw

_SSN, _NPI = "2.16.840.1.113883.4.1", "2.16.840.1.113883.4.6"
_MEMBER = ("2.16.840.1.113883.4.927", "2.16.840.1.113883.4.572")
_RELATIVES = ("guardianPerson", "associatedPerson", "relatedPerson")
_PEOPLE = ("recordTarget", "relatedEntity", "associatedEntity")  # around what is of the patient or a relative
_PROVIDERS = (
    "assignedPerson", "representedOrganization", "representedCustodianOrganization", "providerOrganization",
    "serviceProviderOrganization", "healthCareFacility", "receivedOrganization", "informationRecipient",
)  # fmt: skip
_ENTITIES = ("assignedEntity", "assignedAuthor", "assignedCustodian", "healthCareFacility", *_PROVIDERS)
_PLACES = {"city": "city", "county": "county", "postalCode": "zip5", "streetAddressLine": "address"}
_TIMES = ("low", "high", "center", "effectiveTime", "time", "birthTime", "deceasedTime")

_TEMPLATE = "2.16.840.1.113883.10.20.22.4."
_MOODED = ("act", "encounter", "observation", "organizer", "procedure", "substanceAdministration", "supply")
# Tables by the templates of their entries, with the moods in which an entry tells of what was.
_ENTRIES: dict[str, tuple[str, str]] = {
    "diagnoses": ("4", "EVN"),
    "procedures": ("12 13 14", "EVN"),
    "medications": ("16", "EVN INT"),
    "immunizations": ("52", "EVN"),
    "allergies": ("7", "EVN"),
    "results": ("2", "EVN"),
    "vital_signs": ("27", "EVN"),
    "social_history": ("38 78 85", "EVN"),
    "coverages": ("61", "EVN"),
    "encounters": ("49", "EVN"),
}
_HEADER = {
    "relatives": ("participant/associatedEntity", "informant/relatedEntity", "recordTarget/patientRole/patient/guardian"),
    "encounters": ("componentOf/encompassingEncounter",),
}  # fmt: skip


def collect_ccda(place: Path) -> Raw:
    """Collect from a document, or from every document of a folder."""
    raw = Raw()
    for path in [place] if place.is_file() else sorted(place.glob("*.xml")):
        root = parsed(path)
        _walk(raw, root, ())
        for table, count in _rows(root):
            raw.rows[table] = raw.rows.get(table, 0) + count
    return raw


def parsed(path: Path) -> ET.Element:
    """Return the root of a document, the names of its elements without their namespace."""
    root = ET.fromstring(path.read_bytes())  # noqa: S314 - the samples and inputs of this project
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
    return root


def _walk(raw: Raw, element: ET.Element, around: tuple[str, ...]) -> None:
    name, text = element.tag, " ".join((element.text or "").split())
    is_own = any(outer in _PEOPLE for outer in around) and not any(outer in _PROVIDERS for outer in around)
    if name == "id":
        _number(raw, element, around, is_own=is_own)
    elif name == "name":
        _name(raw, element, around, is_own=is_own)
    elif name in _PLACES:
        raw.add("birth_place" if "birthplace" in around and name == "city" else _PLACES[name], text)
    elif name == "telecom":
        scheme, _, number = (element.get("value") or "").rpartition(":")
        raw.add("email" if scheme == "mailto" else "phone" if is_own else "provider_phone", number)
    elif name in _TIMES:
        _day(raw, name, element.get("value") or "", around)
    for child in element:
        _walk(raw, child, (*around, name))


def _name(raw: Raw, element: ET.Element, around: tuple[str, ...], *, is_own: bool) -> None:
    given = [" ".join((part.text or "").split()) for part in element if part.tag == "given"]
    family = [" ".join((part.text or "").split()) for part in element if part.tag == "family"]
    whole = " ".join("".join(element.itertext()).split())
    if is_own:
        kind = "relative" if any(outer in _RELATIVES for outer in around) else "name"
        for part in [*given, *family] or [whole]:
            raw.add(kind, part)
    elif any(outer in _PROVIDERS for outer in around):
        for one in given or [""]:
            raw.add("provider_name", " ".join([one, *family]) if family else whole)


def _number(raw: Raw, element: ET.Element, around: tuple[str, ...], *, is_own: bool) -> None:
    root, extension = element.get("root") or "", element.get("extension") or ""
    number = extension or root
    if any(outer in _ENTITIES for outer in around):
        raw.add("provider", number)
    elif is_own:
        raw.add("ssn" if root == _SSN else "member" if root in _MEMBER else "mrn", extension)
    elif around and around[-1] in ("encompassingEncounter", "encounter"):
        raw.add("encounter", number)
    else:
        raw.add("other_id", number)


def _day(raw: Raw, name: str, value: str, around: tuple[str, ...]) -> None:
    if len(value) >= 8 and value[:8].isdigit():
        kind = {"birthTime": "birth_date", "deceasedTime": "death_date"}.get(name, "service_date")
        time = f"T{value[8:10]}:{value[10:12]}" if value[8:12].isdigit() and len(value) > 11 else ""
        raw.add(kind, f"{value[:4]}-{value[4:6]}-{value[6:8]}{time}")


def _rows(root: ET.Element) -> Iterator[tuple[str, int]]:
    """Yield tables, each with how many rows a document gives: entries that tell of what was, and was the patient's."""
    yield from (("patients", 1), ("identities", 1), ("documents", 1))
    for table, places in _HEADER.items():
        yield table, sum(len(root.findall(place)) for place in places)
    body = root.find("component")
    if body is not None:
        yield "notes", sum(element.tag == "section" for element, _ in _within(body, ()))
    yield from ((table, 1) for table, _ in entries_of(root))


def entries_of(root: ET.Element) -> Iterator[tuple[str, ET.Element]]:
    """Yield the table and element of each entry of the body that tells of what was."""
    body = root.find("component")
    for element, around in _within(body, ()) if body is not None else ():
        chain = (*around, element)
        for table, (numbers, moods) in _ENTRIES.items():
            is_done = element.tag not in _MOODED or element.get("moodCode") in moods.split()
            if is_done and _has_template(element, numbers) and not _is_turned(chain):
                yield table, element
        if _has_template(element, "52") and _is_negated(element) and not _is_turned(chain, but_negated=True):
            yield "immunizations_not_given", element


def _within(element: ET.Element, around: tuple[ET.Element, ...]) -> Iterator[tuple[ET.Element, tuple[ET.Element, ...]]]:
    yield element, around
    for child in element:
        if child.tag != "text":
            yield from _within(child, (*around, element))


def _has_template(element: ET.Element, numbers: str) -> bool:
    roots = {_TEMPLATE + number for number in numbers.split()}
    return any(child.tag == "templateId" and child.get("root") in roots for child in element)


def _is_negated(element: ET.Element) -> bool:
    return element.get("negationInd") in ("true", "1")


def _is_turned(chain: tuple[ET.Element, ...], *, but_negated: bool = False) -> bool:
    """Whether an entry, or one around it, is denied, unknown, or about somebody else."""
    inner = max((at for at, one in enumerate(chain) if one.tag == "section"), default=0)
    return (
        any("nullFlavor" in one.attrib for one in chain[inner + 1 :])
        or any(_is_negated(one) for one in chain[: -1 if but_negated else None])
        or any(child.tag == "subject" for one in chain for child in one)
    )
