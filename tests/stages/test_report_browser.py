"""The night's page in a real browser, on a desk and on a phone: what a person does with it works."""

import io
import json

import numpy as np
import pytest
from browser import chromium, find_chromium
from PIL import Image
from reported import command, write_night

pytestmark = pytest.mark.browser
SCREENS = {"desktop": (1280, 900, False), "phone": (390, 844, True)}
VIEWER = "[data-viewer] [data-compare]"
BLINK = "[data-blink]"
# How much the text of the page stands out of what is behind it: worst ratio by WCAG 2, and where.
CONTRAST = """(() => {
  const parse = (text) => {
    const found = text.match(/[\\d.]+/g).map(Number);
    return text.startsWith('color(') ? [...found.slice(0, 3).map((c) => 255 * c), found[3] ?? 1]
                                     : [...found.slice(0, 3), found[3] ?? 1];
  };
  const light = (rgb) => rgb.slice(0, 3).map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const over = (top, below) => top.slice(0, 3).map((c, i) => c * top[3] + below[i] * (1 - top[3]));
  const behind = (element) => {
    const own = parse(getComputedStyle(element).backgroundColor);
    if (own[3] === 1) return own;
    return over(own, element.parentElement ? behind(element.parentElement) : [255, 255, 255]);
  };
  let worst = [99, ''];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
    if (!text || !element.checkVisibility() || element.closest('script, style, .hidden, .pane')) continue;
    const style = getComputedStyle(element), ground = behind(element);
    const ink = over(parse(element.closest('svg') ? style.fill : style.color), ground);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < worst[0]) worst = [ratio, text.slice(0, 60)];
  }
  return worst;
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = find_chromium()
    if not program:
        pytest.skip("no Chromium found; `apt-get install chromium`, or name one with N2N_CHROMIUM")
    with chromium(program, tmp_path_factory.mktemp("profile")) as started:
        try:
            started.call("Browser.getVersion")
        except (OSError, TimeoutError) as error:
            pytest.skip(f"{program} cannot be driven ({error}); name another Chromium with N2N_CHROMIUM")
        yield started


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A page with pictures wider than a phone, and a composite."""
    base = tmp_path_factory.mktemp("night")
    night = write_night(base, shape=(480, 720))
    Image.new("RGB", (700, 500), "teal").save(night / "M31_HOO.png")
    tables = ["--frames", night / "frames.csv", "--quarantine", night / "quarantine.csv", "--models", base / "models"]
    assert command(night, *tables, "--colour", night / "M31_HOO.png", "--output", night / "report.html") == 0
    return night / "report.html"


@pytest.fixture(params=SCREENS)
def page(request, browser, report):
    opened = browser.page(report, *SCREENS[request.param])
    opened.phone = SCREENS[request.param][2]
    yield opened
    problems = opened.events("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    requests = [event["request"]["url"] for event in opened.events("Network.requestWillBeSent")]
    opened.close()
    assert problems == [], "the console stays empty"
    assert {url for url in requests if not url.startswith("data:")} == {report.as_uri()}, "nothing else is asked for"


def roughness(page, left=0.0, right=1.0):
    """Scatter of the pixels of the compared pictures between two shares of their width, between handle and tags."""
    pixels = np.asarray(Image.open(io.BytesIO(page.screenshot(VIEWER))).convert("L"), float)
    height, width = pixels.shape
    return pixels[height // 5 : 2 * height // 5, round(width * left) : round(width * right)].std()


def split(page):
    """Share of the picture that shows the stack, in percent, as the slider says it."""
    return float(page.evaluate("document.querySelector('.slider').value"))


def column(page, index):
    """A column of the first table of exposures, as it stands."""
    rows = "[...document.querySelector('table.frames').tBodies[0].rows].filter((row) => row.checkVisibility())"
    return page.evaluate(f"{rows}.map((row) => row.cells[{index}].textContent.trim())")


def focus(page, selector):
    """Reach an element by the Tab key alone."""
    for _ in range(200):
        if page.evaluate(f"document.activeElement.matches({json.dumps(selector)})"):
            return
        page.press("Tab")
    raise AssertionError(f"{selector} cannot be reached by keyboard")


def test_dragging_uncovers_the_stack_on_the_left(page):
    assert split(page) == 50
    noisy, smooth = roughness(page, 0.05, 0.4), roughness(page, 0.6, 0.95)
    assert noisy > 5 * max(smooth, 0.5)
    page.drag(VIEWER, 0.5, 0.9, finger=page.phone)
    assert split(page) == pytest.approx(90, abs=1) and roughness(page, 0.6, 0.85) == pytest.approx(noisy, rel=0.3)
    page.drag(VIEWER, 0.9, 0.1, finger=page.phone)
    assert split(page) == pytest.approx(10, abs=1) and roughness(page, 0.15, 0.4) < noisy / 5


def test_the_slider_works_by_keyboard(page):
    focus(page, ".slider")
    page.press("ArrowRight", 5)
    assert split(page) == 55
    page.press("End")
    assert split(page) == 100 and roughness(page, 0.6, 0.95) > 5
    page.press("Home")
    assert split(page) == 0 and roughness(page, 0.05, 0.4) < 1


@pytest.mark.parametrize("by_key", [False, True])
def test_blinking_shows_one_after_the_other_until_it_is_stopped(page, by_key):
    def push():
        if by_key:
            focus(page, BLINK)
            page.press(" ")
        else:
            page.click(BLINK)

    first = "document.querySelector('.compare').classList.contains('first')"
    visible = ("[...document.querySelectorAll('.compare .tag')].filter((tag) => "
               "getComputedStyle(tag).visibility === 'visible').map((tag) => tag.textContent)")  # fmt: skip

    def look(stack):
        """Roughness and tags while one of the two is shown; a slow machine may miss its turn, and looks again."""
        for _ in range(20):
            page.wait(f"{first} === {str(stack).lower()}")
            found = roughness(page)
            still, tags = page.evaluate(f"[{first}, {visible}]")
            if still == stack:
                return found, tags
        raise AssertionError("it blinks faster than anybody can look")

    push()
    assert page.evaluate(f"document.querySelector('{BLINK}').getAttribute('aria-pressed')") == "true"
    seen = {}
    for stack in (True, False, True):
        seen[stack], tags = look(stack)
        assert tags == (["plain stack"] if stack else ["denoised"])
    assert seen[True] > 5 * max(seen[False], 0.5)
    push()
    assert page.evaluate(f"document.querySelector('{BLINK}').getAttribute('aria-pressed')") == "false"
    assert roughness(page, 0.05, 0.4) > 5 > 1 > roughness(page, 0.6, 0.95), "both halves are back"


def test_the_whole_field_and_the_crop_at_full_scale(page):
    shown = "[...document.querySelectorAll('.compare img')].filter((i) => i.checkVisibility()).map((i) => i.className)"
    assert page.evaluate(shown) == ["crop", "crop"]
    if not page.phone:
        wide = page.evaluate(
            "(() => {const i = document.querySelector('img.crop'); return i.clientWidth / i.naturalWidth})()"
        )
        assert wide == 1, "at 100 %"
    focus(page, "[data-viewer] input[type=radio]")
    page.press("ArrowRight")
    assert page.evaluate(shown) == ["field", "field"]
    page.evaluate("document.querySelector('[data-viewer] input[value=crop]').click()")
    assert page.evaluate(shown) == ["crop", "crop"]


def test_the_slider_is_as_wide_as_the_picture(page):
    for part in ("crop", "field"):
        page.evaluate(f"document.querySelector('[data-viewer] input[value={part}]').click()")
        (left, _, width, _), (start, _, length, _) = page.box(VIEWER), page.box(".slider")
        assert (start, length) == pytest.approx((left, width), abs=1)
        assert width <= page.width


def test_the_table_sorts_both_ways_and_shows_the_rejected(page):
    head = "table.frames th:nth-child(4)"
    names = column(page, 0)
    assert names[0] == "light_09.fits", "the rejected first"
    page.click(f"{head} button")
    rising = [float(value) for value in column(page, 3)]
    assert rising == sorted(rising)
    focus(page, f"{head} button")
    page.press("Enter")
    assert [float(value) for value in column(page, 3)] == rising[::-1]
    assert page.evaluate(f"document.querySelector('{head}').ariaSort") == "descending"
    page.click("table.frames th:nth-child(8) button")
    assert column(page, 7)[-1] == "–", "what is not known comes last"
    page.click("[data-filter] label:nth-of-type(2)")
    assert column(page, 0) == ["light_09.fits"] and "few stars" in column(page, 2)[0]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_everything_can_be_read(page, theme):
    if theme == "light":
        page.click("[data-theme]")
    ratio, text = page.evaluate(CONTRAST)
    assert ratio >= 4.5, text


CARD = "e.closest('.card')."


def test_nothing_is_wider_than_the_screen(page):
    for state in ("1", "document.querySelector('[data-viewer] input[value=field]').click()"):
        page.evaluate(state)
        assert page.evaluate("document.documentElement.scrollWidth") <= page.width
        page.evaluate("scrollTo(100, 0)")
        assert page.evaluate("scrollX") == 0
    # The widest that a gain is written.
    page.evaluate("document.querySelectorAll('.card-gain').forEach((e) => e.textContent = '1.89 ± 0.06 times')")
    right = "e.getBoundingClientRect().right"
    beside = f"[...document.querySelectorAll('.card *')].filter((e) => {right} > {right.replace('e.', CARD)})"
    assert page.evaluate(f"{beside}.map((e) => e.outerHTML)") == []
    shown = (
        "[...document.querySelectorAll('button, .segmented label, .slider, .card')].filter((e) => e.checkVisibility())"
    )
    small = page.evaluate(f"{shown}.map((e) => [e.getBoundingClientRect().height, e.outerHTML])")
    least = 24 if not page.phone else 32
    assert [item for item in small if item[0] < least] == [], "large enough for a finger"


def test_no_gate_is_cut_off(page):
    cut = "[...document.querySelectorAll('.gates .scroll')].filter((e) => e.scrollWidth > e.clientWidth).length"
    for width in (page.width, 960, 910, 760):
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=page.phone)
        assert page.evaluate(cut) == 0, width


def test_everything_has_a_name_for_those_who_cannot_see_it(page):
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    parts = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    named = [
        part for part in parts if part[0] in ("image", "img", "button", "link", "slider", "radio", "region", "table")
    ]
    assert {"slider", "button", "radio", "link"} <= {role for role, _ in named}
    assert [role for role, name in named if not name.strip() and role != "table"] == []
    assert any("Plain stack of M31" in name for _, name in named)
