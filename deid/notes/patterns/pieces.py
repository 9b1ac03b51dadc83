# ruff: noqa: E501 - an expression is easier to read in one piece
"""Pieces that several expressions are made of, and what must not stand beside a match."""

from __future__ import annotations

import re

BLANKS = r"[ \t]*+"
GAP = r"[ \t]++"

# A quantity: what such a word follows is an amount, not a date, a phone number or a code.
UNIT_WORDS = (
    r"(?-i:[glmuhdx])|mg|mcg|ug|gm|gms|grams?|kg|kgs|ml|mls|cc|dl|liters?|mm|cm|km|meq|mmol|mol|mosm|iu|units?|mmhg|bpm|hz|khz|db|kcal|cal"
    r"|calories|lbs?|pounds?|oz|ounces?|inch(?:es)?|feet|foot|ft|percent|tabs?|tablets?|caps?|capsules?|puffs?|drops?|gtts?|sprays?"
    r"|doses?|pills?|times|fr|french|gauge|ga|copies|cells|cfu|hpf|lpf|rbcs?|wbcs?|min|mins|minutes?|hrs?|hours?|days?|wks?"
    r"|weeks?|months?|mos?|years?|yrs?|seconds?|secs?|points?|degrees?|steps|miles?|blocks|dollars|usd|breaths?|beats?|kpa|cmh2o"
    r"|torr|ng|pg|nmol|pmol|fl|ppm|joules?|gy|cgy|rads?|msv|mbq|mci|packs?|ppd|servings?|cups?|tsp|tbsp|teaspoons?"
    r"|tablespoons?|amps?|vials?|bags?|strips?|patch(?:es)?|refills?"
)
NO_UNIT = rf"(?![ \t\-]{{0,2}}+(?:%|°|(?:{UNIT_WORDS})\b|/[ \t]?(?:ml|dl|l|kg|min|hr|h|day|d|hpf|mm3|ul|mcl|cumm)\b|\+?/[ \t]?\d))"

# Numbers of these are public: they tell of a drug, a diagnosis, a paper or a document, never of a person.
_CODES = (
    r"pmids?|pmcid|pmc|pubmed|doi|isbn|issn|icd|icd-?\d{1,2}(?:-?(?:cm|pcs))?|cpt|hcpcs|loinc|snomed(?:[ \-]?ct)?|sct|sctid|rxnorm"
    r"|rxcui|ndc|cvx|mvx|drg|ms-drg|apc|revenue|nct|unii|hgnc|omim|orpha|mesh|umls|cui|chebi|clinicaltrials(?:\.gov)?"
    r"|version|ver|v|release|build|firmware|software|catalog|cat|upc|gtin|taxonomy|cfr|section|chapter|figure|fig|table|page|pages|pp|guideline"
    r"|modifier|dx[ ]codes?|diagnosis[ ]codes?|procedure[ ]codes?|billing[ ]codes?|lab[ ]codes?|concept|hl7|fhir|ein|arxiv|cas|atc"
)
_CODE_LABEL = re.compile(
    rf"(?<![^\W_])(?:{_CODES})(?:[ ]?(?:codes?|ids?|no\.?|numbers?|identifier|\#))?[ \t]{{0,2}}(?:is|was|[:#=(])?[ \t(]{{0,2}}\Z",
    re.IGNORECASE,
)
_SCORE_LABEL = re.compile(
    r"(?<![^\W_])(?:mmse|moca|gcs|phq-?\d?|gad-?\d?|nihss|apgars?|scores?d?|score[ ]of|pain|strength|motor|power|reflex(?:es)?|dtrs?|pulses?"
    r"|vision|acuity|od|os|ou|va|bp|blood[ ]pressure|rated?|rates|rating|scale|grade|murmur|severity|ratio|fev1|stage|level"
    r"|slums|braden|morse|asia|kps|ecog|epds|cage|audit|mna|kof|tug|bishop|gleason|sofa|barthel|katz|i:e|flow|titers?|dilution"
    r"|intensity|extremit(?:y|ies)|proficiency|muscles?|flexion|extension|grip|weakness|mallampati)"
    r"[ \t]{0,2}(?:is|was|of|at|as|a|an|about|around|currently|now|today|[:=(,])?[ \t(]{0,2}(?:is|was|of|at|a|about)?[ \t]{0,2}\Z",
    re.IGNORECASE,
)


def follows_code(match: re.Match[str]) -> bool:
    """Whether the word before a match says that a public code follows, such as PMID or CPT."""
    start = match.start()
    return _CODE_LABEL.search(match.string, max(0, start - 32), start) is not None


def follows_score(match: re.Match[str]) -> bool:
    """Whether the words before a match say that a score or measurement follows."""
    start = match.start()
    return _SCORE_LABEL.search(match.string, max(0, start - 32), start) is not None


def no_code(match: re.Match[str]) -> bool | None:
    """Sure, unless the word before says that a public code follows."""
    return None if follows_code(match) else True


MONTH_WORDS = (
    "january jan february feb march mar april apr may june jun july jul august aug september sept sep october oct november nov "
    "december dec"
)
_MONTHS = r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
MONTH = rf"(?:{_MONTHS}|(?-i:May|MAY))(?![^\W\d_])\.?"
ANY_MONTH = rf"(?:{_MONTHS}|may)(?![^\W\d_])\.?"
DAY = r"(?:0?[1-9]|[12]\d|3[01])"
NTH = rf"{DAY}(?:[ ]?(?:st|nd|rd|th)\b)?"
MONTH_NUMBER = r"(?:0?[1-9]|1[0-2])"
FULL_YEAR = r"(?:18|19|20)\d\d"
YEAR = rf"(?:{FULL_YEAR}|'\d\d)(?!\d)"
_UNDER_TWENTY = r"(?:eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|ten)"
_UNIT_NUMBER = r"(?:one|two|three|four|five|six|seven|eight|nine)"
TENS = r"(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
_TWO_DIGITS = rf"(?:{_UNDER_TWENTY}|{TENS}(?:[ \-]{_UNIT_NUMBER})?|o[h']?[ \-]{_UNIT_NUMBER}|{_UNIT_NUMBER})"
YEAR_WORDS = rf"(?:(?:nineteen|twenty|eighteen)[ \-]{_TWO_DIGITS}|(?:nineteen|twenty)[ \-]hundred|two[ \-]thousand(?:[ \-](?:and[ \-])?{_TWO_DIGITS})?)\b"
ORDINAL_WORDS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth "
    "seventeenth eighteenth nineteenth twentieth twenty thirtieth thirty"
)
ORDINAL = (
    r"(?:twenty[ \-]?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|thirty[ \-]?first|first|second|third|fourth|fifth|sixth"
    r"|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth"
    r"|twentieth|thirtieth)\b"
)
CARDINAL_DAY = rf"(?:twenty[ \-]?{_UNIT_NUMBER}|thirty(?:[ \-]?one)?|{_UNDER_TWENTY}|twenty|{_UNIT_NUMBER})\b"

STATES = r"(?-i:A[KLRZ]|C[AOT]|D[CE]|FL|G[AU]|HI|I[ADLN]|K[SY]|LA|M[ADEINOPST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|V[AIT]|W[AIVY])"
STATE_NAMES = (
    r"(?:Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|Illinois|Indiana|Iowa|Kansas"
    r"|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|Montana|Nebraska|Nevada|New[ ](?:Hampshire"
    r"|Jersey|Mexico|York)|North[ ](?:Carolina|Dakota)|Ohio|Oklahoma|Oregon|Pennsylvania|Rhode[ ]Island|South[ ](?:Carolina|Dakota)"
    r"|Tennessee|Texas|Utah|Vermont|Virginia|Washington|West[ ]Virginia|Wisconsin|Wyoming|Puerto[ ]Rico)"
)

UPPER = r"(?-i:[A-Z\u0391-\u03a9\u0410-\u042f])"
LETTER = r"[^\W\d_]"
NAME = rf"{UPPER}(?:{LETTER}|['\-](?={LETTER})){{1,30}}+"
_PARTICLE = r"(?:de[ ]la|de[ ]los|de|la|van[ ]der|van[ ]den|van|von|der|den|del|della|da|dos|das|do|bin|ibn|al|el|ter|ten|di|du|le|st\.?)"
INITIAL = rf"{UPPER}\b\.?"
NAMES = rf"(?:{INITIAL}{GAP}|(?-i:{_PARTICLE}){GAP}){{0,2}}{NAME}(?:{GAP}(?:(?-i:{_PARTICLE}){GAP}){{0,2}}(?:{NAME}|{INITIAL}(?={GAP}{UPPER}|[ \t]*+(?:[,;)\n]|\Z)))){{0,3}}"
# Words in front of a colon are the label of the next field.
COMMA_NAMES = rf"(?:{INITIAL}{GAP}){{0,2}}{NAME}(?:(?:,[ \t]{{0,2}}|{GAP})(?!{NAME}(?:[ ]{NAME})?{BLANKS}(?:[:=|]|>>))(?:(?-i:{_PARTICLE}){GAP}){{0,2}}(?:{NAME}|{INITIAL})){{0,4}}"
PLACE_WORD = rf"(?:{UPPER}(?:{LETTER}|['\-.](?={LETTER})){{0,30}}+|{UPPER}{LETTER}{{0,3}}\.)"
CITY = rf"(?:(?:{UPPER}[A-Za-z'\-]{{1,25}}+\.?)(?:[ ](?:of|on|the|de|la|del|du|des|en|upon)|[ ]{UPPER}[A-Za-z'\-]{{0,25}}+\.?){{0,3}})"
