"""Cells of CSV answers: nothing a customer chose runs, nothing is taken apart, and nothing is lost."""

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.handlers.edge.csv_cell import APOSTROPHE, is_formula, text_cell

RUN = [
    *("=cmd()", "+1+cmd()", "-2+3", "@SUM(A1)", "=", "-", "--5", "-5-5", "+49 30"),
    *(" =cmd()", "\u00a0=cmd()", "\u3000@x", "\u200b=cmd()", "\ufeff=cmd()", "\x00=cmd()", "  \t =cmd()", "\x0b+1+1"),
    *("\uff1dcmd()", "\uff0b1", "\uff0d1", "\uff20x", "\ufe66cmd()", "\ufe62x", "\ufe63x", "\ufe6bx", "\u22125"),
    *("\ttab", "\rreturn", "\nfeed", "\t", "\n=cmd()"),
]
HARMLESS = [
    "",
    "acme",
    "gpt-4",
    "-5",
    "-5.25",
    "0",
    "1+1",
    "user@acme.example",
    "a b",
    "ops/eu",
    "12:30",
    "\u00fcber",
]


@pytest.mark.parametrize("text", RUN)
def test_what_a_spreadsheet_would_run_becomes_text(text: str) -> None:
    assert read(text_cell(text)) == APOSTROPHE + text


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_plain_stays_as_it_is(text: str) -> None:
    assert text_cell(text) == text


@pytest.mark.parametrize(
    "text", ["a=b", "a;=cmd()", "a,b", "a\tb", "a\r\n=cmd()", 'say "x"', "a|b", "it's", " a", "a "]
)
def test_what_could_be_taken_apart_is_quoted(text: str) -> None:
    cell = text_cell(text)
    assert (cell[0], cell[-1], read(cell)) == ('"', '"', text)


@given(st.text())
def test_every_text_comes_back_and_nothing_begins_a_formula(text: str) -> None:
    cell = text_cell(text)
    back = read(cell)
    assert back in (text, APOSTROPHE + text)
    assert not is_formula(back)


def read(cell: str) -> str:
    ((found, last),) = csv.reader(StringIO(cell + ",0\n", newline=""), strict=True)
    assert last == "0"
    return found
