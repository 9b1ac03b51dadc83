"""What CDA itself says: names of elements and attributes, code systems, and the templates whose numbers are public.

Sources: HL7 CDA R2 (POCD_MT000040, its data types and the narrative block), its SDTC extensions, the HL7 OID registry.
"""

from __future__ import annotations

import re

HL7, SDTC, XSI = "urn:hl7-org:v3", "urn:hl7-org:sdtc", "http://www.w3.org/2001/XMLSchema-instance"
DOCUMENT = "ClinicalDocument"
OTHER = "(other)"

# Children of the document's root; paths and `each` that begin with one of them begin there.
_HEADER = """
realmCode typeId templateId id code title effectiveTime confidentialityCode languageCode setId versionNumber copyTime
recordTarget author dataEnterer informant custodian informationRecipient legalAuthenticator authenticator participant
inFulfillmentOf documentationOf relatedDocument authorization componentOf component
"""
_BODY = """
ClinicalDocument act addr administrativeGenderCode administrationUnitCode approachSiteCode asMaintainedEntity
asOrganizationPartOf assignedAuthor assignedAuthoringDevice assignedCustodian assignedEntity assignedPerson
associatedEntity associatedPerson birthTime birthplace consent consumable criterion desc dischargeDispositionCode
doseQuantity encompassingEncounter encounter encounterParticipant entry entryRelationship ethnicGroupCode existenceTime
expectedUseTime externalAct externalDocument externalObservation externalProcedure functionCode guardian
guardianOrganization guardianPerson healthCareFacility independentInd intendedRecipient interpretationCode
languageCommunication location lotNumberText maintainingPerson manufacturedLabeledDrug manufacturedMaterial
manufacturedProduct manufacturerModelName manufacturerOrganization maritalStatusCode maxDoseQuantity methodCode modeCode
name nonXMLBody observation observationMedia observationRange order organizer parentDocument participantRole patient
patientRole performer place playingDevice playingEntity precondition preferenceInd priorityCode procedure product
proficiencyLevelCode providerOrganization quantity raceCode rateQuantity receivedOrganization reference referenceRange
regionOfInterest relatedEntity relatedPerson relatedSubject religiousAffiliationCode repeatNumber
representedCustodianOrganization representedOrganization responsibleParty routeCode scopingEntity scopingOrganization
section separatableInd seperatableInd sequenceNumber serviceEvent serviceProviderOrganization signatureCode softwareName
specimen specimenPlayingEntity specimenRole standardIndustryClassCode statusCode structuredBody subject
substanceAdministration supply targetSiteCode telecom text time value wholeOrganization
"""
_TYPES = """
additionalLocator buildingNumberSuffix careOf censusTract center city comp country county delimiter deliveryAddressLine
deliveryInstallationArea deliveryInstallationQualifier deliveryInstallationType deliveryMode deliveryModeIdentifier
delta denominator direction event family given group head high houseNumber houseNumberNumeric increment low numerator
offset origin originalText period phase postBox postalCode precinct prefix qualifier scale state streetAddressLine
streetName streetNameBase streetNameType suffix thumbnail translation uncertainty unitID unitType useablePeriod
validTime width
"""
_NARRATIVE = """
br caption col colgroup content footnote footnoteRef item linkHtml list paragraph renderMultiMedia sub sup table tbody
td tfoot th thead tr
"""
_EXTENSIONS = """
actReference admissionReferralSourceCode alternateIdentification asPatientRelationship birthTime category code
deceasedInd deceasedTime desc determinationCode dischargeDispositionCode ethnicGroupCode functionCode id identifiedBy
inFulfillmentOf1 multipleBirthInd multipleBirthOrderNumber participant patient precondition precondition2 priorityCode
raceCode signatureText specialty specimenAdditiveEntity statusCode text valueNegationInd
"""
_ATTRIBUTES = """
ID IDREF abbr align alignment assigningAuthorityName axis border cellpadding cellspacing char charoff classCode code
codeSystem codeSystemName codeSystemVersion colspan compression contextConductionInd contextControlCode currency
determinerCode displayName displayable extension frame headers href inclusive independentInd institutionSpecified
integrityCheck integrityCheckAlgorithm inversionInd isFlexible language listType mediaType moodCode name negationInd
nullFlavor operator qualifier referencedObject rel representation rev revised root rowspan rules scope span
styleCode summary title typeCode unit use valign value width xsi:type sdtc:valueSet sdtc:valueSetVersion
sdtc:valueNegationInd
"""
HEADER = frozenset(_HEADER.split())
# Of these alone a message or a count speaks: any other name may be a piece of somebody's data.
ELEMENTS = frozenset(
    [*HEADER, *_BODY.split(), *_TYPES.split(), *_NARRATIVE.split(), *(f"sdtc:{name}" for name in _EXTENSIONS.split())]
)
ATTRIBUTES = frozenset(_ATTRIBUTES.split())
# What a path names by `%`: the nearest element of that name around the row, the row itself among them.
AROUND = frozenset(
    ("section", "organizer", "act", "encounter", "observation", "procedure", "substanceAdministration", "supply")
)
# Coded simple values (data type CS): HL7 fixes their one code system, and the document does not name it.
FIXED_CODES = frozenset(("statusCode", "languageCode", "realmCode", "signatureCode", "sdtc:statusCode"))
# What says how a document is made, and nothing of a person.
STRUCTURE = frozenset(("templateId", "typeId", "realmCode"))
# What only holds entries together: what stands in them is what is read or not.
FRAME = frozenset(("component", "structuredBody", "entry", "entryRelationship"))

SYSTEMS: dict[str, tuple[str, ...]] = {
    "icd10cm": ("2.16.840.1.113883.6.90",),
    "icd10": ("2.16.840.1.113883.6.3",),
    "icd10pcs": ("2.16.840.1.113883.6.4",),
    "icd9cm": ("2.16.840.1.113883.6.103", "2.16.840.1.113883.6.104", "2.16.840.1.113883.6.2"),
    "snomed": ("2.16.840.1.113883.6.96",),
    "loinc": ("2.16.840.1.113883.6.1",),
    "cpt": ("2.16.840.1.113883.6.12",),
    # 6.13 is the part of HCPCS that dentists made; documents write all of HCPCS under it.
    "hcpcs": ("2.16.840.1.113883.6.285", "2.16.840.1.113883.6.14", "2.16.840.1.113883.6.13"),
    "ndc": ("2.16.840.1.113883.6.69",),
    "cvx": ("2.16.840.1.113883.12.292", "2.16.840.1.113883.6.59"),
    "rxnorm": ("2.16.840.1.113883.6.88",),
    "nucc": ("2.16.840.1.113883.6.101",),
    "race": ("2.16.840.1.113883.6.238",),
    "sex": ("2.16.840.1.113883.5.1",),
    "marital": ("2.16.840.1.113883.5.2",),
    "act_code": ("2.16.840.1.113883.5.4",),
    "act_class": ("2.16.840.1.113883.5.6",),
    "interpretation": ("2.16.840.1.113883.5.83",),
    "confidentiality": ("2.16.840.1.113883.5.25",),
    "priority": ("2.16.840.1.113883.5.7",),
    "relation": ("2.16.840.1.113883.5.111", "2.16.840.1.113883.1.11.19563", "2.16.840.1.113883.1.11.19830"),
    "discharge": ("2.16.840.1.113883.12.112", "2.16.840.1.113883.6.301.5"),
    "admit_source": ("2.16.840.1.113883.6.301.4", "2.16.840.1.113883.12.23"),
    "insurance_type": ("2.16.840.1.113883.6.255.1336",),
}
SOCIAL_SECURITY, NPI = "2.16.840.1.113883.4.1", "2.16.840.1.113883.4.6"

OID = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*)){2,30}")
# Templates of HL7, IHE and HITSP, whose numbers are published; any other could be made of somebody's data.
_PUBLISHED = re.compile(
    r"(?:2\.16\.840\.1\.113883\.10\.20|1\.3\.6\.1\.4\.1\.19376\.1\.5\.3\.1|2\.16\.840\.1\.113883\.3\.88\.11)"
    r"(?:\.[0-9]{1,3}){1,4}"
)


def is_published(template: str) -> bool:
    """Whether a templateId is one that a count may speak of."""
    return _PUBLISHED.fullmatch(template) is not None
