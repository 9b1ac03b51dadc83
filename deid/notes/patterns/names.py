# ruff: noqa: E501 - an expression is easier to read in one piece
"""Names after titles and relations and before credentials: 45 CFR 164.514(b)(2)(i)(A).

Names that nothing announces are the network's.
"""

from __future__ import annotations

from deid.notes.patterns.name_checks import credited, hint_of_name, titled
from deid.notes.patterns.pieces import BLANKS, GAP, INITIAL, LETTER, NAME, NAMES, STATES
from deid.notes.patterns.rule import Anchor, Rule
from deid.notes.span import Mark

_CREDENTIALS = r"(?-i:MD|M\.D\.?|DO(?![ ]N)|D\.O\.?|RN|R\.N\.?|NP|N\.P\.?|PA-C|PA|P\.A\.?|PhD|Ph\.D\.?|LPN|CNA|DNP|FNP(?:-C|-BC)?|LCSW|CRNA|PharmD|PsyD|DPM|DDS|DMD|APRN|MBBS|CNM|MSW|RD|OD)(?![\w])"

RULES = (
    Rule(
        "provider_name",
        "title",
        Mark.NAME,
        "dr drs",
        rf"(?-i:Drs?|DRS?|dr)\b(?:\.[ \t]{{0,3}}|[ \t]{{1,3}})(?P<v>{NAMES})",
        verdict=titled,
        stop=True,
    ),
    Rule(
        "provider_name",
        "titles",
        Mark.NAME,
        "drs doctors",
        rf"(?:Drs\.?|Doctors){GAP}{NAMES},?{GAP}(?:and|&){GAP}(?P<v>{NAMES})",
        verdict=titled,
        stop=True,
    ),
    Rule(
        "provider_name",
        "lower_case",
        Mark.NAME,
        "dr",
        rf"dr\b\.?{GAP}(?P<v>(?-i:[a-z]){LETTER}{{2,20}}+)",
        verdict=hint_of_name,
    ),
    Rule(
        "provider_name",
        "title_word",
        Mark.NAME,
        "doctor nurse prof professor pa np rn attending therapist resident surgeon physician midwife technician pharmacist chaplain intern fellow",
        rf"(?:doctor|nurse|prof|professor|pa|np|rn|attending|therapist|resident|surgeon|physician|midwife|technician|pharmacist|chaplain|intern|fellow)\.?{GAP}(?P<v>{NAMES})",
        verdict=hint_of_name,
        stop=True,
    ),
    Rule(
        "person_name",
        "title",
        Mark.NAME,
        "mr mrs ms mx messrs mme sra sr",
        rf"(?-i:(?:Mrs?|Ms|Mx|Messrs|Mme|Sra|MRS)\b\.?|M[RS]\.){GAP}(?P<v>{NAMES})",
        verdict=titled,
        stop=True,
    ),
    Rule(
        "person_name",
        "title_word",
        Mark.NAME,
        "miss rev reverend pastor father sister uncle aunt auntie baby mr ms sir madam judge officer sgt captain capt lt col rabbi imam grandma grandpa coach",
        rf"(?:miss|rev|reverend|pastor|father|sister|uncle|aunt|auntie|baby|mr|ms|sir|madam|judge|officer|sgt|captain|capt|lt|col|rabbi|imam|grandma|grandpa|coach)\.?{GAP}(?P<v>{NAMES})",
        verdict=hint_of_name,
        stop=True,
    ),
    Rule(
        "provider_name",
        "credentials",
        Mark.NAME,
        Anchor.CREDENTIAL,
        rf"(?<![\w'.\-])(?P<v>{NAME}(?:,?{GAP}(?:{NAME}|{INITIAL})){{0,3}}),?[ \t]{{1,3}}{_CREDENTIALS}",
        back=72,
        ahead=10,
        verdict=credited,
        stop=True,
    ),
    Rule(
        "relative_name",
        "relative",
        Mark.NAME,
        "wife husband spouse partner daughter son mother father mom dad mum brother sister grandmother grandfather grandma grandpa aunt uncle niece nephew cousin friend neighbor neighbour caregiver guardian fiance fiancee girlfriend boyfriend grandson granddaughter roommate stepmother stepfather stepson stepdaughter sibling twin parents children sons daughters kids dog cat",
        rf"[a-z]{{3,13}}(?:,|:|{GAP}named|{GAP}is|{GAP}called|{GAP}\()?{BLANKS}(?P<v>{NAMES})",
        verdict=hint_of_name,
        stop=True,
    ),
    Rule(
        "person_name",
        "self",
        Mark.NAME,
        "named name goes called known aka nee alias formerly nicknamed",
        rf"(?:name{GAP}is|named|goes{GAP}by|called|known{GAP}as|aka|nee|alias|formerly|nicknamed)[ \t]{{1,2}}\"?(?P<v>{NAMES})",
        verdict=hint_of_name,
        stop=True,
    ),
    Rule(
        "person_name",
        "dear",
        Mark.NAME,
        "dear hi hello attn regards sincerely",
        rf"(?:dear|hi|hello|attn:?|regards,|sincerely,)[ \t]{{0,2}}\n{{0,3}}[ \t]{{0,2}}(?P<v>{NAMES})",
        verdict=hint_of_name,
        stop=True,
    ),
    Rule(
        "person_name",
        "narrative",
        Mark.NAME_LIKE,
        "is was",
        rf"(?<![\w'])(?P<v>{NAME}(?:{GAP}(?:{INITIAL}|{NAME})){{1,3}}){GAP}(?:is|was){GAP}an?\b",
        verdict=hint_of_name,
        back=64,
        ahead=8,
        stop=True,
    ),
    Rule(
        "person_name",
        "last_first",
        Mark.NAME_LIKE,
        Anchor.LINE,
        rf"{BLANKS}(?P<v>{NAME},{GAP}(?!{STATES}\b){NAME}(?:{GAP}{INITIAL})?)(?!\w)",
        verdict=hint_of_name,
        stop=True,
    ),
    Rule(
        "person_name",
        "initials",
        Mark.NAME_LIKE,
        "initials",
        rf"initials{BLANKS}(?:are|is|:|=)?{BLANKS}(?P<v>(?-i:[A-Z]\.?[A-Z]\.?(?:[A-Z]\.?)?))(?!\w)",
    ),
)
