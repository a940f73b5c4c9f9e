"""Writing counter pages: pages this process knows go 25 to a request, others one by one; each exactly once.

A known page is updated under the stamp this process last saw, so what it believes about the page is still true; if
not, or if the page is unknown, an ADD under "stamp below this commit" decides.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

STAMP = "a"
MAX_STATEMENTS = 25  # DynamoDB's own limit
MAX_STATEMENT_CELLS = 150  # a statement ends at 8,192 characters
MAX_KNOWN_PAGES = 60_000  # about 80 MB
