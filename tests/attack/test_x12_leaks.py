"""The sample of X12 claims, read whole: every claim reaches its patient, and what is unread is of nobody."""

from __future__ import annotations

from attack.inputs import SAMPLES
from attack.raw_x12 import segments_of

from deid.sources import load_dataset, open_source

FOLDER = SAMPLES / "x12_837"


def test_every_claim_of_the_sample_reaches_its_patient() -> None:
    """The patients are as many as there are members and, among their dependents, names: counted by hand."""
    dataset = load_dataset(FOLDER / "dataset.yaml")
    source = open_source(dataset)
    found = {key for batch in source.read("claims", ["patient_id"]) for key in batch.column(0).to_pylist()}
    people, member = set(), ""
    for file in FOLDER.glob("*.txt"):
        for parts in segments_of(file.read_text(encoding="utf-8")):
            if parts[:2] == ["NM1", "IL"]:
                member, person = parts[9], parts[9]
            elif parts[:2] == ["NM1", "QC"]:
                person = f"{member}/{parts[3]}/{parts[4]}"
            elif parts[0] == "CLM":
                people.add(person)
    assert len(found) == len(people) > 30
    assert None not in found


def test_the_sample_leaves_nothing_unread_that_is_of_a_patient() -> None:
    """What nobody described of the sample is counted, and is of the envelope, the contacts and the billing office."""
    source = open_source(load_dataset(FOLDER / "dataset.yaml"))
    for _ in source.read("lines", ["claim_id"]):
        pass
    loops = {name.partition("/")[0] for name in source.unread}
    assert loops == {"ST", "1000A", "1000B", "2300", "2310[71]"}
    assert {name for name in source.unread if name.startswith("2300/")} == {
        "2300/DTP", "2300/CLM06", "2300/CLM07", "2300/CLM08", "2300/CLM09",
    }  # fmt: skip
