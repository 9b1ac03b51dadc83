"""What clinicians write that identifies nobody: diagnoses, drugs, doses, findings, scores, codes and citations."""

from __future__ import annotations

from functools import cache

from deid.annotated.forms import written
from deid.annotated.measures import lab, number, percent, score
from deid.annotated.scene import Maker, Scene
from deid.annotated.vocabulary import vocabulary
from deid.notes.lists import CLINICAL_DRUG, COLUMNS, load


def _from(section: str) -> Maker:
    return lambda scene, _letter: scene.dice.pick(vocabulary("clinical")[section])


def _written(form: str) -> Maker:
    return lambda scene, _letter: written(scene.dice, form)


@cache
def listed_drugs() -> tuple[str, ...]:
    """Words that the lists know as drugs, and not as people."""
    lists = load()
    surname, given, clinical = (lists.levels[:, COLUMNS.index(name)] for name in ("surname", "given", "clinical"))
    kept = ((clinical & CLINICAL_DRUG) > 0) & (surname < 5) & (given < 5)
    return tuple(word for word, row in lists.index.items() if kept[row] and len(word) > 3)


def drug(scene: Scene, _letter: str) -> str:
    """A drug by its generic or brand name: one of the well-known ones, or any that the word lists know as a drug."""
    part = scene.dice.random()
    if scene.dice.random() < 0.35:
        name = scene.dice.pick(listed_drugs())
        return name.capitalize() if part < 0.6 else name if part < 0.93 else name.upper()
    name = scene.dice.pick(vocabulary("clinical")["drugs"])
    if part < 0.86:
        return name
    return name.capitalize() if part < 0.94 else name.upper()


def diagnosis(scene: Scene, _letter: str) -> str:
    """A diagnosis or symptom."""
    text = scene.dice.pick(vocabulary("clinical")["dx"])
    return text if scene.dice.random() < 0.95 else text[0].upper() + text[1:]


MAKERS: dict[str, Maker] = {
    "DX": diagnosis,
    "DRUG": drug,
    "DOSE": _written("dose"),
    "LAB": lambda scene, _letter: lab(scene.dice),
    "VITALS": _written("vitals"),
    "PROC": _from("procedures"),
    "EPONYM": _from("eponyms"),
    "SCORE": lambda scene, _letter: score(scene.dice),
    "ANATOMY": _from("anatomy"),
    "DEVICEWORD": _from("devices"),
    "CODE": _written("code"),
    "CITATION": _written("citation"),
    "N": lambda scene, _letter: number(scene.dice),
    "PERCENT": lambda scene, _letter: percent(scene.dice),
    "MEASURE": _written("measure"),
    "GESTATION": _written("gestation"),
    "AGENCY": _from("agencies"),
    "ROLE": _from("roles"),
    "RELATIVE": _from("relatives"),
}
