"""The front door is short, the guide is whole, and neither names anything that is not there."""

import fnmatch
import json
import re
from pathlib import Path

import pytest

from infra import stages
from infra.local.paths import REPOSITORY
from tests.infra.test_snapshots import SNAPSHOTS
from tests.pages import guide
from tests.pages.guide import FRONT_DOOR, GUIDE, INDEX, Block
from tests.pages.samples import KINDS, NOT_RUN

MOST_LINES = 150
LONGEST_CELL = 300
# Older than the rule; a threat, what holds it and what shows it are told in one row.
LONG_CELLS = {"security.md"}

PEOPLE_READ = sorted(
    {
        FRONT_DOOR,
        *GUIDE.rglob("*.md"),
        *(each for room in guide.ROOMS for each in (REPOSITORY / room).rglob("README.md")),
    }
)
# What people have, and the repository does not.
MADE_LATER = {"stages.toml", "stack.json"}
NAMES_A_FILE = re.compile(r"[\w./*<>-]+\.(?:py|md|toml|json|txt|mjs|js)|(?:functions|infra|tests|events)(?:/[\w-]+)+/?")
COMMAND = re.compile(r"^\s*(?:\$ )?(?:curl|make|send|aws|python\S*|pip|npm|export|sam|cdk)\b", re.MULTILINE)
METHOD = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (\S+)")


def in_repository(paths: list[Path]) -> list[str]:
    return [guide.named(path) for path in paths]


def test_the_front_door_is_short() -> None:
    assert len(FRONT_DOOR.read_text().splitlines()) <= MOST_LINES


def test_the_index_and_the_front_door_lead_to_every_page() -> None:
    there = {path.name for path in GUIDE.glob("*.md")} - {INDEX.name}
    listed = [path.name for path in guide.pages()[2:]]
    assert sorted(listed) == sorted(there), "the index names a page twice, or not at all"
    shown = {Path(each.partition("#")[0]).name for each in guide.LINK.findall(FRONT_DOOR.read_text())}
    assert there <= shown


@pytest.mark.parametrize("page", in_repository([each for each in guide.pages() if each.name not in LONG_CELLS]))
def test_no_cell_of_a_table_is_a_page(page: str) -> None:
    rows = [line for line in (REPOSITORY / page).read_text().splitlines() if line.startswith("|")]
    assert [cell for row in rows for cell in row.split(" | ") if len(cell) > LONGEST_CELL] == []


def test_the_costs_at_the_front_door_are_those_of_the_guide() -> None:
    def table_and_idle(text: str) -> tuple[str, str]:
        costs = text.partition("## What it costs\n\n")[2]
        idle = re.search(r"Idle it costs \$[0-9.]+ a month", costs)
        assert costs.startswith("| $ per million events") and idle
        return costs.partition("\n\n")[0], idle[0]

    assert table_and_idle(FRONT_DOOR.read_text()) == table_and_idle((GUIDE / "operations.md").read_text())


@pytest.mark.parametrize("block", list(guide.blocks()), ids=str)
def test_every_block_is_run_or_said_not_to_be_with_a_reason(block: Block) -> None:
    assert block.language in KINDS, f"{block}: nothing runs or checks a block of {block.language or 'no language'}"
    if block.language == "text":
        assert not COMMAND.search(block.text), f"{block}: a command in a picture is run by nobody"


@pytest.mark.parametrize("page", in_repository(list(guide.pages())))
def test_no_block_is_fenced_in_a_way_that_nobody_sees(page: str) -> None:
    text = (REPOSITORY / page).read_text()
    assert len(re.findall(r"^\s*(?:```|~~~)", text, re.MULTILINE)) == 2 * len(list(guide.blocks_of(page, text)))


def test_the_function_that_is_invoked_alone_is_deployed_and_its_event_is_there() -> None:
    (block,) = (each for each in guide.blocks() if "sam local invoke" in each.text)
    (function, event) = re.findall(r"^ +(\w+) -e (\S+)$", block.text, re.MULTILINE)[0]
    deployed = json.loads((SNAPSHOTS / "ingestion.json").read_text())["Resources"]
    assert deployed[function]["Type"] == "AWS::Lambda::Function"
    assert (REPOSITORY / event).is_file()


def test_what_is_not_run_is_there_once_and_says_why() -> None:
    shown = [(block.page, block.first) for block in guide.blocks()]
    assert [each for each in NOT_RUN if shown.count(each) != 1] == []
    assert all(len(reason) > 20 for reason in NOT_RUN.values())


@pytest.mark.parametrize("block", [each for each in guide.blocks() if each.language == "toml"], ids=str)
def test_stages_that_are_shown_are_stages(block: Block, tmp_path: Path) -> None:
    (file := tmp_path / "stages.toml").write_text(block.text)
    tables = re.findall(r"^\[(\w+)\]", block.text, re.MULTILINE)
    assert tables
    assert [stages.named(each, file).name for each in tables] == tables


@pytest.mark.parametrize("page", in_repository(PEOPLE_READ))
def test_every_link_leads_somewhere(page: str) -> None:
    path = REPOSITORY / page
    for link in guide.LINK.findall(guide.prose(path.read_text())):
        if re.match(r"https?://", link):
            continue
        file, _, anchor = link.partition("#")
        target = path if not file else path.parent / file
        assert target.exists(), link
        assert not anchor or anchor in guide.anchors(target.read_text()), link
        if path.is_relative_to(GUIDE):
            assert target.resolve().is_relative_to(GUIDE), f"{link}: where the guide is served, nothing else is"


@pytest.mark.parametrize("page", in_repository(PEOPLE_READ))
def test_every_file_that_is_named_is_there(page: str) -> None:
    for name in guide.SPAN.findall(guide.prose((REPOSITORY / page).read_text())):
        if name.startswith("../"):
            assert (REPOSITORY / page).parent.joinpath(name).exists(), name
        elif NAMES_A_FILE.fullmatch(name) and not name.startswith(".") and name not in MADE_LATER:
            pattern = "*/" + re.sub(r"<\w+>", "*", name).rstrip("/")
            found = [each for each in guide.there() if fnmatch.fnmatchcase(each, pattern)]
            assert found, name


@pytest.mark.parametrize("page", in_repository([each for each in PEOPLE_READ if each.name == "README.md"]))
def test_a_table_of_a_room_lists_files_of_the_room(page: str) -> None:
    """Where rows begin with names of files, those are the room's own: the same name elsewhere is another file."""
    text, room = (REPOSITORY / page).read_text(), f"/{Path(page).parent}/"
    for names in re.findall(r"^\| ((?:`\w+\.py`(?:, )?)+) \|", text, re.MULTILINE):
        for name in guide.SPAN.findall(names):
            assert any(each.startswith(room) and each.endswith(f"/{name}") for each in guide.there()), name


@pytest.mark.parametrize("page", in_repository(list(guide.pages())))
def test_make_and_python_are_told_to_do_what_they_can(page: str) -> None:
    text = (REPOSITORY / page).read_text()
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in re.findall(r"(?:^|`|PORT=\d+ )make ([a-z][a-z-]+)\b", text, re.MULTILINE):
        assert re.search(rf"^{target}:.*##", makefile, re.MULTILINE), target
    for module in re.findall(r"python -m ((?:tests|infra|functions)[\w.]*)", text):
        folder = REPOSITORY / module.replace(".", "/")
        assert folder.with_suffix(".py").exists() or (folder / "__main__.py").exists(), module


@pytest.mark.parametrize("page", in_repository(list(guide.pages())))
def test_every_path_of_the_api_that_is_named_is_in_its_document(page: str) -> None:
    for span in guide.SPAN.findall(guide.prose((REPOSITORY / page).read_text())):
        if asked := METHOD.match(span):
            if asked[2] != "...?dryRun=true":
                assert asked[1] in guide.methods_of(asked[2]), span
        elif re.fullmatch(r"[a-z-]+(?:/[\w{}-]+)*/\{\w+\}(?:/[\w{}-]+)*", span):
            assert guide.methods_of(span), span


def test_the_table_of_the_api_is_all_of_it_and_nothing_else() -> None:
    table = (GUIDE / "api.md").read_text().partition("## What there is")[2].partition("\n## ")[0]
    spans = {METHOD.sub(r"\2", each).partition("?")[0] for each in guide.SPAN.findall(table)}
    named = {each for each in spans if re.fullmatch(r"[\w/{}.-]+", each) and guide.methods_of(each)}
    rooms = {each.removeprefix("/api/v1/").partition("/")[0] for each in named}
    apart = {"apps", "openapi.json"}  # Stripe's door, and the document itself: told in the text
    document = {path.removeprefix("/api/v1/").partition("/")[0] for path in guide.operations()}
    assert document - rooms == apart
