# ruff: noqa: E501 - an expression is easier to read in one piece
"""Names in fields of headers and signatures: 45 CFR 164.514(b)(2)(i)(A)."""

from __future__ import annotations

from deid.notes.patterns.name_checks import hint_of_name, named, patient_field, signed
from deid.notes.patterns.pieces import BLANKS, COMMA_NAMES, GAP, LETTER, NAMES
from deid.notes.patterns.rule import Rule
from deid.notes.span import Mark

_LABEL_START = r"(?:(?<=[\n|;\t>\"{,(\]*.!?])|(?<=[\n|;\t>\"{,(\]*.!?][ ])|(?<=[\n|;\t>\"{,(\]*.!?][ ][ ])|(?<![\s\S]))"
_COLON = rf"{BLANKS}(?:[:=|]|>>|->){BLANKS}\n?{BLANKS}"
_FIELD = r"(?:mrn|dob|age|sex|ssn|date|acct|account|id|phone|gender|room|bed|admit|admitted|unit|birth|tel|address|pcp|provider|md)\b"
_LOWER = rf"(?-i:[a-z]){LETTER}{{1,20}}+"
# In lower case a name ends with its field, or it would run into the sentence.
_LOWER_NAMES = rf"{_LOWER}(?:,?[ ](?!{_FIELD}){_LOWER}){{0,3}}(?=[ \t]*+(?:[\n,;|()/]|\.(?!\w)|\Z|{_FIELD}))"

RULES = (
    Rule(
        "person_name",
        "header",
        Mark.NAME,
        "patient pt full first last given family middle legal preferred maiden name surname member subscriber nombre",
        rf"{_LABEL_START}(?:patient(?:'s)?[ ]name|pt\.?[ ]name|(?:full|first|last|given|family|middle|legal|preferred|maiden|member|subscriber)[ ]name|name[ ]of[ ]patient|surname|nombre)(?:[ ]?\([a-z, ]{{1,20}}\))?(?:{_COLON}|[ ]-[ ])(?P<v>(?!{_FIELD})(?:{COMMA_NAMES}|{_LOWER_NAMES}))",
        verdict=patient_field,
        stop=True,
    ),
    Rule(
        "person_name",
        "field",
        Mark.NAME,
        "name",
        rf"{_LABEL_START}name{_COLON}(?P<v>(?!{_FIELD})(?:{COMMA_NAMES}|{_LOWER_NAMES}))",
        verdict=named,
        stop=True,
    ),
    Rule(
        "person_name",
        "header",
        Mark.NAME,
        "patient pt member guarantor subscriber insured",
        rf"{_LABEL_START}(?:patient|pt|member|guarantor|subscriber|insured){_COLON}(?:(?:Mrs?|Ms)\.?[ ])?(?P<v>{COMMA_NAMES})",
        verdict=named,
        stop=True,
    ),
    Rule(
        "person_name",
        "field",
        Mark.NAME,
        "subject client re regarding mother father spouse guardian informant contact resident from to cc attn interpreter counselor assistant nurse rn md np fellow consultant",
        rf"{_LABEL_START}(?:subject|client|re|regarding|mother|father|spouse|guardian|informant|resident|(?:emergency[ ])?contact|from|to|cc|attn|interpreter|counselor|assistant|nurse|rn|md|np|fellow|consultant)(?:[ ]name)?{_COLON}(?:(?:Mrs?|Ms|Dr)\.?[ ])?(?P<v>{COMMA_NAMES})",
        verdict=hint_of_name,
        stop=True,
    ),
    Rule(
        "relative_name",
        "contact",
        Mark.NAME,
        "emergency next nok caregiver",
        rf"(?:emergency{GAP}contact|next{GAP}of{GAP}kin|nok|caregiver)(?:{GAP}(?:name|is|person)|{BLANKS}\([a-z ]{{1,16}}\)){{0,2}}{BLANKS}[:=\-]?{BLANKS}(?P<v>{COMMA_NAMES})",
        verdict=named,
        stop=True,
    ),
    Rule(
        "provider_name",
        "header",
        Mark.NAME,
        "attending provider physician surgeon pcp primary author resident clinician therapist anesthesiologist radiologist pathologist cardiologist referring ordering performing rendering treating cosigner",
        rf"{_LABEL_START}(?:attending(?:[ ](?:physician|provider|md))?|(?:referring|ordering|performing|rendering|treating|primary[ ]care)[ ](?:physician|provider|md|clinician)|provider|physician|surgeon|pcp|author|resident|clinician|therapist|anesthesiologist|radiologist|pathologist|cardiologist|cosigner)(?:[ ]name)?{_COLON}(?:Dr\.?[ ])?(?P<v>{COMMA_NAMES})",
        verdict=named,
        stop=True,
    ),
    Rule(
        "provider_name",
        "signed",
        Mark.NAME,
        "signed dictated transcribed authored cosigned scribed authenticated attested electronically signature s",
        rf"(?:(?:signed|dictated|transcribed|authored|cosigned|scribed|authenticated|attested)(?:{GAP}electronically)?{GAP}by{BLANKS}:?|(?:signed|signature){BLANKS}:|s/){BLANKS}\n?{BLANKS}(?:Dr\.?[ ])?(?P<v>{COMMA_NAMES})",
        verdict=signed,
        stop=True,
    ),
    Rule(
        "provider_name",
        "by",
        Mark.NAME,
        "seen referred reviewed verified ordered prepared reported examined documented completed entered performed read interpreted approved discussed evaluated followed managed with per signed treated by",
        rf"(?:[a-z]{{4,12}}{GAP}by|discussed{GAP}with|with|per|signed|by){BLANKS}:?{GAP}(?:Dr\.?[ ])?(?P<v>{NAMES})",
        verdict=hint_of_name,
        stop=True,
    ),
)
