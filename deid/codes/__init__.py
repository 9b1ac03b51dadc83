"""The shelf of code systems: every system that is known here, by name, and the system that a kind of column holds.

Importing the shelf loads no table: a system reads its list of codes when it is first asked about a code.
"""

from __future__ import annotations

from deid.codes.base import CodeSystem
from deid.codes.cpt import CPT
from deid.codes.cvx import CVX
from deid.codes.discharge_status import DISCHARGE_STATUS
from deid.codes.drg import DRG
from deid.codes.hcpcs import HCPCS
from deid.codes.icd9cm import ICD9CM, ICD9CM_PROCEDURE
from deid.codes.icd10 import ICD10
from deid.codes.icd10cm import ICD10CM
from deid.codes.icd10pcs import ICD10PCS
from deid.codes.icd_any import ICD_ANY, ICD_ANY_PROCEDURE
from deid.codes.loinc import LOINC
from deid.codes.modifier import MODIFIER
from deid.codes.ndc import NDC
from deid.codes.npi import NPI
from deid.codes.place_of_service import PLACE_OF_SERVICE
from deid.codes.revenue_code import REVENUE_CODE
from deid.codes.rxnorm import RXNORM
from deid.codes.snomed import SNOMED
from deid.codes.taxonomy import TAXONOMY

_SYSTEMS: tuple[CodeSystem, ...] = (
    ICD10CM,
    ICD10PCS,
    ICD9CM,
    ICD9CM_PROCEDURE,
    ICD10,
    ICD_ANY,
    ICD_ANY_PROCEDURE,
    DRG,
    CPT,
    HCPCS,
    MODIFIER,
    NDC,
    RXNORM,
    CVX,
    LOINC,
    SNOMED,
    REVENUE_CODE,
    PLACE_OF_SERVICE,
    DISCHARGE_STATUS,
    TAXONOMY,
    NPI,
)

CODE_SYSTEMS: dict[str, CodeSystem] = {system.name: system for system in _SYSTEMS}
_BY_KIND: dict[str, CodeSystem] = {kind: system for system in _SYSTEMS for kind in system.kinds}
# Digits of ICD-9-CM mean another thing in a column that is known to hold procedures.
_PROCEDURES: dict[str, CodeSystem] = {"icd9cm": ICD9CM_PROCEDURE, "icd_any": ICD_ANY_PROCEDURE}


def system_of(kind: str, use: str | None = None) -> CodeSystem | None:
    """Return the code system of a column, by its kind's name and its use; None where the kind holds no codes of one."""
    if use == "procedure" and kind in _PROCEDURES:
        return _PROCEDURES[kind]
    return _BY_KIND.get(kind)
