# ruff: noqa: E501 - an expression is easier to read in one piece
"""What identifiers look like in a US clinical note: data only, one row for each pattern.

Each pattern may name a group `v`: the part to remove; without it the whole match goes. The text is folded
before (deid/notes/folding.py). Letter case is ignored unless the
pattern says `(?-i:...)`. Runs of blanks are possessive (`++`) and names bounded, so that no text makes a search slow. The groups follow the list of 45 CFR 164.514(b)(2)(i)(A)-(R).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern: the kind it finds, its name in reports, the expression, and whether the stop list trims it."""

    kind: str
    name: str
    regex: str
    stop_list: bool = False


_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|(?-i:May|MAY)|June?|July?|Aug(?:ust)?"
    r"|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_NTH = rf"{_DAY}(?:st|nd|rd|th)?"
_YEAR = r"(?:(?:18|19|20)\d{2}|'\d{2})"
_M = r"(?:0?[1-9]|1[0-2])"
_CLOCK = r"(?:[T ]{1,2}\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
_NAME = r"(?-i:\p{Lu}[\p{L}'\-]{1,40})"
_NAMES = (
    rf"{_NAME}(?:[ \t]++(?-i:\p{{Lu}}\.?(?=[ \t]++\p{{Lu}})|{_NAME}|(?:de|la|van|von|der|del|da|dos|bin)\b)){{0,4}}"
)
_COMMA_NAMES = rf"{_NAME}(?:,?[ \t]++(?-i:\p{{Lu}}\.|{_NAME}|(?:de|la|van|von|der|del|da|dos|bin)\b)){{0,4}}"
_ID = r"[A-Z]{0,5}[\-#]?\d[\w\-]{2,24}"
_LINE_START = r"\b(?<=^[ \t]{0,12}|[|;\t][ ]{0,4})"
_SEPARATOR = r"[ \t]*+(?:[:=|]|>>|->)[ \t]*+"
_LABEL = r"\b[ \t]*+(?:number|numbers|num\b|no\b\.?|nbr|id\b|\#)?[ \t]*+(?:is\b|was\b)?[ \t]*+[:#=.|>]{0,2}[ \t]*+"
_STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|DC|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR|PA"
    "|PR|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY"
)
_STREET = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Drive|Dr|Lane|Ln|Boulevard|Blvd|Court|Ct|Place|Pl|Terrace|Ter|Circle|Cir|Highway|Hwy"
    r"|Parkway|Pkwy|Square|Sq|Trail|Trl|Alley|Way|Row|Loop|Crossing|Xing|Plaza|Path|Pike|Turnpike"
    r"|Manor|Mall|Corners?|Close|Gate|Walk|Grove|Ridge|Heights|Landing|Junction|Hollow|Glen|Meadows?|Springs?|Expressway|Freeway)"
)
_UNIT = r"(?:,?[ \t]*+(?:Apt|Apartment|Unit|Suite|Ste|\#|Rm|Room|Fl|Floor)\b?\.?[ \t]*+\#?[\w\-]{1,6})?"

NAMES = (
    Rule(
        "provider_name",
        "title",
        rf"(?-i:\b(?:Dr|DR|Prof|Doctor|Nurse|NP|PA)\b)\.?[ \t]++(?P<v>{_NAMES})",
        stop_list=True,
    ),
    Rule(
        "person_name",
        "title",
        rf"(?-i:\b(?:Mr|Mrs|Ms|Miss|Mx|Rev|Pastor|Father|Sister|Uncle|Aunt|Baby|MRS)\b\.?|\b(?:MR|MS)\.)[ \t]++(?P<v>{_NAMES})",
        stop_list=True,
    ),
    Rule(
        "provider_name",
        "credentials",
        rf"\b(?P<v>{_NAME}(?:[ \t]++(?-i:\p{{Lu}}\.?|{_NAME})){{0,2}}),?[ \t]++"
        r"(?-i:M\.?D\.?|D\.?O\.|R\.?N\.?|N\.P\.|NP|PA-C|PhD|Ph\.D\.|LPN|DNP|FNP|LCSW|CRNA|PharmD|DPM|DDS|APRN)(?![\p{L}\d])",
        stop_list=True,
    ),
    Rule(
        "person_name",
        "header",
        rf"{_LINE_START}(?:patient(?:'s)?[ \t]++name|pt\.?[ \t]++name|full[ \t]++name|(?:first|last|given|family|middle|legal|"
        rf"preferred|maiden)[ \t]++name|name|name[ \t]++of[ \t]++patient){_SEPARATOR}"
        r"(?P<v>\p{L}[\p{L}'.\-]*(?:,?[ \t]++(?!(?:mrn|dob|age|sex|ssn|date|acct|account|id|phone)\b)\p{L}[\p{L}'.\-]*){0,4})",
    ),
    Rule(
        "person_name",
        "header",
        rf"{_LINE_START}(?:patient|pt|subject|client|member|guarantor|subscriber|re){_SEPARATOR}"
        rf"(?P<v>{_COMMA_NAMES})",
        stop_list=True,
    ),
    Rule(
        "provider_name",
        "header",
        r"\b(?:attending(?:[ \t]++physician)?|provider|physician|surgeon|pcp|primary[ \t]++care[ \t]++(?:physician|provider)|author"
        r"|cc|nurse|resident|fellow|consultant|clinician|therapist|anesthesiologist|radiologist|pathologist|cardiologist"
        r"|(?:electronically[ \t]++)?signed(?:[ \t]++by)?|(?:dictated|transcribed|seen|referred|reviewed|verified|authored|ordered"
        r"|prepared|reported|examined|cosigned)[ \t]++by)[ \t]*+:?[ \t]++(?:Dr\.?[ \t]++)?"
        rf"(?P<v>{_COMMA_NAMES})",
        stop_list=True,
    ),
    Rule(
        "relative_name",
        "relative",
        r"\b(?:wife|husband|spouse|partner|daughter|son|mother|father|mom|dad|brother|sister|grandmother|grandfather|aunt|uncle"
        r"|niece|nephew|cousin|friend|neighbor|neighbour|caregiver|guardian|fianc[eé]e?|emergency[ \t]++contact|next[ \t]++of[ \t]++kin)"
        rf"(?:,|:|[ \t]++named|[ \t]++is|[ \t]++called|[ \t]++\()?[ \t]*+(?P<v>{_NAMES})",
        stop_list=True,
    ),
    Rule(
        "person_name",
        "narrative",
        rf"(?:^|[.!?:][ \t]++)[ \t]*+(?P<v>{_NAME}(?:[ \t]++(?-i:\p{{Lu}}\.|{_NAME})){{1,3}})[ \t]++(?:is|was)[ \t]++(?:a|an)\b",
        stop_list=True,
    ),
    Rule(
        "person_name",
        "last_first",
        rf"^[ \t]*+(?P<v>{_NAME},[ \t]++(?!(?-i:{_STATES})\b){_NAME}(?:[ \t]++(?-i:\p{{Lu}}\.?(?!\p{{L}})))?)(?=[ \t]*+(?:\(|,?[ \t]*+\d|,?[ \t]*+(?:mrn|dob|age|sex)\b"
        r"|(?:is|was|presents|presented|came)\b|,[ \t]*+[MF]\b))",
        stop_list=True,
    ),
    Rule(
        "person_name",
        "self",
        rf"\b(?:my[ \t]++name[ \t]++is|named|goes[ \t]++by|also[ \t]++known[ \t]++as|a\.?k\.?a\.?|n[eé]e)[ \t]++(?P<v>{_NAMES})",
        stop_list=True,
    ),
)

PLACES = (
    Rule(
        "street_address",
        "street",
        rf"(?<![\d.])\b\d{{1,6}}[A-Z]?(?:-\d+)?[ \t]++(?:(?:N|S|E|W|NE|NW|SE|SW|North|South|East|West)\b\.?[ \t]++)?"
        rf"(?:(?-i:\p{{Lu}})[\p{{L}}'.\-]*[ \t]++|\d+(?:st|nd|rd|th)[ \t]++){{1,4}}{_STREET}\b\.?{_UNIT}",
    ),
    Rule(
        "street_address",
        "street",
        rf"(?<![\d.])\b\d{{1,6}}[ \t]++\p{{L}}+[ \t]++(?:street|avenue|boulevard|road)\b{_UNIT}",
    ),
    Rule(
        "street_address",
        "unit",
        r"(?<![\d.])\b\d{1,6}[ \t]++(?:(?-i:\p{Lu})[\p{L}'.\-]*[ \t]++){1,4}(?:Apt|Apartment|Suite|Ste|Unit)\b\.?[ \t]*+\#?\w{1,6}",
    ),
    Rule(
        "street_address",
        "box",
        r"\bP\.?[ \t]?O\.?[ \t]*+Box[ \t]++\#?\d+\b|\b(?:RR|Rural Route|PSC|Unit)[ \t]*+\d+,?[ \t]*+Box[ \t]*+\d+",
    ),
    Rule(
        "city",
        "city_state",
        rf"\b(?P<v>(?-i:\p{{Lu}}[\p{{L}}'.\-]+)(?:[ \t]++(?-i:\p{{Lu}}[\p{{L}}'.\-]+)){{0,3}}),[ \t]++(?-i:{_STATES})\b",
        stop_list=True,
    ),
    Rule("zip_code", "state", rf"(?-i:\b(?:{_STATES}))\b\.?,?[ \t]++(?P<v>\d{{5}}(?:-\d{{4}})?)(?!\d)"),
    Rule(
        "zip_code",
        "zip",
        rf"(?<![\d\-])\d{{5}}-\d{{4}}(?![\d\-])|\bzip(?:[ \t]*+code)?{_LABEL}(?P<v>\d{{5}}(?:-?\d{{4}})?)\b",
    ),
    Rule(
        "geocode",
        "coordinates",
        r"(?<![\d.])[\-+]?\d{1,3}\.\d{4,}°?[ \t]*+[NS]?[,;][ \t]*+[\-+]?\d{1,3}\.\d{4,}°?[ \t]*+[EW]?",
    ),
    Rule(
        "facility_name",
        "facility",
        r"(?-i:(?:\b(?:St|Mt)\.[ \t]++|\b)\p{Lu}[\p{L}'&.\-]{1,40}[ \t]++(?:(?:\p{Lu}[\p{L}'&.\-]{1,40}|of|the|and)[ \t]++){0,4}"
        r"(?:Hospital|Medical[ \t]++Center|Health[ \t]++System|Nursing[ \t]++Home|Infirmary|Rehabilitation[ \t]++Center|Hospice|Clinic|Health[ \t]++Center))\b",
        stop_list=True,
    ),
)

_ORDINAL = (
    r"(?:(?:twenty|thirty)[ \-]?)?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)"
    r"|(?:tenth|eleventh|twelfth|\w{3,5}teenth|twentieth|thirtieth)"
)
_ORDINAL = rf"(?:{_ORDINAL})"
_TODAY = r"\b(?:on|since|from|until|till|through|thru|dated?|admitted|discharged|scheduled|due|starting|started|stopped|seen|visit|as[ \t]++of|week[ \t]++of|last|next|before|after)"
DATES = (
    Rule("date", "iso", rf"(?<!\d)(?:18|19|20)\d{{2}}([\-/.]){_M}\1{_DAY}(?!\d){_CLOCK}"),
    Rule(
        "date",
        "numeric",
        rf"(?<![\d/.\-]){_M}[ ]?([/\-.])[ ]?{_DAY}[ ]?\1[ ]?(?:(?:18|19|20)\d{{2}}|\d{{2}})(?![\d/]|[.\-]\d){_CLOCK}",
    ),
    Rule(
        "date", "numeric", rf"(?<![\d/.\-]){_DAY}([/\-.]){_M}\1(?:(?:18|19|20)\d{{2}}|\d{{2}})(?![\d/]|[.\-]\d){_CLOCK}"
    ),
    Rule(
        "date",
        "compact",
        r"(?<!\d)(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\d{4}(?:\d{2})?)?(?!\d)",
    ),
    Rule(
        "date",
        "month_day",
        rf"\b{_MONTH}[ \t\-/]*{_NTH}\b(?!\s*(?:mg|mcg|ml|%|tab))(?:,?[ \t\-/]*{_YEAR}(?!\d))?{_CLOCK}",
    ),
    Rule(
        "date",
        "day_month",
        rf"(?<![\d.]){_NTH}(?:[ \t]++(?:day[ \t]++)?of)?[ \t\-/]*{_MONTH}(?!\p{{L}})(?:,?[ \t\-/]*(?:{_YEAR}|\d{{2}}\b))?",
    ),
    Rule("date", "month_year", rf"\b{_MONTH}(?:,|[ \t]++of)?[ \t\-/]*{_YEAR}(?!\d)"),
    Rule("date", "month_year", rf"(?<![\d/.\-]){_M}[/\-](?:19|20)\d{{2}}(?![\d/\-])"),
    Rule(
        "date",
        "month",
        rf"\b(?:in|last|next|since|until|by|this|early|late|mid|through|during)[\s\-]+(?P<v>{_MONTH})(?!\p{{L}})",
    ),
    Rule("date", "day", rf"{_TODAY}[ \t]++(?P<v>{_M}/{_DAY})(?![\d/]|[ \t]*+(?:mg|tab|strength|pain|scale))"),
    Rule("date", "day", r"(?<![\d/.\-])0[1-9]/(?:0[1-9]|[12]\d|3[01])(?![\d/])"),
    Rule(
        "date",
        "words",
        rf"\b{_ORDINAL}[ \t]++(?:day[ \t]++)?of[ \t]++{_MONTH}(?!\p{{L}})|\b{_MONTH}[ \t]++(?:the[ \t]++)?{_ORDINAL}\b",
    ),
    Rule("date", "day", rf"\b(?:on|since)[ \t]++the[ \t]++(?P<v>{_DAY}(?:st|nd|rd|th))\b"),
    Rule(
        "date",
        "birth_year",
        r"\b(?:born|dob|birth[ \t]++year|year[ \t]++of[ \t]++birth)\b[\s:]*(?:in[ \t]++)?(?P<v>(?:18|19|20)\d{2})\b",
    ),
    Rule(
        "date",
        "holiday",
        r"\b(?:Christmas(?:[ \t]++(?:Eve|Day))?(?![ \t]++(?:disease|tree))|Thanksgiving(?:[ \t]++Day)?|Halloween|Hanukkah|Juneteenth"
        r"|New[ \t]++Year'?s?[ \t]++(?:Eve|Day)|(?:Labor|Memorial|Independence|Veterans?'?|Valentine'?s?|Mother's|Father's)[ \t]++Day"
        r"|(?:Fourth|4th)[ \t]++of[ \t]++July)\b",
    ),
)
_OLD = r"(?:9\d|1[0-3]\d)"
_OLD_WORDS = r"(?:ninety(?:[\s\-]+(?:one|two|three|four|five|six|seven|eight|nine))?|(?:one|a)[\s\-]+hundred(?:[\s\-]+(?:and[\s\-]+)?\w+)?)"
AGES = (
    Rule(
        "age",
        "over_89",
        rf"(?<![\d.,/\-])(?P<v>{_OLD}|{_OLD_WORDS})[\s\-]*(?:years?(?:[\s\-]+old)?\b|y(?:r|rs)?\b\.?[\s\-/]*(?:old\b|o\b)?|y[./]?o\b)",
    ),
    Rule("age", "over_89", rf"\b(?:age|aged|ages)\b[^\n\d.;,]{{0,12}}?(?P<v>\b{_OLD}|{_OLD_WORDS})(?!\d|[.,/]\d|%)"),
    Rule("age", "over_89", rf"(?<![\d.,/\-])(?P<v>{_OLD})[\s\-]*(?:male|female|man|woman|gentleman|lady|m/|f/)\b"),
    Rule(
        "age",
        "over_89",
        rf"(?<![\d.,/\-])(?P<v>{_OLD})(?-i:[MF])\b(?=[ \t,]+(?:with|who|presents?|presenting|admitted|s/p|h/o|w/|hx|c/o|p/w|here)\b)",
    ),
    Rule(
        "age",
        "over_89",
        r"\b(?:his|her|their)[ \t]++(?:early|mid|late)?[ \t\-]*(?P<v>(?:9|10)0'?s|nineties|hundreds)\b",
    ),
)

CONTACTS = (
    Rule("fax", "labelled", r"\b(?:fax|facsimile)\b[ \t]*+(?:number|no\.?|\#)?[ \t:.]*(?P<v>[+(]?\d[\d().\- ]{4,}\d)"),
    Rule("email", "email", r"(?<![\w.%+'\-])[\w.%+'\-]++[ \t]?(?:@|\(at\)|\[at\])[ \t]?[\w\-]+(?:\.[\w\-]+)+"),
    Rule("url", "url", r"\b(?:https?|ftp)://[^\s<>\"]*[^\s<>\".,;:!?)\]']|\bwww\.[^\s<>\"]*[^\s<>\".,;:!?)\]']"),
    Rule(
        "url",
        "url",
        r"(?<![@\w.\-])[a-z0-9\-]+(?:\.[a-z0-9\-]+)*\.(?:com|org|net|edu|gov|io|health|info|biz|mil)\b(?:/[^\s<>\"]*)?",
    ),
    Rule(
        "ip_address", "ip4", r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.]*\d)"
    ),
    Rule(
        "ip_address",
        "ip6",
        r"(?<![\w:])(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}\b|(?<![\w:])(?:[0-9a-f]{1,4}:){1,6}:(?:[0-9a-f]{1,4}:?){1,6}\b",
    ),
    Rule(
        "phone",
        "phone",
        r"(?<![\d.\-/])(?:(?:\+?1|001)[\-. ]?)?(?:\([2-9]\d{2}\)[ ]?|[2-9]\d{2}[\-. /]{1,2})\d{3}[\-. ]?\d{4}(?!\d)"
        r"(?:[ ,]*(?:x|ext\.?|extension)[ ]*\d{1,6})?",
    ),
    Rule("phone", "phone_local", r"(?<![\d.\-/])\d{3}[\-.]\d{4}(?![\d\-])(?:[ ,]*(?:x|ext\.?|extension)[ ]*\d{1,6})?"),
    Rule("phone", "phone_abroad", r"(?<![\w+])\+\d{1,3}[ .()\-]{0,2}\d(?:[ .()\-]{0,2}\d){6,13}"),
    Rule(
        "phone",
        "labelled",
        r"\b(?:phone|telephone|tel|cell|cellphone|mobile|pager|pgr|beeper|contact|home|work|call(?:[ ]back)?)\b"
        r"[ \t]*+(?:number|no\.?|\#)?[ \t:.]*(?P<v>[+(]?\d[\d().\- ]{4,}\d)",
    ),
    Rule(
        "phone",
        "extension",
        r"\b(?:pager|pgr|beeper|ext|extension)\b\.?[ \t]*+\#?:?[ \t]*+(?P<v>\d{3,6})\b|(?<!\w)x(?P<v>\d{4,6})\b",
    ),
)

NUMBERS = (
    Rule("ssn", "ssn", r"(?<![\d\-])\d{3}([\-. ])\d{2}\1\d{4}(?![\d\-])"),
    Rule("ssn", "labelled", rf"\b(?:ssn|ss\#|social[ \t]++security){_LABEL}(?P<v>[\dxX*][\dxX* \-]{{2,10}}\d)"),
    Rule(
        "ssn",
        "last_four",
        r"[xX*#•]{2,3}[\- ]?[xX*#•]{2}[\- ]?(?P<v>\d{4})(?!\d)|\b(?:last[ \t]++(?:four|4)|ending[ \t]++in)\D{0,24}(?P<v>\d{4})(?!\d)",
    ),
    Rule(
        "mrn",
        "labelled",
        r"\b(?:mrn|mr\#|med(?:ical)?[ \t]++rec(?:ord)?s?|chart|patient[ \t]++(?:id|identifier)|patient(?=[ \t]++(?:number|no\b|\#))|pt[ \t]++id"
        rf"|hospital[ \t]++(?:id|(?=number|no\b|\#))|unit(?=[ \t]++(?:number|no\b|\#))|record(?=[ \t]++(?:number|no\b|\#))|emrn|ehr[ \t]++id){_LABEL}(?P<v>{_ID})",
    ),
    Rule(
        "account_number",
        "labelled",
        r"\b(?:acct|account|billing|visit|encounter|csn|fin|har|case|order|accession|specimen|claim|invoice|rx|prescription|referral"
        rf"|authorization|auth|reference|ref|confirmation|ticket)(?=[ \t]*+(?:\#|:|num|no\b|nbr|id\b|is\b|\d{{5}})){_LABEL}(?P<v>{_ID})",
    ),
    Rule(
        "member_id",
        "labelled",
        rf"\b(?:member|subscriber|policy|group|medicare|medicaid|mbi|hicn|insurance|beneficiary|plan|health[ \t]++plan){_LABEL}(?P<v>{_ID})",
    ),
    Rule(
        "member_id",
        "mbi",
        r"\b[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y\d]\d-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y\d]\d-?[AC-HJKMNP-RT-Y]{2}\d{2}\b",
    ),
    Rule("member_id", "hicn", r"\b\d{3}-?\d{2}-?\d{4}-?[ABCDEFHJKMTW]\d?\b"),
    Rule(
        "license_number",
        "labelled",
        rf"\b(?:driver'?s?[ \t]++licen[cs]e|licen[cs]e|dl|passport|certificate|certification|dea|green[ \t]++card|visa){_LABEL}"
        r"(?P<v>(?=[A-Z0-9\-]*\d{2})[A-Z0-9][A-Z0-9\-]{3,18})\b",
    ),
    Rule("license_number", "dea", r"(?-i:\b[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}\b)"),
    Rule("npi", "labelled", rf"\bnpi{_LABEL}(?P<v>\d{{6,10}})\b"),
    Rule("vehicle_id", "vin", r"(?-i:\b(?=[A-Z0-9]*\d)(?=[A-Z0-9]*[A-Z])[A-HJ-NPR-Z0-9]{17}\b)"),
    Rule(
        "vehicle_id",
        "plate",
        rf"\b(?:licen[cs]e[ \t]++plate|plate|tag|vin){_LABEL}(?P<v>(?=[A-Z0-9\- ]*\d)[A-Z0-9]{{1,4}}[\- ]?[A-Z0-9]{{2,6}})\b",
    ),
    Rule("device_id", "udi", r"\(01\)\d{14}(?:\(\d{2}\)[\w\-]+)*"),
    Rule(
        "device_id",
        "labelled",
        rf"\b(?:serial|s/n|sn|udi|lot|device|implant)(?=[ \t]*+(?:\#|:|num|no\b|nbr|id\b)|[ \t]++[A-Z]*\d){_LABEL}(?P<v>(?=[A-Z0-9\-]*\d)[A-Z0-9][A-Z0-9\-]{{3,24}})\b",
    ),
    Rule("unique_id", "uuid", r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"),
    Rule("account_number", "card", r"(?<![\d\-])\d{4}([\- ])\d{4}\1\d{4}\1\d{1,4}(?![\d\-])"),
    Rule("unique_id", "digits", r"(?<![\d.])(?<!\bPMID[ :]{1,2})\d{7,}(?!\d|\.\d)"),
    Rule(
        "unique_id",
        "prefixed",
        r"(?-i:\b(?!CPT|ICD|HCPCS|LOINC|NDC|DRG|PMID|NCT)[A-Z]{2,5}-(?:[A-Z0-9]{1,6}-)?[A-Z]?\d{4,}[A-Z]?(?:-\d+)*\b)",
    ),
    Rule("unique_id", "letters_digits", r"\b[A-Z]{1,5}-?\d{6,}[A-Z]?\b|\b\d{4,}-\d{3,}(?:-\d+)*\b|\b\d{6,}-\d+\b"),
)

RULES: tuple[Rule, ...] = NAMES + PLACES + DATES + AGES + CONTACTS + NUMBERS
