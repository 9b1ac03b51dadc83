"""Requests of different names over one dataset are one publication to whoever reads both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from deid.errors import DeidError, DisclosureError, PlanError
from deid.tables.cube import Address, Cube
from deid.tables.linking import link
from deid.tables.primary import telling_totals
from tests.sites import TestSite, make_site
from tests.spec.test_table_counts import BLOCK, DESCRIPTION, _source

TABLES = {"t": {"measure": "visits", "by": ["year", "county"]}}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> TestSite:
    """A site with a policy that hides, and one that rounds."""
    made = make_site(tmp_path_factory.mktemp("site"))
    rules = {"service_date": {"generalize_date": "month"}, "age": {"generalize_age": {"top": 90, "width": 1}}}
    rules |= dict.fromkeys(("state", "county", "sex", "race", "icd10cm"), "keep")
    for name, limits in (("hides", {}), ("rounds", {"method": "round"})):
        content = {"policy": name, "version": 1, "basis": "expert_determination", "rules": rules}
        made.sign(made.write(f"policies/{name}.yaml", {**content, "limits": {"tables": limits}}))
    return made


def _publish(site: TestSite, dataset: str, name: str, *, policy: str = "hides", **more: Any) -> Path:
    described = site.write(f"{dataset}/dataset.yaml", {**DESCRIPTION, "dataset": dataset})
    tabulation = {**BLOCK, "tables": TABLES, **more.pop("tabulate", {})}
    content = {
        "request": name,
        "requester": "Somebody",
        "purpose": "A test",
        "policy": str(site.folder / "policies" / f"{policy}.yaml"),
        "dataset": str(described),
        "expires": "2027-12-31",
        "tabulate": tabulation,
        **more,
    }
    return site.tabulate(site.write(f"{name}.yaml", content)).folder


def _weigh(site: TestSite, weighed: dict[str, list[str]], version: int = 1) -> None:
    """Sign a policy in which the officer has weighed requests."""
    content = yaml.safe_load((site.folder / "policies" / "hides.yaml").read_text())
    content |= {"policy": "weighs", "version": version, "limits": {"tables": {"weighed_beside": weighed}}}
    site.sign(site.write("policies/weighs.yaml", content))


def _cells(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "tables.json").read_text())["tables"]["t"]["cells"]
    return found


def test_rounding_again_under_another_name_draws_nothing_new(site: TestSite) -> None:
    """The mean of many drawn roundings would be the count; a copy of the request repeats the first draw."""
    _source(site.folder / "rounded", 1, people=80, visits=300)
    first = _cells(_publish(site, "rounded", "draw-0", policy="rounds"))
    assert any(cell["count"] for cell in first)
    for number in range(1, 4):
        assert _cells(_publish(site, "rounded", f"draw-{number}", policy="rounds")) == first


def test_late_rows_change_no_cell_under_another_name(site: TestSite) -> None:
    """What was published stands for every request over the dataset, so no difference tells whose rows came late."""
    _source(site.folder / "late", 2, people=80, visits=300)
    first = _cells(_publish(site, "late", "early-tables"))
    _source(site.folder / "late", 2, people=80, visits=340)
    assert _cells(_publish(site, "late", "late-tables")) == first


def test_what_cannot_be_audited_together_is_refused_until_it_is_weighed(site: TestSite) -> None:
    """Another cohort, method or set of age bands needs the officer's signed word, which stands in the published audit."""
    _source(site.folder / "both", 3, people=90, visits=300)
    _publish(site, "both", "everybody")
    some = {"patients": {"any": [{"icd10cm": ["E10", "E11"]}]}}
    with pytest.raises(DisclosureError, match="everybody") as fault:
        _publish(site, "both", "some", cohort=some)
    assert "weighed_beside: {some: [everybody]}" in fault.value.hint
    assert not (site.site.releases / "some").exists() or not list((site.site.releases / "some").iterdir())
    with pytest.raises(DisclosureError, match="another way of protection"):
        _publish(site, "both", "rounded", policy="rounds")
    with pytest.raises(DeidError, match="weighed_beside"):  # it is the officer's word, and no request says it
        _publish(site, "both", "some", policy="weighs", cohort=some, weighed_beside=["everybody"])
    _weigh(site, {"other": ["everybody"]})
    with pytest.raises(DisclosureError, match="everybody"):
        _publish(site, "both", "some", policy="weighs", cohort=some)
    _weigh(site, {"some": ["everybody"]}, version=2)
    folder = _publish(site, "both", "some", policy="weighs", cohort=some)
    assert json.loads((folder / "audit.json").read_text())["not_audited_with"] == ["everybody"]
    assert "Not audited together with the tables of everybody" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("basis", "limits", "message"),
    [
        ("safe_harbor", {"method": "round", "base": 3}, "multiples of 3"),
        ("expert_determination", {"method": "round", "base": 5}, "multiples of 5"),
        ("safe_harbor", {"protection": 2}, "within less than 10"),
    ],
)
def test_no_way_of_protection_tells_small_counts_after_all(
    site: TestSite, basis: str, limits: dict[str, Any], message: str
) -> None:
    """Rounded to multiples of 3, a shown 3 is 1 to 5; and a mark between 2 and 4 is no secret."""
    name = f"weak-{basis.replace('_', '-')}-{len(message)}"
    rules = {"service_date": {"generalize_date": "year"}, "state": "keep"}
    content = {"policy": name, "version": 1, "basis": basis, "rules": rules, "limits": {"tables": limits}}
    site.sign(site.write(f"policies/{name}.yaml", content))
    _source(site.folder / name, 4)
    tables = {"t": {"measure": "visits", "by": ["year", "state"]}}
    with pytest.raises(PlanError, match=message):
        _publish(site, name, name, policy=name, tabulate={"tables": tables, "ages": [], "codes": {}})


def test_a_population_of_whom_all_have_the_diagnosis_is_counted_for_the_officer() -> None:
    """No difference is left to protect, and everybody's diagnosis is told."""
    cube = Cube()
    for address, count in (
        (Address("prevalence", "x", "2024", "", "", "", "", "", ""), 20),
        (Address("population", "", "", "", "", "", "", "", ""), 20),
    ):
        cube.counts[address] = cube.patients[address] = count
    system = link(cube, {}, smallest=11, groups={"x": {"icd10cm": ("A",)}}).system
    assert telling_totals(system, system.forced) == 1


def test_another_washout_is_refused_where_both_tell_new_patients(site: TestSite) -> None:
    """New after one year without the code and new after two are different people, so their cells are not one."""
    _source(site.folder / "washed", 5, people=90, visits=600)
    new = {"tables": {"t": {"measure": "incidence", "by": ["year", "codes"]}}, "from": "2025-01-01"}
    _publish(site, "washed", "ever", tabulate=new)
    _publish(site, "washed", "visits-only", tabulate={"washout": 400})
    with pytest.raises(DisclosureError, match="another washout"):
        _publish(site, "washed", "one-year", tabulate={**new, "washout": 365})
