"""The independent look at a released text: what it counts, what it lets pass, and that it can fail."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from note_engine import known, without_known

import deid.notes.leak_check
from deid.notes import leaks

# kind | value of the record | released text | how many are counted
COUNTED = """
    person_name    | Ximena Quintanilla   | QUINTANILLA, Ximena                          | 2
    person_name    | Ximena Quintanilla   | XIMENAQUINTANILLA                            | 1
    person_name    | Graves               | Graves disease; graves; Mr. Graves           | 1
    person_name    | Will Bell            | will bell; the bell will ring; Mrs. Bell     | 2
    person_name    | de la Cruz           | de la vie                                    | 0
    ssn            | 912-33-1234          | 912 33 1234 or 9123312345                    | 1
    ssn            | 912-33-1234          | 9l2-33-I234                                  | 1
    member_id      | 884412097            | BB44l2O97 and 8844 12097                     | 2
    member_id      | 884412097            | lab 8844 and l2O97                           | 0
    phone          | 617-555-0142 x12     | (617) 555-0142 or 555-0142                   | 1
    phone          | 617-555-0142         | call 555-0142                                | 1
    phone          | 617-555-0142         | 555-01423                                    | 0
    zip_code       | 02139-1234           | 02139                                        | 1
    email          | ximena.q@example.org | XIMENA.Q@EXAMPLE.ORG                         | 1
    email          | ximena.q@example.org | the user ximena.q wrote                      | 1
    email          | info@example.org     | info was given                               | 0
    birth_date     | 1950-03-02           | 3/2/1950; 2 March 1950; March 2nd, 1950      | 3
    birth_date     | 1950-03-02           | 2nd of March 1950; 19500302                  | 2
    birth_date     | 1950-03-02           | in 1950; 3/2; 13/2/1950                      | 0
    street_address | 4410 Elm Ln Apt 7    | at 4410 elm  ln                              | 1
"""
ROWS = [tuple(cell.strip() for cell in line.split("|")) for line in COUNTED.strip().splitlines()]


@pytest.mark.parametrize(("kind", "value", "text", "count"), ROWS)
def test_what_is_left_of_the_record_is_counted(kind: str, value: str, text: str, count: str) -> None:
    """Whole identifiers count, words and numbers that only hold a part of one do not."""
    assert leaks(text, known((kind, value))) == int(count)


@pytest.mark.parametrize(("kind", "value", "text", "count"), ROWS)
def test_the_search_leaves_nothing_that_the_check_counts(kind: str, value: str, text: str, count: str) -> None:
    """The search removes more than the check asks for, so that what is counted is a fault of the search."""
    own = known((kind, value))
    assert leaks(without_known(text, own), own) == 0


def test_the_check_shares_no_matching_code_with_the_search() -> None:
    """Of the search's modules the check knows one: which names are words too."""
    source = Path(deid.notes.leak_check.__file__).read_text(encoding="utf-8")
    imported = {node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) and node.module}
    assert {name for name in imported if name.startswith("deid.notes")} == {
        "deid.notes.known.ordinary",
        "deid.notes.words",
    }
