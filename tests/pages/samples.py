"""How each kind of block in the guide is held against the code, and which samples nobody runs."""

from collections.abc import Mapping

from tests.pages.guide import Block, blocks

# Run on a stack, in the order of pages, in one shell: `tests/local/test_guide_samples.py`.
RUN = frozenset({"sh", "python", "js"})
# sql is asked of Athena there, toml is read as stages, text is a picture or what a program prints.
KINDS = RUN | {"sql", "toml", "text"}

README, OPERATIONS = "README.md", "functions/pages/guide/operations.md"
ACCOUNT = "it needs an AWS account; its make targets are held against the Makefile"

# By page and first line. A developer who adds a sample makes it run, or says here why it cannot.
NOT_RUN: Mapping[tuple[str, str], str] = {
    (README, "make up"): "it makes the stack on which all samples run; tests/local/test_up_and_down.py",
    (README, "make doctor STAGE=dev"): ACCOUNT,
    (OPERATIONS, "make doctor STAGE=dev"): ACCOUNT,
    (OPERATIONS, "make synth STAGE=dev"): "sam needs Docker; tests/replay runs the same payloads on the same assets",
}

# Defined before the first sample: every answer has to be a good one, and a failure says where it was.
PRELUDE = """
set -eo pipefail
shopt -s inherit_errexit
curl() {
  local answer
  answer=$(mktemp)
  command curl --silent --show-error --dump-header "$answer" "$@"
  grep -q '^HTTP/[0-9.]* 2' "$answer" || { cat "$answer" >&2; return 1; }
}
"""
INTERPRETERS = {"sh": "", "python": "python3 -", "js": "node --input-type=module -"}


def script() -> str:
    """All samples that run, as one shell would run them that a person types into."""
    return PRELUDE + "".join(map(_typed, (each for each in blocks() if each.language in RUN)))


def _typed(block: Block) -> str:
    if (block.page, block.first) in NOT_RUN:
        return ""
    told = f"\necho '{block}' >&2\n"
    interpreter = INTERPRETERS[block.language]
    return told + (f"{interpreter} <<'SAMPLE'\n{block.text}SAMPLE\n" if interpreter else block.text)
