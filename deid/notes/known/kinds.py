"""The kinds of identifiers that are looked for in notes, by how they are looked for."""

from __future__ import annotations

NAME_KINDS = frozenset({"person_name", "relative_name", "provider_name"})
PHRASE_KINDS = frozenset({"city", "county", "birth_place", "employer_name", "facility_name", "facility_place"})
ADDRESS_KINDS = frozenset({"street_address"})
DATE_KINDS = frozenset({"birth_date", "death_date", "service_date", "admit_date", "discharge_date", "record_date"})
PHONE_KINDS = frozenset({"phone", "fax", "facility_phone"})
WRITTEN_KINDS = frozenset({"email", "url", "photo"})  # codes whose letters count as much as their digits
ZIP_KINDS = frozenset({"zip_code", "facility_place"})
# What people are asked for, and told, the last four digits of.
ENDING_KINDS = frozenset({"ssn", "account_number", "member_id", "mrn", "license_number", "unique_id", *PHONE_KINDS})
CODE_KINDS = frozenset(
    {
        "patient_id", "encounter_id", "claim_id", "mrn", "ssn", "member_id", "account_number", "license_number",
        "vehicle_id", "device_id", "ip_address", "unique_id", "npi", "provider_id", "facility_id", "zip_code",
        "geocode", "precinct", "biometric", *WRITTEN_KINDS, *PHONE_KINDS,
    }
)  # fmt: skip
SEARCHED_KINDS = NAME_KINDS | PHRASE_KINDS | ADDRESS_KINDS | DATE_KINDS | CODE_KINDS
