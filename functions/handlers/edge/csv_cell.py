"""A cell of a CSV answer: a customer may have written any text, and no spreadsheet runs it or takes it apart.

After https://owasp.org/www-community/attacks/CSV_Injection. A plain word stays as it is, as in OpenMeter's own answers:
clients that split lines at commas go on working.
"""

import re
import unicodedata

# In front of a cell it makes text of what a spreadsheet would run.
APOSTROPHE = "'"
# NFKC makes these of their full-width and small forms as well; the minus sign it leaves alone.
BEGINS_FORMULA = frozenset("=+-@\u2212")
# Some importers drop these, and the cell begins behind them, or with a formula of the next line.
BREAKS = ("\t", "\r", "\n")
NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?", re.ASCII)
# Nothing that separates cells anywhere: not every spreadsheet's separator is the comma.
PLAIN = re.compile(r"(?:[\w.:/@+-]+(?: [\w.:/@+-]+)*)?")


def text_cell(text: str) -> str:
    """The text as one cell: an apostrophe before what could run, quotes around a text that is not plain."""
    if is_formula(text):
        text = APOSTROPHE + text
    if PLAIN.fullmatch(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def is_formula(text: str) -> bool:
    if text.startswith(BREAKS):
        return True
    visible = text.lstrip(_blanks(text))
    begins = unicodedata.normalize("NFKC", visible[:1])
    return begins[:1] in BEGINS_FORMULA and not NUMBER.fullmatch(text)


def _blanks(text: str) -> str:
    """The characters of the text that show nothing: separators, controls, and marks of no width."""
    return "".join({each for each in text if each.isspace() or unicodedata.category(each)[0] in "ZC"})
