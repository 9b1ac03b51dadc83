"""What the report says of risk: classes, chances by known codes and by one more thing known, the series so far."""

from __future__ import annotations

import msgspec

from deid.release.small_counts import Count


class Bin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Classes of `low` to `high` patients (None: no upper end): how many, and how many patients are in them."""

    low: int
    high: int | None
    classes: int | None
    patients: Count | None


class Classes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Classes of patients with one vector, counted on the decrypted release."""

    columns: tuple[str, ...]
    k: int | None
    number: int | None
    smallest: Count | None
    mean_size: float | None
    bins: tuple[Bin, ...]
    patients_below: Count | None
    below: int


class Estimate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Patients who are alone in the population with their vector, estimated from the release: lowest to highest."""

    low: float | None
    high: float | None
    methods: tuple[str, ...]
    without: tuple[str, ...]
    sampling: float | None


class Risk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Chances of re-identification by the vector, from 0 to 1.

    Prosecutor: the target is known to be in the release; journalist: in a population of whom the release is a part;
    marketer: the mean share of patients who are matched rightly (El Emam 2013, Benitez and Malin 2010).
    """

    prosecutor_max: float | None
    prosecutor_mean: float | None
    marketer: float | None
    journalist_max: float | None = None
    journalist_mean: float | None = None
    population: str | None = None
    uniques: Estimate | None = None


class Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody gets who knows the vector, `dates` dates and `codes` codes of a patient.

    `chance`: the mean over patients of being picked rightly. `few`: the share of what can be known that leaves fewer
    than eleven candidates, `alone`: that leaves one. `worst`: the largest chance of any patient.
    """

    adversary: str
    dates: int
    codes: int
    chance: float
    ceiling: float | None = None
    few: float | None = None
    alone: float | None = None
    worst: float | None = None


class GroupRisk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mean chance in one subgroup of at least eleven patients; how many they are would tell who has few codes."""

    group: str
    chance: float


class Codes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What known codes and dates do, by an exact attack on the release (docs/adr/0017)."""

    kinds: tuple[str, ...]
    grid: tuple[Known, ...]
    subgroups: tuple[GroupRisk, ...] = ()
    method: str = ""


class Gain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody gets who knows the vector and these further things; shares are rounded to hide small counts.

    `chance`: the mean over patients of one over those who fit. `few`: the share of patients whom fewer than
    `Further.below` fit, `alone`: whom nobody else fits.
    """

    known: tuple[str, ...]
    columns: tuple[str, ...]
    chance: float
    ceiling: float | None
    few: float | None
    alone: float | None


class Further(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one further thing, and the worst pair of two, come to; `nothing`: the mean chance by the vector alone."""

    nothing: float | None
    below: int
    single: tuple[Gain, ...]
    pair: Gain | None
    note: str = ""


class Ledger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the series has told so far: the smallest class over all releases, and newcomers released at once.

    `codes`: the largest mean chance by known codes, each with its release; None of a first release, and without maps.
    """

    number: int
    frozen: bool
    joint_k: int | None
    joint_smallest: Count | None
    same_period: float | None
    note: str = ""
    codes: float | None = None
