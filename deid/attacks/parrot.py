"""The parrot: learns from redacted notes what stands where names stood, and looks for words that were left there.

Whoever gets many redacted notes has a training set for the redactor itself (Carrell et al. 2019, PMC6857511): where
tags or invented names stand most of the time, a word that is neither may be one that was missed. Each half of the
notes trains a finder, by what stands before and behind a word, for the other half. It knows nothing but the notes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deid.attacks.base import Belief, LookAlikes
from deid.attacks.bits import Flags, Int64
from deid.attacks.knowledge import Knowledge
from deid.attacks.released import Released
from deid.attacks.rules import rule_of
from deid.kinds import KINDS, Value
from deid.transforms.redact_note import RedactNote

_AT_ONCE = 4_096  # notes that are taken apart at once
_TAG = r"\[[A-Z_]*(?:NAME|PERSON)[A-Z_ 0-9]*\]"
_CAPITALIZED = r"^\p{Lu}[\pL'\x{2019}-]*\p{Ll}[\pL'\x{2019}-]*$"
_TITLES = pa.array(["mr", "mrs", "ms", "miss", "dr", "prof", "re", "name", "patient", "pt", "md", "sincerely"])
_ENOUGH = 3  # occurrences of a context that say something of it
_LIKELY = 0.3  # share of name-like words in a context, from which on a word there is taken for a name
_ORDINARY = 0.5  # share of its occurrences in lower case, from which on a word is no name


class Parrot:
    """Trains a cheap finder of names on half of the released notes, and lets it loose on the other half."""

    name: ClassVar[str] = "parrot"
    asks: ClassVar[str] = "learns from half of the notes where names stood, and looks for missed ones in the other half"

    def attack(self, release: Released, known: Knowledge) -> Iterator[Belief]:
        """Yield the words that look like missed names, by column of notes."""
        del known
        for table, column in release.columns():
            if KINDS[column.kind].value is not Value.NOTE:
                continue
            who, cells = release.who(table), release.cells(table, column.name)
            if who is None:
                continue
            told = _Words.of(cells, who)
            half = np.asarray(told.note % 2 == 0, bool)  # rows stand in no order that tells anything
            found = np.zeros(len(told.note), bool)
            for mine in (half, ~half):
                found[~mine] = told.like_names(train=mine)[~mine]
            rule = rule_of(column)
            shown = cells.is_valid().to_numpy(zero_copy_only=False) & (who >= 0)
            real = told.who >= 0
            yield LookAlikes(
                f"missed names in {table}.{column.name}",
                told.who[found & real],
                told.lower.filter(pa.array(found & real)),
                told.who[real],
                told.lower.filter(pa.array(real)),
                int(shown.sum()),
                len(np.unique(who[shown])),
                isinstance(rule, RedactNote) and rule.replace == "surrogates",
            )


@dataclass(frozen=True, slots=True)
class _Words:
    """Words of notes one after the other; `before` and `behind` number what stands there, with its punctuation."""

    note: Int64 = field(repr=False)
    who: Int64 = field(repr=False)
    lower: pa.Array = field(repr=False)
    number: Int64 = field(repr=False)  # of the word in lower case
    is_tag: Flags = field(repr=False)
    is_capital: Flags = field(repr=False)
    titled: Flags = field(repr=False)
    before: Int64 = field(repr=False)
    behind: Int64 = field(repr=False)

    @classmethod
    def of(cls, cells: pa.Array, who: Int64) -> _Words:
        parts, notes = [pa.array([], pa.string())], [np.zeros(0, np.int64)]
        for start in range(0, len(cells), _AT_ONCE):
            lists = pc.split_pattern_regex(pc.fill_null(cells.slice(start, _AT_ONCE).cast(pa.string()), ""), r"\s+")
            parts.append(pc.list_flatten(lists))
            notes.append(pc.list_parent_indices(lists).to_numpy(zero_copy_only=False).astype(np.int64) + start)
        token, note = pa.concat_arrays(parts), np.concatenate(notes)
        coded = token.dictionary_encode()
        at = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        tag = pc.match_substring_regex(coded.dictionary, _TAG).to_numpy(zero_copy_only=False)
        # What stands around a word are its neighbors as written, but any tag of a name is like any other.
        around = pc.replace_substring_regex(pc.utf8_lower(coded.dictionary), _TAG.lower(), "[name]").dictionary_encode()
        bare = pc.replace_substring_regex(coded.dictionary, r"^[^\pL\pN]+|(?:['\x{2019}]s)?[^\pL\pN]*$", "")
        lower = pc.utf8_lower(bare).dictionary_encode()
        title = pc.is_in(lower.dictionary, value_set=_TITLES).to_numpy(zero_copy_only=False)
        neighbor = around.indices.to_numpy(zero_copy_only=False).astype(np.int64)[at]
        number = lower.indices.to_numpy(zero_copy_only=False).astype(np.int64)[at]
        same = note[1:] == note[:-1]
        before, behind = np.full(len(at), -1, np.int64), np.full(len(at), -1, np.int64)
        before[1:] = np.where(same, neighbor[:-1], -1)
        behind[:-1] = np.where(same, neighbor[1:], -1)
        titled = np.zeros(len(at), bool)
        titled[1:] = same & title[number[:-1]] if len(title) else False
        return cls(
            note,
            who[note] if len(note) else np.zeros(0, np.int64),
            lower.dictionary.take(pa.array(number)),
            number,
            tag[at],
            pc.match_substring_regex(bare, _CAPITALIZED).to_numpy(zero_copy_only=False)[at],
            titled,
            before,
            behind,
        )

    def like_names(self, *, train: Flags) -> Flags:
        """Return which words look like names that stand untagged, by what the words of `train` tell."""
        words = int(self.number.max(initial=0)) + 1
        # Where names are surely meant: tags, and what stands behind a title; their words elsewhere are names too.
        seed = self.is_tag | (self.titled & self.is_capital)
        is_name = np.zeros(words, bool)
        is_name[self.number[train & seed & ~self.is_tag]] = True
        small = np.bincount(self.number[train & ~self.is_capital], minlength=words)
        whole = np.bincount(self.number[train], minlength=words)
        ordinary = small > _ORDINARY * np.maximum(whole, 1)
        is_name &= ~ordinary
        meant = self.is_tag | (self.is_capital & is_name[self.number])
        likely = np.zeros(len(self.note), bool)
        for around in (self.before, self.behind):
            size = int(around.max(initial=-1)) + 2
            count = np.bincount(around[train] + 1, minlength=size)
            names = np.bincount(around[train & meant] + 1, minlength=size)
            likely |= ((count >= _ENOUGH) & (names >= _LIKELY * count))[around + 1] & (around >= 0)
        return np.asarray(self.is_capital & ~self.is_tag & ~ordinary[self.number] & (likely | self.titled), bool)
