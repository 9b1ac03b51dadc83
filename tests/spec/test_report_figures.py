"""The figures of the report against naive ones, and what a page may be made of."""

from __future__ import annotations

from collections import Counter
from html.parser import HTMLParser
from itertools import combinations

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_examples import bare, full
from scipy.optimize import minimize
from scipy.stats import spearmanr

from deid.disclosure.sensitive import Reached
from deid.documents.limits import Limits, RiskLimits, Sensitive
from deid.errors import ReleaseError
from deid.patients.positions import Tagger
from deid.reports import from_json, to_html, to_json
from deid.reports.code_use import spearman
from deid.reports.column_tally import ColumnTally
from deid.reports.evidence import Joinable
from deid.reports.html import sections
from deid.reports.merging import merged
from deid.reports.propensity import Design, expected, pmse
from deid.reports.risk_model import Classes, Risk
from deid.reports.small import is_small, pooled, weighed
from deid.reports.summary import summary
from deid.reports.tallies import Tallied, Values, VectorTally
from deid.reports.verdict_model import Result
from deid.reports.verdicts import Held, against, verdicts

TABLES = st.integers(1, 3).flatmap(
    lambda parts: st.lists(st.lists(st.integers(0, 30), min_size=parts, max_size=parts), min_size=1, max_size=8)
)


# Small cells


@given(TABLES)
def test_a_pooled_table_has_no_small_cell_and_the_same_totals(rows: list[list[int]]) -> None:
    """Every cell of what is shown is 0 or eleven at least, and nobody is lost."""
    table = pooled(np.array(rows, np.int64))
    if table is not None:
        assert not is_small(table.counts).any()
        assert table.counts.sum(axis=0).tolist() == np.array(rows).sum(axis=0).tolist()
        assert [rows[row] for row in table.kept] == table.counts[: len(table.kept)].tolist()


@given(TABLES)
def test_a_table_is_refused_only_where_no_pool_would_do(rows: list[list[int]]) -> None:
    """None is returned only if the small rows, with any others, still have a small cell, or a total is small."""
    if pooled(np.array(rows, np.int64)) is not None:
        return
    cells = np.array(rows)
    assert is_small(cells.sum(axis=0)).any()


def test_one_small_row_takes_the_next_smallest_along() -> None:
    """A row of seven alone could be had from the total; with the row of twenty it cannot."""
    table = pooled(np.array([[500], [20], [7], [90]], np.int64))
    assert table is not None
    assert (table.kept, table.pool, table.counts.tolist()) == ((0, 3), 2, [[500], [90], [27]])


def test_many_rare_values_count_one_by_one_and_few_are_pooled() -> None:
    """A figure over 110 patients with rare values takes each as it is; below that, or in one part, they are one."""
    days = np.ones((110, 1), np.int64)
    assert (table := weighed(days)) is not None
    assert (len(table.kept), table.pool) == (110, 0)
    assert (table := weighed(days[:109])) is not None
    assert (table.kept, table.pool) == ((), 109)
    both = np.concatenate([days, np.zeros_like(days)], axis=1)
    both[:20, 1] = 1
    assert (table := weighed(both)) is not None
    assert table.pool


def test_a_table_of_eleven_and_more_stays_as_it_is() -> None:
    """Nothing is pooled where nothing is small; a value that nobody has is left out."""
    table = pooled(np.array([[11, 0], [0, 0], [40, 12]], np.int64))
    assert table is not None
    assert (table.kept, table.pool) == ((0, 2), 0)


# Tallies

VECTORS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(-1, 1)), min_size=0, max_size=60)


@given(st.lists(VECTORS, max_size=3))
def test_vectors_are_counted_as_one_by_one(batches: list[list[tuple[int, int, int]]]) -> None:
    """Distinct vectors and their counts by part are those of a plain loop; part -1 is counted nowhere."""
    tally = VectorTally(2, 2)
    told: dict[tuple[int, int], list[int]] = {}
    for batch in batches:
        columns = [np.array([row[i] for row in batch], np.int32) for i in range(2)]
        numbers = tally.add(columns, np.array([row[2] for row in batch], np.int64))
        for number, (one, two, part) in zip(numbers.tolist(), batch, strict=True):
            assert tally.rows[number].tolist() == [one, two]
            counts = told.setdefault((one, two), [0, 0])
            if part >= 0:
                counts[part] += 1
    found = dict(zip(map(tuple, tally.rows.tolist()), tally.counts.tolist(), strict=True))
    assert found == told
    single, sums = tally.table(0)
    for value, counts in zip(single[:, 0].tolist(), sums.tolist(), strict=True):
        assert counts == [sum(c[part] for (one, _), c in told.items() if one == value) for part in (0, 1)]


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None, ""]), st.integers(-1, 1)), max_size=40))
def test_mentions_are_counted_as_one_by_one(cells: list[tuple[str | None, int]]) -> None:
    """Texts and nulls are counted by part, whether the column is dictionary-encoded or not."""
    for encoded in (False, True):
        tally = Tallied(2)
        column = pa.array([text for text, _ in cells], pa.string())
        tally.add(column.dictionary_encode() if encoded else column, np.array([part for _, part in cells], np.int64))
        for text, counts in zip(tally.values.texts, tally.counts.tolist(), strict=True):
            assert counts == [sum(1 for cell in cells if cell == (text, part)) for part in (0, 1)]


@given(st.lists(st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.booleans(), st.integers(0, 1)))))
def test_source_values_are_counted_under_released_ones(batches: list[list[tuple[str | None, bool, int]]]) -> None:
    """Pairs are those of a plain loop, from whatever batch on the column leaves other than it came."""
    values, vectors = Values(), VectorTally(1, 2)
    tally = ColumnTally(Tagger.fresh(), values)
    told: Counter[tuple[str | None, str | None, int]] = Counter()
    for batch in batches:
        source = pa.array([text for text, _, _ in batch], pa.string())
        done = pa.array(["x" if is_coarse else text for text, is_coarse, _ in batch], pa.string())
        part = np.array([part for _, _, part in batch], np.int64)
        numbers = values.of(done)
        tally.add(source, done, numbers, part, lambda: vectors.table(0))
        vectors.add([numbers], part)
        told.update(zip(source.to_pylist(), done.to_pylist(), part.tolist(), strict=True))
    pairs = tally.pairs(lambda: vectors.table(0))
    found = sorted(
        (values.texts[row[1]] or "", *counts) for row, counts in zip(pairs.rows, pairs.counts.tolist(), strict=True)
    )
    leaves = {(source, released) for source, released, _ in told}
    assert found == sorted((new or "", told[old, new, 0], told[old, new, 1]) for old, new in leaves)
    assert len(np.unique(pairs.rows[:, 0])) == len({source for source, _ in leaves})


def test_a_null_is_a_value_of_its_own() -> None:
    """Null and the empty text are two values."""
    values = Values()
    assert values.of(pa.array([None, "", "x", None], pa.string())).tolist() == [0, 1, 2, 0]
    assert values.texts == (None, "", "x")


# Utility


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=30))
def test_ranks_correlate_as_spearman_says(pairs: list[tuple[int, int]]) -> None:
    """Ties have their mean rank, as in scipy; a side without order has no correlation."""
    one, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = spearman(one, other)
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(spearmanr(one, other).statistic, abs=6e-4)


def naive_pmse(x: np.ndarray, y: np.ndarray) -> float:
    """Return the mean squared error of a logistic regression that a general optimizer fits row by row."""
    x = np.concatenate([np.ones((len(x), 1)), x], axis=1)

    def loss(beta: np.ndarray) -> float:
        z = x @ beta
        return float(np.logaddexp(0, z).sum() - (y * z).sum() + 0.5e-6 * len(y) * (beta[1:] ** 2).sum())

    fitted = minimize(loss, np.zeros(x.shape[1]), method="BFGS", options={"gtol": 1e-9}).x
    p = 1 / (1 + np.exp(-(x @ fitted)))
    return float(((p - y.mean()) ** 2).mean())


def design(levels: np.ndarray, measures: np.ndarray, released: np.ndarray) -> Design:
    """Return the design of patients who were asked for, and of those among them who were released."""
    rows = np.concatenate([levels[:, None], measures[:, None]], axis=1)
    distinct, places = np.unique(rows, axis=0, return_inverse=True)
    places = places.reshape(-1)
    source = np.bincount(places, minlength=len(distinct))
    release = np.bincount(places[released], minlength=len(distinct))
    sizes = (int(levels.max()) + 1,)
    return Design(distinct[:, :1].astype(np.int32), sizes, distinct[:, 1:].astype(float), source, release)


def test_the_propensity_score_is_that_of_a_plain_regression() -> None:
    """Grouped and by weighted least squares, or row by row by a general optimizer: the same pMSE."""
    draw = np.random.default_rng(7)
    levels, measures = draw.integers(0, 4, 600), draw.integers(0, 5, 600)
    released = draw.random(600) < np.where(levels == 3, 0.3, 0.95)
    x = np.concatenate([levels[:, None] == np.arange(1, 4), measures[:, None]], axis=1).astype(float)
    both = np.concatenate([x, x[released]])
    y = np.concatenate([np.zeros(600), np.ones(int(released.sum()))])
    assert pmse(design(levels, measures, released)) == pytest.approx(naive_pmse(both, y), rel=1e-4)


def test_a_random_choice_has_the_expected_error() -> None:
    """Over random choices of 80 and of 95 % of the patients, the mean pMSE is what `expected` says."""
    draw = np.random.default_rng(11)
    levels, measures = draw.integers(0, 4, 2_000), draw.integers(0, 5, 2_000)
    for kept in (1_600, 1_900):
        errors = []
        for _ in range(150):
            released = np.zeros(2_000, bool)
            released[draw.permutation(2_000)[:kept]] = True
            errors.append(pmse(design(levels, measures, released)))
        null = expected(2_000, kept, 4)
        assert null is not None
        # Four degrees of freedom: the mean of 150 has a standard error of 5.8 %.
        assert np.mean(errors) == pytest.approx(null, rel=0.2)


def test_who_was_withheld_by_rule_is_told_from_chance() -> None:
    """Where one group alone loses patients, the error is many times that of a random choice."""
    draw = np.random.default_rng(13)
    levels, measures = draw.integers(0, 4, 2_000), draw.integers(0, 5, 2_000)
    released = ~((levels == 3) & (draw.random(2_000) < 0.4))
    null = expected(2_000, int(released.sum()), 4)
    assert null is not None
    assert pmse(design(levels, measures, released)) > 20 * null


def test_nobody_withheld_has_no_null() -> None:
    """Where all are released there is no choice to compare with, and the error is zero."""
    levels, measures = np.array([0, 1, 2, 1]), np.array([1, 2, 3, 4])
    assert pmse(design(levels, measures, np.ones(4, bool))) == pytest.approx(0.0, abs=1e-12)
    assert expected(4, 4, 3) is None


# Verdicts


SENSITIVE = Sensitive("race", l=3, t=0.2)
LIMITS = Limits(5, ("sex",), 0.1, sensitive=(SENSITIVE,), risk=RiskLimits(prosecutor=0.2, marketer=0.1))
CLASSES = Classes(("patients.SEX",), 5, None, "1-10", None, (), None, 5)


def test_a_figure_that_is_not_shown_is_judged_by_its_true_value() -> None:
    """A class of seven holds a ceiling of one in five, and a mean of a few classes its own, though neither is shown."""
    risk = Risk(None, None, None)
    for mean, result in ((0.09, Result.PASSED), (0.11, Result.FAILED)):
        told = verdicts(LIMITS, Held(7, 0.0, None, mean), CLASSES, risk, None, Joinable())
        found = {verdict.figure.split(" (")[-1]: (verdict.value, verdict.result) for verdict in told}
        assert found["prosecutor)"] == (None, Result.PASSED)
        assert found["marketer)"] == (None, result)


@given(st.floats(0, 1), st.floats(0, 1))
def test_what_classes_tell_of_a_sensitive_kind_is_held_to_its_limits(share: float, distance: float) -> None:
    """L and t have a verdict each, true to the figure; what is shown is in steps, never less, and within what it keeps."""
    told = verdicts(
        LIMITS, Held(7, 0.0, None), CLASSES, None, None, Joinable(), None, [Reached(SENSITIVE, share, distance)]
    )
    diverse, close = (verdict for verdict in told if "race" in verdict.figure)
    for verdict, figure, ceiling in ((diverse, share, 1 / 3), (close, distance, 0.2)):
        assert (verdict.result is Result.PASSED) == (figure <= ceiling + 2e-9)
        assert isinstance(verdict.value, float)
        assert figure - 1e-4 <= verdict.value <= figure + 0.05 + 1e-4
        assert (verdict.value <= verdict.ceiling + 1e-9) == (verdict.result is Result.PASSED)
    assert all(v.result is Result.NOT_MEASURED for v in verdicts(LIMITS, Held(7, 0.0, None), CLASSES, None, None, Joinable())
               if "race" in v.figure)  # fmt: skip


def test_requests_of_one_recipient_have_a_verdict_of_their_own() -> None:
    """Another recipient's share is told without a ceiling; a recipient's own is held to that of the policy."""
    limits = Limits(5, ("sex",), 0.1, risk=RiskLimits(rejoin=0.05))
    for share, result in ((0.05, Result.PASSED), (0.051, Result.FAILED)):
        told = verdicts(limits, Held(7, 0.0, None), CLASSES, None, None, Joinable(0.9, share))
        found = {v.figure: (v.value, v.ceiling, v.result) for v in told if v.figure.startswith("patients whom")}
        assert list(found.values()) == [(0.9, None, Result.NO_CEILING), (share, 0.05, result)]
    told = verdicts(limits, Held(7, 0.0, None), CLASSES, None, None, Joinable())
    assert not [v for v in told if v.figure.startswith("patients whom")]


def test_a_figure_at_its_ceiling_passes() -> None:
    """At most means at most; without a figure nothing is said to pass."""
    told = [against(value, 0.09) for value in (0.0, 0.09, 0.0901, None)]
    assert told == [Result.PASSED, Result.PASSED, Result.FAILED, Result.NOT_MEASURED]
    assert against(0.5, None) is Result.NO_CEILING


# The page


class Page(HTMLParser):
    """Reads a page: elements, texts, what refers elsewhere, and whether every element is closed."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[str] = []
        self.references: list[str] = []
        self.text = ""
        self.feed(data.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and what it refers to."""
        self.elements.append(tag)
        self.references += [value or "" for key, value in attrs if key in ("src", "href", "data", "action", "srcset")]
        self.references += [value or "" for key, value in attrs if key.startswith("on")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that closes itself."""
        self.elements.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Gather what is read."""
        if self.open[-1:] != ["style"]:
            self.text += data


@pytest.mark.parametrize("report", [full(), bare()], ids=["full", "bare"])
def test_the_page_asks_for_nothing_and_runs_nothing(report: object) -> None:
    """No element fetches or runs anything; links lead to sections of the page, which all are there."""
    page = Page(to_html(report))  # type: ignore[arg-type]
    assert not page.open
    assert not {"script", "link", "img", "iframe", "object", "form", "video", "base"} & set(page.elements)
    names = {f"#{section.name}" for section in sections(report)}  # type: ignore[arg-type]
    assert set(page.references) == names
    assert b"url(http" not in to_html(report)  # type: ignore[arg-type]
    assert b"@import" not in to_html(report)  # type: ignore[arg-type]


def test_results_stand_in_words() -> None:
    """Passed and failed are words, not colors alone, and every chart has a title and a description."""
    data = to_html(full()).decode()
    page = Page(data.encode())
    assert "failed" in page.text
    assert "passed" in page.text
    assert "over ceiling" in page.text
    assert data.count("<svg") == data.count("<desc") == data.count('role="img"') > 5


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a\x00b\ud800", "]]>"])
def test_every_text_is_escaped(text: str) -> None:
    """Whatever stands in a name, a value or a note is text on the page."""
    report = full()
    about = msgspec.structs.replace(report.about, purpose=text, cohort=text, requester=text)
    utility = report.utility
    marginal = utility.marginals[0]
    value = msgspec.structs.replace(marginal.values[0], value=text)
    marginals = (msgspec.structs.replace(marginal, column=text, values=(value,)),)
    changed = msgspec.structs.replace(
        report, about=about, left_out=(text,), utility=msgspec.structs.replace(utility, marginals=marginals)
    )
    page = Page(to_html(changed))
    assert not {"script", "img"} & set(page.elements)
    assert not page.open


def test_the_report_survives_the_way_to_json_and_back() -> None:
    """What is read is what was written; anything unknown is refused."""
    for report in (full(), bare()):
        assert from_json(to_json(report)) == report
    for damaged in (b"", b"{}", to_json(full()).replace(b'"about"', b'"aboot"'), b"\xff", b"[" * 100_000):
        with pytest.raises(ReleaseError):
            from_json(damaged)


def test_the_terminal_tells_the_result_of_each_ceiling() -> None:
    """Each verdict has a line with its result, figure and ceiling."""
    lines = summary(full())
    for verdict in full().verdicts:
        line = next(line for line in lines if verdict.figure in line)
        assert line.startswith(verdict.result.value)
    assert summary(bare())


# Attacks


def attack(**changed: object) -> bytes:
    """Return what `deid attack --json` prints of one scenario."""
    record = {
        "format": "deid-attack/1",
        "release": full().about.release,
        "policy_sha256": full().about.policy_sha256,
        "targets": 1000,
        "figures": [
            {
                "attacker": "voter_list", "scenario": "date of birth, ZIP, sex", "unit": "people", "n": 1000,
                "verdict": "undecided", "expected": 0.01, "expected_interval": [0.005, 0.02], "ceiling": 0.09,
                "ceiling_written": "limits.risk.marketer", "certain": "1-10",
            }
        ],
    }  # fmt: skip
    return msgspec.json.encode(record | changed)


def test_an_attack_is_merged_into_the_report_of_its_release() -> None:
    """Figures and verdicts of the red team stand in the report; the rest of it is unchanged."""
    report = merged(full(), attack())
    (found,) = report.attacks
    assert (found.attacker, found.value, found.low, found.high) == ("voter list", 0.01, 0.005, 0.02)
    assert found.result is Result.UNDECIDED
    assert msgspec.structs.replace(report, attacks=full().attacks, to_do=full().to_do) == full()


def test_what_is_left_to_decide_after_an_attack_is_told() -> None:
    """Each sentence of the attack stands in the report, on its page and on the terminal, and the page's first says so."""
    left = ("undecided voter_list: 1.00 % (ZIP, sex). Raise --targets.", "no ceiling months: <b>2 %</b>.")
    report = merged(full(), attack(to_do=left))
    assert report.to_do == left
    page = Page(to_html(report))
    assert all(sentence in page.text for sentence in left)
    assert "2 things are left to decide" in page.text
    assert all(f"  {sentence}" in summary(report) for sentence in left)
    assert merged(full(), attack()).to_do == ()


@pytest.mark.parametrize(
    "data", [b"", b"{}", attack(release="another"), attack(policy_sha256="00"), attack(format="deid-attack/9")]
)
def test_another_releases_attack_is_refused(data: bytes) -> None:
    """A result on another release, under another policy or of another format is not merged."""
    with pytest.raises(ReleaseError):
        merged(full(), data)


def test_pairs_of_columns_are_all_told() -> None:
    """Each two columns of an example stand in the page once."""
    text = Page(to_html(full())).text
    for pair in full().utility.pairs:
        assert all(column in text for column in pair.columns)
    columns = [marginal.column for marginal in full().utility.marginals]
    assert len(full().utility.pairs) == len(list(combinations(columns, 2)))
