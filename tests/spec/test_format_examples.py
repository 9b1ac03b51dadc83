"""The examples of the format pages are real: each is read by the code that it documents."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import yaml

from deid.documents.cohort import parse_cohort
from deid.documents.policy import load_policy
from deid.documents.request import load_request
from deid.kinds import KINDS
from deid.legal import verdict
from deid.transforms import TRANSFORMS

FORMATS = Path(__file__).resolve().parents[2] / "docs" / "formats"


def examples(page: str) -> list[str]:
    """Return the YAML blocks of a format page."""
    return re.findall(r"```yaml\n(.*?)```", (FORMATS / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_example_of_a_policy_loads_and_keeps_within_its_claim(tmp_path: Path) -> None:
    """The policy that the page shows is one that the code accepts."""
    file = tmp_path / "policy.yaml"
    file.write_text(examples("policy.md")[-1], encoding="utf-8")
    policy = load_policy(file)
    assert all(policy.basis not in f.breaks for k, rule in policy.rules.items() for f in verdict(KINDS[k], rule))


def test_the_spellings_of_a_rule_load(tmp_path: Path) -> None:
    """Each spelling of a rule that the page shows is accepted."""
    file = tmp_path / "policy.yaml"
    rules = "".join(f"  {line}\n" for line in examples("policy.md")[0].splitlines())
    file.write_text(f"policy: x\nversion: 1\nbasis: expert_determination\nrules:\n{rules}", encoding="utf-8")
    assert [rule.name for rule in load_policy(file).rules.values()] == ["keep", "generalize_date", "generalize_age"]


def test_the_page_names_every_transform_and_its_options() -> None:
    """No transform or option is missing from the table of rules."""
    page = (FORMATS / "policy.md").read_text(encoding="utf-8")
    for name, transform in TRANSFORMS.items():
        row = next(line for line in page.splitlines() if line.startswith("|") and f"`{name}`" in line)
        for option in dataclasses.fields(transform):  # type: ignore[arg-type]
            assert f"`{option.name}`" in row, (name, option.name)


def test_the_example_of_a_request_loads(tmp_path: Path) -> None:
    """The request that the page shows is one that the code accepts."""
    file = tmp_path / "request.yaml"
    file.write_text(examples("request.md")[0], encoding="utf-8")
    assert load_request(file).cohort is not None


def test_the_example_of_a_cohort_parses() -> None:
    """The cohort that the page shows is one that the code accepts."""
    raw = yaml.safe_load(examples("request.md")[1])["cohort"]
    assert len(parse_cohort(raw).predicates) == 3
