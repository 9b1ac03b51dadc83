"""The conditions that comorbidity measures tell apart: names, words, what excludes what, what needs an indicator."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: `words` for people; `milder` are the conditions that this one excludes in the same visit.

    `raw` are the bits any of which shows it, by AHRQ's or the table's name; `needs_present` says that AHRQ ties it to
    the indicator of presence on admission.
    """

    name: str
    words: str
    raw: tuple[str, ...]
    milder: tuple[str, ...] = ()
    needs_present: bool = False


# AHRQ, mapping program v2026.1: the measures that are assigned only to what was present on admission, or is exempt.
POA_DEPENDENT = frozenset({
    "ANEMDEF", "BLDLOSS", "HF", "COAG", "LIVER_MLD", "LIVER_SEV", "NEURO_MOVT", "NEURO_SEIZ", "NEURO_OTH", "PARALYSIS",
    "PSYCHOSES", "PULMCIRC", "RENLFL_MOD", "RENLFL_SEV", "ULCER_PEPTIC", "WGHTLOSS", "CBVD_POA", "CBVD_SQLA", "VALVE",
})  # fmt: skip
NOT_PRESENT = "CBVD_NPOA"  # a stroke during the stay: its bit silences the sequelae of an older one

AHRQ_CONDITIONS: dict[str, Condition] = {
    name: Condition(name, words, (raw,), milder, raw in POA_DEPENDENT)
    for name, raw, words, milder in (
        ("aids", "AIDS", "HIV infection, AIDS among it", ()),
        ("alcohol_abuse", "ALCOHOL", "alcohol abuse", ()),
        ("deficiency_anemia", "ANEMDEF", "anemia due to other nutritional deficiencies", ()),
        ("autoimmune_conditions", "AUTOIMMUNE", "autoimmune conditions", ()),
        ("blood_loss_anemia", "BLDLOSS", "chronic blood loss anemia", ()),
        ("leukemia", "CANCER_LEUK", "leukemia", ()),
        ("lymphoma", "CANCER_LYMPH", "lymphoma", ()),
        ("metastatic_cancer", "CANCER_METS", "metastatic cancer", ("solid_tumor", "solid_tumor_in_situ")),
        ("solid_tumor_in_situ", "CANCER_NSITU", "solid tumor without metastasis, in situ", ()),
        ("solid_tumor", "CANCER_SOLID", "solid tumor without metastasis, malignant", ("solid_tumor_in_situ",)),
        ("cerebrovascular_disease", "CBVD_POA", "cerebrovascular disease", ()),
        ("coagulopathy", "COAG", "coagulopathy", ()),
        ("dementia", "DEMENTIA", "dementia", ()),
        ("depression", "DEPRESS", "depression", ()),
        ("diabetes_with_complications", "DIAB_CX", "diabetes with chronic complications",
         ("diabetes_without_complications",)),
        ("diabetes_without_complications", "DIAB_UNCX", "diabetes without chronic complications", ()),
        ("drug_abuse", "DRUG_ABUSE", "drug abuse", ()),
        ("heart_failure", "HF", "heart failure", ()),
        ("complicated_hypertension", "HTN_CX", "hypertension, complicated", ("uncomplicated_hypertension",)),
        ("uncomplicated_hypertension", "HTN_UNCX", "hypertension, uncomplicated", ()),
        ("mild_liver_disease", "LIVER_MLD", "liver disease, mild", ()),
        ("severe_liver_disease", "LIVER_SEV", "liver disease and failure, moderate to severe",
         ("mild_liver_disease",)),
        ("chronic_pulmonary_disease", "LUNG_CHRONIC", "chronic pulmonary disease", ()),
        ("movement_disorders", "NEURO_MOVT", "neurological disorders affecting movement", ()),
        ("other_neurological_disorders", "NEURO_OTH", "other neurological disorders", ()),
        ("seizures", "NEURO_SEIZ", "seizures and epilepsy", ()),
        ("obesity", "OBESE", "obesity", ()),
        ("paralysis", "PARALYSIS", "paralysis", ()),
        ("peripheral_vascular_disease", "PERIVASC", "peripheral vascular disease", ()),
        ("psychoses", "PSYCHOSES", "psychoses", ()),
        ("pulmonary_circulation_disease", "PULMCIRC", "pulmonary circulation disease", ()),
        ("moderate_renal_failure", "RENLFL_MOD", "renal failure and disease, moderate", ()),
        ("severe_renal_failure", "RENLFL_SEV", "renal failure and disease, severe", ("moderate_renal_failure",)),
        ("hypothyroidism", "THYROID_HYPO", "hypothyroidism", ()),
        ("other_thyroid_disorders", "THYROID_OTH", "other thyroid disorders", ()),
        ("peptic_ulcer", "ULCER_PEPTIC", "peptic ulcer disease", ()),
        ("valvular_disease", "VALVE", "valvular disease", ()),
        ("weight_loss", "WGHTLOSS", "weight loss", ()),
    )
}  # fmt: skip

MILDER_IN_CHARLSON = {
    "diabetes_with_complications": ("diabetes_without_complications",),
    "moderate_or_severe_liver_disease": ("mild_liver_disease",),
    "metastatic_solid_tumor": ("malignancy",),
}
