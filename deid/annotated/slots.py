"""Every slot of a carrier with the label of what fills it, and the slots that are made of others.

WORDFIRST, WORDLAST, WORDNAME (either of them) and WORDFULL are names that are words ("Hope", "Page", "Drew Long");
LOWERNAME and UPPERNAME are names in small letters and in capitals, a part of them words too.
RURAL is a place told by a route, a mile or a corner.
"""

from __future__ import annotations

PLAIN = ("", "ANY")  # labels of what does not identify

_BY_LABEL = {
    "NAME": "NAME FULL FIRST LAST INITIALS NICK SIGNOFF SHORTNAME LASTFIRST COMPOSEDNAME SPELLED WORDFIRST"
    " WORDLAST WORDNAME WORDFULL LOWERNAME UPPERNAME",
    "LOCATION": "ADDRESS STREET CITY CITYST ZIP COUNTY PLACE ROOM MILITARY ROAD FOREIGNADDRESS ODDADDRESS RURAL",
    "FACILITY": "FACILITY FACSHORT",
    "DATE": "DATE FULLDATE DAYMONTH SLASHDAY MONTHYEAR MONTH DATERANGE DATETIME SPELLEDDATE HOLIDAY DOB",
    "CONTACT": "PHONE FAX PAGER EXT SHORTPHONE EMAIL URL IP MAC HANDLE SPOKENPHONE",
    "ID": "MRN ACCOUNT MEMBER MBI NPI DEA LICENSE SSN SSN4 DEVICE UDI VIN PLATE CLAIM ENCOUNTER ACCESSION CARD IBAN"
    " PASSPORT CASE ID SPOKENDIGITS",
    "AGE": "AGE90",
    "OTHER": "BIOMETRIC PHOTO",
    "ANY": "TITLE PROVIDERTITLE CRED STATE COUNTRY NATIONALITY WARD EMPLOYER ORG YEAR WEEKDAY TIME DURATION SEASON AGE"
    " AGEWORDS CITATION",
    "": "DX DRUG DOSE LAB VITALS PROC EPONYM SCORE ANATOMY DEVICEWORD CODE N PERCENT MEASURE AGENCY ROLE RELATIVE NEG"
    " FILL GESTATION",
}
SLOTS: dict[str, str] = {name: label for label, names in _BY_LABEL.items() for name in names.split()}

# `:?` is the letter of the slot itself, where it has one.
MACROS: dict[str, str] = {
    "PROVIDER": (
        "{{T} {LAST:?}|{T} {LAST:?}|{T} {NAME:?}|{T} {FULL:?}|{NAME:?}, {CRED}|{FULL:?}, {CRED}|{FULL:?} {CRED}"
        "|{T} {FULL:?}, {CRED}|{FULL:?}|{NAME:?}|{LAST:?}, {CRED}|{LAST:?} {CRED}|{FIRST:?}, {CRED}|{T}{LAST:?}"
        "|{T} {FIRST:?}|{FULL:?} ({CRED})}"
    ).replace("{T}", "{PROVIDERTITLE}"),
    "RX": "{{DRUG} {DOSE}|{DRUG} {DOSE}|{DRUG} ({DOSE})|{DRUG}, {DOSE}|{DRUG}: {DOSE}}",
}
