"""What spreadsheets would run is marked, and read back word for word."""

from __future__ import annotations

import pytest
from faceleak.bench.core.spreadsheet import defused, restored
from hypothesis import given
from hypothesis import strategies as st

HOT = st.text(st.sampled_from("=+-@'＝;\t\n\r 1a,\"|"), max_size=12)


@given(st.one_of(st.text(max_size=30), HOT))
def test_every_text_comes_back(text: str) -> None:
    assert restored(defused(text)) == text


@given(HOT)
def test_no_cell_begins_a_formula_wherever_a_spreadsheet_parts_it(text: str) -> None:
    marked = defused(text)
    try:
        float(marked)
    except ValueError:
        for sign in (";", "\t", "\r", "\n"):
            marked = marked.replace(sign, "\0")
        assert not any(part.strip()[:1] in tuple("=+-@＝") for part in marked.split("\0") if part.strip())


@pytest.mark.parametrize("text", ["decoder", "a=b", "x - y", "-1", "+.5", "-3e-7", "", "a; b", "'quoted'", "K0,-K1"])
def test_what_is_no_formula_stays(text: str) -> None:
    assert defused(text) == text


def test_numbers_and_nothing_stay() -> None:
    assert [defused(value) for value in (-1.5, 3, None, True)] == [-1.5, 3, None, True]
    assert [restored(value) for value in (-1.5, 3, None)] == [-1.5, 3, None]


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1", " '=1"),
        ("a;-1", "a;'-1"),
        ("'=1", "''=1"),
        ("-x", "'-x"),
    ],
)
def test_formulas_are_marked(text: str, marked: str) -> None:
    assert defused(text) == marked
