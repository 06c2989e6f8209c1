"""The report in a real browser: it opens without an error and without the network, its timelines zoom and can be clicked, and it
is readable on a telephone, on paper, in the dark and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconnect.evidence.report import report
from tests.browser import Tab, tab
from tests.three_outages import written

DETAIL = "document.getElementById('detail').textContent"
WINDOW = "document.getElementById('window').textContent"
BARS = "[...document.querySelectorAll('#track-0 .stay')]"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    made = folder / "report.html"
    made.write_text(report(written(folder)).page, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Tab]:
    with tab() as opened:
        yield opened


@pytest.fixture
def opened(browser: Tab, page: Path) -> Iterator[Tab]:
    """Open the page; whatever a test does with it, it logs nothing and asks for nothing."""
    browser.requests.clear()
    browser.open(page)
    yield browser
    browser.emulate()
    assert browser.problems == []
    assert set(browser.requests) == {page.resolve().as_uri()}


def shown_seconds(opened: Tab) -> float:
    """Return how much time the timeline shows."""
    found = re.search(r"UTC: ([\d.]+) (ms|s|min) of", str(opened.run(WINDOW)))
    assert found is not None
    return float(found[1]) * {"ms": 1e-3, "s": 1.0, "min": 60.0}[found[2]]


def test_it_opens_and_draws(opened: Tab) -> None:
    assert opened.run(f"{BARS}.length") > 10
    assert opened.run("document.querySelectorAll('#track-0 .band').length") == 3
    assert opened.run("getComputedStyle(document.querySelector('.verdict')).borderTopWidth") == "2px"  # the style was let in
    assert not opened.run("document.querySelector('.tools').hidden")
    assert shown_seconds(opened) == pytest.approx(45.0, abs=0.1)


def test_the_script_draws_what_the_page_had_without_it(opened: Tab, page: Path) -> None:
    """Each bar of the page's own drawing is where the script draws one."""
    still = re.search(r'<svg id="track-0".*?</svg>', page.read_text(encoding="utf-8"))
    assert still is not None
    place = re.compile(r'x="([\d.]+)%" width="([\d.]+)%" y="(\d+)" height="12"')
    before = sorted((float(x), float(width), int(y)) for x, width, y in place.findall(still[0]))
    told = opened.run(f"{BARS}.map((one) => ['x', 'width', 'y'].map((name) => parseFloat(one.getAttribute(name))))")
    for one, other in zip(before, sorted(map(tuple, told)), strict=True):
        assert one == pytest.approx(other, abs=0.001)


def test_buttons_zoom_and_move(opened: Tab) -> None:
    whole = shown_seconds(opened)
    opened.click("button[data-do=in]")
    opened.click("button[data-do=in]")
    assert shown_seconds(opened) == pytest.approx(whole / 4, rel=0.01)
    before = opened.run(WINDOW)
    opened.click("button[data-do=left]")
    assert opened.run(WINDOW) != before
    assert shown_seconds(opened) == pytest.approx(whole / 4, rel=0.01)
    opened.click("button[data-do=whole]")
    assert shown_seconds(opened) == pytest.approx(whole, rel=0.01)
    opened.click("button[data-do=out]")
    assert shown_seconds(opened) == pytest.approx(whole, rel=0.01)  # there is no more than all of it


def test_a_click_says_what_led_to_a_state(opened: Tab) -> None:
    opened.click("#track-0 .stay[data-stay='3']")
    said = str(opened.run(DETAIL))
    assert said.startswith("connected of session room-1")
    assert ", by joined (transitions[" in said
    assert opened.run("document.querySelectorAll('.chosen').length") == 1
    opened.click("#detail a")
    assert opened.run("document.querySelector('#records details').open")
    assert opened.run("document.querySelector(':target').textContent").find('"event":"joined"') > 0


def test_keys_choose_and_zoom(opened: Tab) -> None:
    opened.run("document.getElementById('track-0').focus()")
    opened.press("ArrowRight")
    assert str(opened.run(DETAIL)).startswith("disconnected of session room-1")
    opened.press("ArrowRight")
    assert str(opened.run(DETAIL)).startswith("connecting.dialing")
    opened.press("ArrowLeft")
    assert "where it was when the journal begins" in str(opened.run(DETAIL))
    whole = shown_seconds(opened)
    opened.press("+", "+")
    assert shown_seconds(opened) == pytest.approx(whole / 2, rel=0.01)
    opened.press("0", "0")
    assert shown_seconds(opened) == pytest.approx(whole, rel=0.01)


def test_everything_can_be_reached_by_tab(opened: Tab) -> None:
    reached = []
    for _ in range(60):
        opened.call("Input.dispatchKeyEvent", type="keyDown", key="Tab", windowsVirtualKeyCode=9)
        opened.call("Input.dispatchKeyEvent", type="keyUp", key="Tab", windowsVirtualKeyCode=9)
        reached.append(
            opened.run("(document.activeElement.id || document.activeElement.dataset.do || document.activeElement.tagName)")
        )
    assert reached[0] == "A"  # to the verdict
    assert {"in", "out", "whole", "track-0", "track-1", "picture-0", "SUMMARY"} <= set(reached)


def test_an_outage_is_shown_by_its_number(opened: Tab) -> None:
    opened.click("a[data-outage='2']")
    assert re.match(r"Outage 2: 15\.\d{3} s, from 22:13:28\.\d{3}", str(opened.run(DETAIL)))
    assert shown_seconds(opened) == pytest.approx(15.7 * 1.5, rel=0.05)
    opened.click("button[data-do=whole]")
    opened.click("#track-0 .band[data-outage='3']")
    assert str(opened.run(DETAIL)).startswith("Outage 3: ")


def test_the_wheel_zooms_with_ctrl_and_a_hand_drags(opened: Tab) -> None:
    whole = shown_seconds(opened)
    x, y = opened.run(
        "(() => { const track = document.getElementById('track-0'); track.scrollIntoView();"
        "const box = track.getBoundingClientRect(); return [box.x + 300, box.y + 9]; })()"
    )
    opened.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=-100, modifiers=2)
    while shown_seconds(opened) == pytest.approx(whole, rel=0.01):
        pass  # the browser hands a wheel on when it draws
    assert shown_seconds(opened) == pytest.approx(whole * 0.8, rel=0.02)
    before = opened.run(WINDOW)
    opened.call("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, button="left", clickCount=1)
    opened.call("Input.dispatchMouseEvent", type="mouseMoved", x=x - 60, y=y, button="left")
    opened.call("Input.dispatchMouseEvent", type="mouseReleased", x=x - 60, y=y, button="left", clickCount=1)
    assert opened.run(WINDOW) != before
    assert shown_seconds(opened) == pytest.approx(whole * 0.8, rel=0.02)


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_is_wider_than_the_window(opened: Tab, page: Path, width: int, tmp_path: Path) -> None:
    opened.open(page, width=width)
    assert opened.run("document.documentElement.scrollWidth") <= width
    assert opened.run("document.querySelector('#track-0').clientWidth") > width * 0.8
    opened.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 10_000


def luminance(colour: str) -> float:
    """Return how light a colour of a style is (WCAG 2.2, relative luminance)."""
    parts = [float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("selector", ["h1", ".verdict strong", ".pale", "td a", "button", "dt"])
def test_words_stand_out_from_what_is_behind_them(opened: Tab, scheme: str, selector: str) -> None:
    """A contrast of 4.5 to 1 at least (WCAG 2.2, 1.4.3), by day and in the dark."""
    opened.emulate(scheme=scheme)
    ink = luminance(opened.run(f"getComputedStyle(document.querySelector('{selector}')).color"))
    paper = luminance(opened.run("getComputedStyle(document.body).backgroundColor"))
    assert (paper < 0.1) is (scheme == "dark")
    assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 4.5


def test_on_paper_there_are_no_buttons_and_all_of_the_time(opened: Tab) -> None:
    opened.click("button[data-do=in]")
    opened.emulate(media="print", scheme="dark")
    assert opened.run("getComputedStyle(document.querySelector('.tools')).display") == "none"
    assert opened.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert opened.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    opened.emulate()
    pdf = opened.call("Page.printToPDF", printBackground=False)
    assert len(pdf["data"]) > 10_000
    assert opened.run("document.querySelector('#charts details').open")  # what is folded away cannot be unfolded on paper
    assert shown_seconds(opened) == pytest.approx(45.0, abs=0.1)  # a page that is printed shows it whole


def test_a_picture_can_be_fitted(opened: Tab) -> None:
    before = opened.run("document.querySelector('#picture-0 svg').getBoundingClientRect().width")
    opened.click("button[data-fit=picture-0]")
    fitted = opened.run("document.querySelector('#picture-0 svg').getBoundingClientRect().width")
    assert fitted <= 1280 < before
    assert opened.run("document.querySelector('button[data-fit=picture-0]').getAttribute('aria-pressed')") == "true"


def test_a_page_without_a_timeline_is_no_error(browser: Tab, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_bytes(b"")
    (tmp_path / "page.html").write_text(report(tmp_path / "empty.jsonl").page, encoding="utf-8")
    browser.open(tmp_path / "page.html")
    browser.size(600, 600)
    assert browser.run("document.querySelector('.verdict strong').textContent") == "The journal does not hold."
    assert browser.problems == []


def test_a_hostile_page_runs_nothing(browser: Tab, tmp_path: Path) -> None:
    """Whatever a journal could smuggle in, the browser runs no script but the page's own, and loads nothing."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    text = report(written(folder)).page
    evil = "<script>document.title = 'run'</script><img src='http://127.0.0.1:9/x' onerror=\"document.title = 'run'\">"
    (folder / "page.html").write_text(text.replace("<main>", f"<main>{evil}"), encoding="utf-8")
    browser.open(folder / "page.html")
    assert browser.run("document.title") == "Audit of room-1"
    blocked = [problem for problem in browser.problems if "Content Security Policy" in problem]
    assert len(blocked) >= 2
    browser.problems.clear()
