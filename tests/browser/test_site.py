"""The built site, as a reader meets it: every page, in a browser, without network."""

import os
import re
import shutil
from functools import partial
from importlib import metadata
from pathlib import Path

import pytest

if os.environ.get("CI") != "true":  # there, a missing browser is a failure
    pytest.importorskip("playwright.sync_api")
import sitecheck

pytestmark = pytest.mark.browser
HEAVY = 2_000_000  # bytes of a page
INSTALLED = {
    package: partial(metadata.version, package)
    for package in ("torch", "torchvision", "numpy", "pandas", "scipy", "papermill")
}

PLANTED = {
    "external request": [
        '<img alt="x" src="https://example.org/x.png">',
        '<script src="https://example.org/x.js"></script>',
    ],
    "mathematics with an error": [
        r'<div class="math">\[\left( x\]</div>',
        r'<div class="math">\[\undefinedmacro\]</div>',
    ],
    "mathematics not rendered": [
        '<div class="math">x^2</div>',
        r'<div class="math">\[\frac{1\]</div>',
    ],
    "mathematics too wide": [r'<div class="math">\[' + "x + " * 80 + r"x\]</div>"],
    "broken image": ['<img alt="x" src="no-such-picture.png">'],
    "failed request": ['<script src="no-such-script.js"></script>'],
    "no alt text": ['<img src="_static/favicon.svg">'],
    "console error": ['<script>console.error("planted")</script>'],
    "page error": ['<script>throw new Error("planted")</script>'],
    "error output": [
        '<div class="cell_output"><pre>Traceback (most recent call last)</pre></div>',
        '<div class="cell_output"><pre>ValueError: planted</pre></div>',
        '<div class="cell_output"><div class="output stderr">planted</div></div>',
    ],
    "unrendered markup": [
        "<p>{{ r.planted }}</p>",
        "<p>as {cite}<code>planted</code> shows</p>",
        "<p>::: note</p>",
    ],
    "text hard to read": [
        '<p style="color: #ddd; background: #fff">planted</p>',
        '<p style="color: #888; background: #fff">planted</p>',
        '<p style="color: #fff8; background: #1234">planted</p>',
    ],
    "page wider than the window": ['<div style="width: 3000px">planted</div>'],
    "content cut off": [
        '<div style="overflow: hidden"><p style="width: 3000px">planted</p></div>'
    ],
    "axe": [
        "<button></button>",
        '<a href="#planted"><span aria-hidden="true">planted</span></a>',
        '<input type="range">',
        '<img alt="planted" src="_static/favicon.svg" role="list">',
        "<table><tr><th></th></tr><tr><td>planted</td></tr></table>",
    ],
}
ON_PAPER = [
    f'<table><tr><td style="white-space: nowrap">{"planted " * 40}</td></tr></table>',
    '<details><summary>more</summary><img alt="planted" src="_static/favicon.svg" '
    'style="max-width: none; width: 900px"></details>',
]
CASES = [(kind, html) for kind, plants in PLANTED.items() for html in plants]


@pytest.mark.parametrize("way", sitecheck.PASSES)
def test_every_page_is_sound(browser, site: Path, way: str) -> None:
    faults = sitecheck.check_site(browser, site, sitecheck.PASSES[way])
    assert not faults, "\n".join(" | ".join(fault) for fault in faults)


def test_links_lead_somewhere(site: Path) -> None:
    faults = sitecheck.check_links(site)
    assert not faults, "\n".join(" | ".join(fault) for fault in faults)


def test_no_page_tells_where_it_was_built(site: Path) -> None:
    places = [str(Path(__file__).parents[2]) + os.sep, str(Path.home()) + os.sep]
    for path in [*site.rglob("*.html"), *site.rglob("*.ipynb"), *site.rglob("*.js")]:
        text = path.read_text("utf8", errors="replace")
        assert not [place for place in places if len(place) > 1 and place in text], path


def weight(site: Path, page: str) -> int:
    """The bytes of a page with its pictures."""
    file = site / page
    found = set(re.findall(r'<img[^>]* src="([^":]+)"', file.read_text("utf8")))
    pictures = [(file.parent / name).resolve() for name in found]
    return file.stat().st_size + sum(one.stat().st_size for one in pictures)


def test_no_page_is_heavy(site: Path) -> None:
    weights = {page: weight(site, page) for page in sitecheck.pages(site)}
    assert not {page: size for page, size in weights.items() if size > HEAVY}


def test_versions_on_a_page_are_those_installed(site: Path) -> None:
    """The page of a chapter tells what it was made with: this environment."""
    chapters = [name for name in sitecheck.pages(site) if name.startswith("chapters/")]
    for name in chapters:
        foot = (site / name).read_text("utf8").split("id='computed'")[1]
        told = re.findall(r"(\w+) ([\d][\w.+]*)(?=[,<])", foot.split("Versions")[1])
        assert len(told) >= 5, name
        for package, version in told:
            if package in INSTALLED:
                assert version == INSTALLED[package](), (name, package)


@pytest.fixture(scope="module")
def garden(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound page of the site, copied once for each fault, with that fault in it."""
    folder = tmp_path_factory.mktemp("garden")
    shutil.copytree(site / "_static", folder / "_static")
    shutil.copy(site / "searchindex.js", folder)
    page = (site / "bibliography.html").read_text("utf8")
    before, end, after = page.partition("</article>")
    assert end
    mathjax = '<script defer src="_static/tex-svg-full.js"></script>'
    on_paper = [("paper", html) for html in ON_PAPER]
    for number, (_, html) in enumerate([("none", ""), *CASES, *on_paper]):
        text = before + html + mathjax + end + after
        (folder / f"{number}.html").write_text(text, "utf8")
    return folder


def test_planted_faults_are_caught(browser, garden: Path) -> None:
    kinds = {f"{number}.html": kind for number, (kind, _) in enumerate(CASES, start=1)}
    for_axe = [name for name, kind in kinds.items() if kind == "axe"]
    way = sitecheck.PASSES["desktop"]
    with sitecheck.address(garden, way.scheme) as base:
        found = sitecheck.check_pages(browser, base, ["0.html", *for_axe], way)
        others = [name for name in kinds if name not in for_axe]
        quick = way._replace(axe=False)
        found += sitecheck.check_pages(browser, base, others, quick)
    seen = {(fault.page, fault.kind) for fault in found}
    assert not [fault for fault in found if fault.page == "0.html"]
    for number, (kind, html) in enumerate(CASES, start=1):
        assert (f"{number}.html", kind) in seen, html


def test_what_paper_cuts_off_is_caught(browser, garden: Path) -> None:
    names = [f"{1 + len(CASES) + number}.html" for number in range(len(ON_PAPER))]
    way, base = sitecheck.PASSES["disk"], garden.resolve().as_uri()
    faults = sitecheck.check_pages(browser, base, ["0.html", *names], way)
    cut = {fault.page for fault in faults if fault.kind == "cut off on paper"}
    assert cut == set(names)


def test_a_phone_reads_in_the_dark(browser, garden: Path) -> None:
    way, base = sitecheck.PASSES["phone"], garden.resolve().as_uri()
    style = "background: var(--pst-color-background); color: #444"
    text = (garden / "0.html").read_text("utf8")
    dark = text.replace("</article>", f'<p style="{style}">planted</p></article>')
    (garden / "dark.html").write_text(dark, "utf8")
    faults = sitecheck.check_pages(browser, base, ["0.html", "dark.html"], way)
    assert [(one.page, one.kind) for one in faults] == [
        ("dark.html", "text hard to read")
    ]
    assert faults[0].detail.startswith("dark, ")


@pytest.mark.parametrize(
    "style",
    [
        "color: #777",  # 4.48
        "color: #767676",  # 4.54
        "color: #888; font-size: 24px",
        "color: #888; font-size: 19px; font-weight: bold",
        "color: #888; font-size: 19px",
        "color: rgba(0, 0, 0, .4)",
        "color: #eee; background: rgba(0, 0, 0, .5)",
        "color: #eee; background: rgba(0, 0, 0, .9)",
    ],
)
def test_contrast_is_what_axe_calls_so(browser, style: str) -> None:
    tab = browser.new_page()
    tab.set_content(f'<html lang="en"><body><p style="{style}">planted</p></body>')
    tab.evaluate(sitecheck.LIBRARY)
    run = (
        "() => axe.run({runOnly: ['color-contrast']}).then((r) => r.violations.length)"
    )
    assert len(tab.evaluate(sitecheck.CONTRAST)) == tab.evaluate(run)
    tab.close()


def test_dead_links_are_caught(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<p id="here"></p><a href="#here"></a><a href="b.html#x%20y"></a>'
        '<a href="no.html"></a><a href="b.html#no"></a><a href="https://e.org"></a>'
    )
    (tmp_path / "b.html").write_text('<p id="x y"></p><b id="y"></b><b id="y"></b>')
    kinds = [(fault.kind, fault.detail) for fault in sitecheck.check_links(tmp_path)]
    assert kinds == [
        ("dead anchor", "b.html#no"),
        ("dead link", "no.html"),
        ("doubled anchor", "y"),
    ]


def test_chapters_end_with_provenance_and_hide_solutions(browser, site: Path) -> None:
    chapters = [name for name in sitecheck.pages(site) if name.startswith("chapters/")]
    assert chapters
    with sitecheck.watched(browser, site.resolve().as_uri()) as (tab, faults):
        for name in chapters:
            tab.goto(f"{site.resolve().as_uri()}/{name}")
            assert tab.locator("section.provenance tr").count() >= 5, name
            solutions = tab.locator("div.solution.dropdown")
            assert tab.locator("div.exercise").count() > 0, name
            assert solutions.count() > 0, name
            for one in solutions.all():
                body = one.locator(".section, section, .solution-content").first
                assert not body.is_visible(), name
                one.locator("button.toggle-button").first.click()
                assert body.is_visible(), name
    assert not faults


def test_every_slider_moves_by_keyboard(browser, site: Path) -> None:
    base = site.resolve().as_uri()
    names = [
        name
        for name in sitecheck.pages(site)
        if not name.startswith(sitecheck.LISTINGS)
        and 'class="frames"' in (site / name).read_text("utf8")
    ]
    assert names
    with sitecheck.watched(browser, base) as (tab, faults):
        for name in names:
            tab.goto(f"{base}/{name}")
            for box in tab.locator(".frames").all():
                frames = box.locator("img")
                assert box.locator("img:visible").count() == 1, name
                if frames.count() == 1:
                    continue
                box.locator("input").focus()
                tab.keyboard.press("Home")
                for place in range(frames.count()):
                    assert frames.nth(place).is_visible(), (name, place)
                    tab.keyboard.press("ArrowRight")
    assert not faults


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_search_finds(browser, site: Path, scheme: str) -> None:
    with (
        sitecheck.address(site, scheme) as base,
        sitecheck.watched(browser, base) as (tab, faults),
    ):
        tab.goto(f"{base}/search.html?q=saliency")
        tab.wait_for_selector("#search-results li", timeout=10_000)
        tab.wait_for_timeout(sitecheck.SETTLE)
    # From the disk a browser refuses the excerpts under the hits, and says so.
    assert not [fault for fault in faults if scheme == "http"]
