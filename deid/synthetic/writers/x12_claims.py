"""Subscribers, claims and service lines of X12 837 as columns of text, one row for each claim."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.synthetic import reference
from deid.synthetic.population import Population
from deid.synthetic.text_arrays import Ints
from deid.synthetic.writers.tables import beside, mapped

Text: TypeAlias = pa.Array | pa.ChunkedArray
_PAYERS = {"medicare": "MB", "medicaid": "MC", "commercial": "CI", "self-pay": "ZZ"}
_PAYER_NAMES = {"medicare": "FEDERAL SAMPLE PLAN", "medicaid": "STATE SAMPLE PLAN", "commercial": "SAMPLE MUTUAL",
                "self-pay": "NO PLAN"}  # fmt: skip
_BILL_TYPES = {"inpatient": "11", "outpatient": "13", "emergency": "13"}
_MOST_CODES = 12  # composites in one HI
_NOTE = 80
_MARKS = r"[*:^~\r\n]+"


class Segments:
    """The text of each claim so far, and how many segments it has."""

    def __init__(self, rows: int) -> None:
        self._parts: list[pa.Array] = []
        self.count: Ints = np.zeros(rows, np.int64)

    def add(self, *parts: Text | str) -> None:
        """Add one segment to each claim, none where any part is null; the parts are joined as they are."""
        text = pc.binary_join_element_wise(*parts, "~\n", "")
        self.count += text.is_valid().to_numpy(zero_copy_only=False)
        self._parts.append(text.fill_null(""))

    @property
    def text(self) -> pa.Array:
        """The segments of each claim."""
        return _whole(pc.binary_join_element_wise(*self._parts, ""))


def subscriber(body: Segments, population: Population, stays: pa.Table, levels: pa.Table) -> None:
    """Add the subscriber of each claim, who is the patient or the patient's parent, and the dependent, if any."""
    people = beside(stays, population.patients, "patient_id")
    child = _whole(levels["dependent"]).is_valid()
    adult = pc.invert(child)
    number = pc.replace_substring(people["member_id"], "-", "")
    body.add("HL*", _whole(levels["subscriber"]).cast(pa.string()), "*1*22*", pc.if_else(child, "1", "0"))
    kind = mapped(stays["payer"], _PAYERS)
    body.add("SBR*P*", pc.if_else(child, "", "18"), "*", _group(people), "******", kind)
    parent = pc.replace_substring_regex(pc.utf8_upper(people["contact_name"]), r"^(\S+) (.*)$", r"\2*\1")
    own = pc.binary_join_element_wise(_name(people), _blank(people["middle_name"]), "*")
    body.add(
        "NM1*IL*1*", _whole(pc.if_else(child, pc.binary_join_element_wise(parent, "*", ""), own)), "***MI*", number
    )
    _where(body, people, adult)
    body.add(_only(adult, "REF*SY*"), pc.replace_substring(people["ssn"], "-", ""))
    payer = mapped(stays["payer"], _PAYER_NAMES)
    body.add("NM1*PR*2*", payer, "*****PI*", kind, "0001")
    body.add("HL*", _whole(levels["dependent"]).cast(pa.string()), "*",
             _whole(levels["subscriber"]).cast(pa.string()), "*23*0")  # fmt: skip
    body.add(_only(child, "PAT*19"))
    body.add(_only(child, "NM1*QC*1*"), own)
    _where(body, people, child)


def claim(body: Segments, population: Population, stays: pa.Table, *, institutional: bool) -> None:
    """Add the claim of each encounter down to its providers."""
    people = beside(stays, population.patients, "patient_id")
    account, charge = stays["account_number"], _amount(stays["total_charge"])
    again = pc.ends_with(account, "7")
    frequency = pc.if_else(again, "7", "1")
    bill = mapped(stays["encounter_class"], _BILL_TYPES) if institutional else stays["place_of_service"]
    kind, tail = (":A:", "**A*Y*Y") if institutional else (":B:", "*Y*A*Y*Y")
    body.add("CLM*", account, "*", charge, "***", bill, kind, frequency, tail)
    if institutional:
        _stay(body, stays)
    body.add(_only(again, "REF*F8*PCN"), account)
    body.add("REF*D9*", pc.utf8_slice_codeunits(account, 1), "00")
    body.add("REF*EA*", people["mrn"])
    body.add("NTE*ADD*", _note(population, stays))
    _diagnoses(body, population, stays, institutional=institutional)
    if institutional:
        _procedures(body, population, stays)
        body.add("HI*DR:", stays["drg"])
    body.add("NM1*", "71" if institutional else "82", "*1*", _doctor(stays["npi"]), "****XX*", stays["npi"])
    body.add("PRV*", "AT" if institutional else "PE", "*PXC*207Q00000X", pc.if_else(stays["npi"].is_valid(), "", None))


def service_lines(population: Population, stays: pa.Table, *, institutional: bool) -> tuple[pa.Array, Ints]:
    """Return the service lines of each claim as text, and how many segments they are."""
    lines = population.procedures
    lines = lines.filter(pc.is_in(lines["encounter_id"], value_set=_whole(stays["encounter_id"])))
    code = pc.binary_join_element_wise(lines["cpt"], lines["modifier"], ":", null_handling="skip")
    each = Segments(len(lines))
    number, charge, units = lines["line"].cast(pa.string()), _amount(lines["charge"]), lines["units"].cast(pa.string())
    each.add("LX*", number)
    if institutional:
        each.add("SV2*", lines["revenue_code"], "*HC:", code, "*", charge, "*UN*", units)
    else:
        each.add("SV1*HC:", code, "*", charge, "*UN*", units, "***1")
    each.add("DTP*472*D8*", _day(lines["procedure_date"]))
    each.add("REF*6R*", lines["encounter_id"], "L", number)
    drug = _drug(population, lines)
    each.add("LIN**N4*", drug)
    each.add(_only(drug.is_valid(), "CTP****1*UN"))
    text, rows = _together(each.text, lines, stays, "")
    counts = np.bincount(rows, weights=each.count, minlength=len(stays)).astype(np.int64)
    return text.fill_null(""), counts


def _where(body: Segments, people: pa.Table, where: pa.Array) -> None:
    """Add address, birth date and sex of the patient to the loop that is theirs."""
    body.add(_only(where, "N3*"), _said(people["street_address"]))
    zips = pc.replace_substring(people["zip_code"], "-", "")
    body.add(_only(where, "N4*"), pc.utf8_upper(people["city"]), "*", people["state"], "*", zips)
    body.add(_only(where, "DMG*D8*"), _day(people["birth_date"]), "*", people["sex"])


def _stay(body: Segments, stays: pa.Table) -> None:
    first, last = _day(stays["admit_date"]), _day(stays["discharge_date"])
    is_inpatient = pc.equal(stays["encounter_class"], "inpatient")
    body.add(_only(is_inpatient, "DTP*096*TM*1100"))
    body.add("DTP*434*RD8*", first, "-", last)
    body.add(_only(is_inpatient, "DTP*435*DT*"), first, "0930")
    kind = pc.if_else(pc.equal(stays["encounter_class"], "emergency"), "1", "3")
    body.add("CL1*", kind, "*1*", stays["discharge_status"].fill_null("01"))


def _diagnoses(body: Segments, population: Population, stays: pa.Table, *, institutional: bool) -> None:
    rows = population.diagnoses
    code = pc.replace_substring(rows["icd10cm"], ".", "")
    if institutional:
        said = pc.binary_join_element_wise(code, ":::::::", rows["present_on_admission"], "")
        code = pc.coalesce(said, code)
    codes = pa.table({"encounter_id": rows["encounter_id"], "code": code, "sequence": rows["sequence"]})
    principal, _ = _together(*_listed(codes, 1, 1, "*ABK:"), stays, "")
    others, _ = _together(*_listed(codes, 2, _MOST_CODES, "*ABF:"), stays, "")
    if institutional:
        body.add("HI", principal)
        body.add("HI", pc.replace_substring_regex(principal, r"^\*ABK(:[A-Z0-9]+).*$", r"*ABJ\1"))
        body.add("HI", others)
        more, _ = _together(*_listed(codes, _MOST_CODES + 1, 2 * _MOST_CODES, "*ABF:"), stays, "")
        body.add("HI", more)
    else:
        body.add("HI", principal, others.fill_null(""))


def _procedures(body: Segments, population: Population, stays: pa.Table) -> None:
    acts = population.procedures
    acts = acts.filter(pc.is_valid(acts["icd10pcs"]))
    code = pc.binary_join_element_wise(acts["icd10pcs"], ":D8:", _day(acts["procedure_date"]), "")
    order = _order(acts)
    codes = pa.table({"encounter_id": acts["encounter_id"], "code": code, "sequence": order})
    principal, _ = _together(*_listed(codes, 1, 1, "*BBR:"), stays, "")
    others, _ = _together(*_listed(codes, 2, _MOST_CODES, "*BBQ:"), stays, "")
    body.add("HI", principal)
    body.add("HI", others)


def _order(rows: pa.Table) -> Ints:
    """Return the position of each row among its neighbors of the same encounter, from 1."""
    codes = _whole(rows["encounter_id"]).dictionary_encode().indices.to_numpy()
    place = np.arange(len(codes))
    starts = np.where(np.r_[True, codes[1:] != codes[:-1]], place, 0) if len(codes) else place
    order: Ints = place - np.maximum.accumulate(starts) + 1 if len(codes) else place
    return order


def _listed(codes: pa.Table, first: int, last: int, mark: str) -> tuple[pa.Array, pa.Table]:
    order = codes["sequence"]
    kept = codes.filter(pc.and_(pc.greater_equal(order, first), pc.less_equal(order, last)))
    return _whole(pc.binary_join_element_wise(mark, kept["code"], "")), kept


def _together(texts: pa.Array, rows: pa.Table, stays: pa.Table, between: str) -> tuple[pa.Array, Ints]:
    """Return the texts of the rows of each stay as one, null where it has none, and which stay each row is of."""
    at = pc.index_in(rows["encounter_id"], value_set=_whole(stays["encounter_id"]))
    known = at.is_valid().to_numpy()
    owner = at.fill_null(-1).to_numpy().astype(np.int64)[known]
    order = np.argsort(owner, kind="stable")
    edges = np.r_[0, np.cumsum(np.bincount(owner, minlength=len(stays)))].astype(np.int32)
    kept = texts.filter(pa.array(known)).take(pa.array(order))
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(edges), kept), between)
    return pc.if_else(pa.array(np.diff(edges) > 0), joined, pa.scalar(None, pa.string())), owner


def _drug(population: Population, lines: pa.Table) -> pa.Array:
    """Return the NDC of the drug that goes with each line: the nth of an encounter with its nth line."""
    drugs = population.drugs
    names = pc.binary_join_element_wise(drugs["encounter_id"], pa.array(_order(drugs)).cast(pa.string()), "-")
    wanted = pc.binary_join_element_wise(lines["encounter_id"], lines["line"].cast(pa.string()), "-")
    return _whole(drugs["ndc"]).take(_whole(pc.index_in(wanted, value_set=_whole(names))))


def _note(population: Population, stays: pa.Table) -> pa.Array:
    notes = population.notes
    found = pc.index_in(stays["encounter_id"], value_set=_whole(notes["encounter_id"]))
    text = _whole(notes["note_text"]).take(_whole(found))
    return pc.utf8_slice_codeunits(pc.replace_substring_regex(text, _MARKS, " "), 0, _NOTE)


def _name(people: pa.Table) -> pa.Array:
    return pc.binary_join_element_wise(_said(people["last_name"]), _said(people["first_name"]), "*")


def _doctor(npis: Text) -> pa.Array:
    """Return the name of each provider, by the number."""
    family, given = reference.surnames(), reference.first_names("F")
    names = {npi: f"{family[int(npi) // 10 % len(family)]}*{given[int(npi) // 7 % len(given)]}"
             for npi in npis.unique().to_pylist()}  # fmt: skip
    return pc.utf8_upper(mapped(npis, names))


def _group(people: pa.Table) -> pa.Array:
    return pc.binary_join_element_wise("GRP", pc.utf8_slice_codeunits(people["mrn"], 0, 2), "")


def _said(text: Text) -> Text:
    return pc.utf8_upper(pc.replace_substring_regex(text, _MARKS, " "))


def _blank(text: Text) -> Text:
    return _whole(text).fill_null("")


def _amount(money: Text) -> Text:
    return money.cast(pa.string())


def _day(days: Text) -> pa.Array:
    return pc.strftime(days.cast(pa.timestamp("s")), "%Y%m%d")


def _only(where: Text, text: str) -> pa.Array:
    return pc.if_else(where, text, pa.scalar(None, pa.string()))


def _whole(column: Text) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
