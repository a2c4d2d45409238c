"""docs/reproduction.md says what the newest records say."""

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_the_records_say() -> None:
    """Run `make docs` after a new record."""
    page = runpy.run_path(str(ROOT / "docs" / "reproduction_page.py"))["page"]()
    assert (ROOT / "docs" / "reproduction.md").read_text(encoding="utf-8") == page


def test_every_plot_and_page_that_it_links_is_there() -> None:
    """Links are relative to the page; a committed plot is small."""
    page = (ROOT / "docs" / "reproduction.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", page)
    assert links
    for link in links:
        path = ROOT / "docs" / link
        assert path.exists(), link
        assert path.suffix != ".png" or path.stat().st_size < 100_000, link
