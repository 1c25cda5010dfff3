"""The page in a real browser: what its boxes, its slider, its headers and its curves do."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from made import CHECKERBOARD, sweep
from PIL import Image

from gantrain.pages.html import compare_page
from gantrain.pages.ranking import compare

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--virtual-time-budget=3000", "--window-size=1200,900"),
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

SHOWN = {**CHECKERBOARD, "picture": "shown.png"}

# What a reader does, and what is to be seen afterwards.
SCRIPT = """
<pre id="seen"></pre>
<script>
addEventListener("load", () => setTimeout(() => {
  const seen = { errors: window.failed ?? [] };
  const one = (selector) => document.querySelector(selector);
  const many = (selector) => [...document.querySelectorAll(selector)];
  const order = () => many("#runs tbody tr").map((row) => row.dataset.run);
  const header = (name) => many("#runs th button").find((button) => button.textContent === name);
  const input = (element, value) => { element.value = value; element.dispatchEvent(new Event("input")); };
  const tick = (box, on) => { box.checked = on; box.dispatchEvent(new Event("change")); };
  try {
    seen.ranked = order();
    header("fd_rand").click();
    seen.rising = order();
    header("fd_rand").click();
    seen.falling = order();
    header("loss").click();
    seen.words = order();

    const slider = one("#moment"), frame = () => one('figure[data-run="1"] img.frame').src;
    const last = frame();
    input(slider, 0);
    seen.told = one("#moment-told").textContent;
    seen.first = one('figure[data-run="1"] .when').textContent;
    seen.moved = frame() !== last;
    input(slider, slider.max);
    seen.back = frame() === last;
    const image = one('figure[data-run="1"] img.frame');
    seen.size = [image.width > 0, image.naturalWidth === 242];
    seen.spoken = slider.getAttribute("aria-valuetext");
    one('figure[data-run="1"] .enlarge').click();
    const large = one("#large");
    seen.large = [large.open, large.querySelector("img").width % 242, large.textContent.includes("loss=bce")];
    large.querySelector("form button").click();
    seen.closed = !large.open;
    one("#finding-1-GD301 .enlarge").click();
    seen.exhibit = [large.open, large.querySelector("img").width % 700, large.querySelector("p").textContent];
    large.close();

    tick(one('input.shown[data-run="0"]'), false);
    seen.figure = one('figure[data-run="0"]').hidden;
    seen.row = one('tr[data-run="0"]').className;
    seen.mixed = one("#all").indeterminate;
    tick(one("#all"), true);
    seen.again = one('figure[data-run="0"]').hidden;

    seen.charts = many(".chart").length;
    const chart = one(".chart");
    chart.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
    seen.keyed = chart.querySelector(".tip").textContent;
    seen.read = one("#read").textContent;
    const over = chart.querySelector(".u-over"), box = over.getBoundingClientRect();
    const at = { bubbles: true, clientX: box.right - 1, clientY: box.top + 20 };
    over.dispatchEvent(new MouseEvent("mouseenter", at));
    over.dispatchEvent(new MouseEvent("mousemove", at));

    location.hash = "#finding-1-GD301";
  } catch (error) { seen.errors.push(String(error)); }
  setTimeout(() => {
    seen.hovered = one(".chart .tip").textContent;
    seen.opened = one("#finding-1-GD301").closest("details").open;
    seen.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    seen.asked = performance.getEntriesByType("resource").map((entry) => entry.name)
      .filter((name) => !name.startsWith("data:"));
    one("#seen").textContent = JSON.stringify(seen);
  }, 300);
}, 300));
</script>
"""
EARLY = '<script>addEventListener("error", (event) => (window.failed ??= []).push(event.message));</script>'


def opened(page: Path, *flags: str) -> str:
    """The page's elements once its scripts have run."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM,
        *FLAGS,
        *flags,
        f"--user-data-dir={page.parent / 'profile'}",
        "--dump-dom",
        page.as_uri(),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.fixture(scope="module", params=["1200,900", "390,844"], ids=["desktop", "phone"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict:
    place = tmp_path_factory.mktemp("page")
    runs = [
        {"overrides": [f"loss={loss}"], "choices": {"loss": loss}, "fd": [0.9, value], "findings": found}
        for loss, value, found in (("hinge", 0.3, []), ("bce", 0.1, []), ("wgan", 0.2, [SHOWN]))
    ]
    records = sweep(place / "runs", *runs)
    for record in records:
        Image.new("RGB", (700, 300)).save(record.directory / "shown.png")
    page = compare_page(compare(records), "Sweep")
    path = place / "compare.html"
    path.write_text(
        page.replace("<head>", f"<head>{EARLY}").replace("</body>", f"{SCRIPT}</body>"), encoding="utf-8"
    )
    found = re.search(
        r'<pre id="seen">(.*?)</pre>', opened(path, f"--window-size={request.param}"), re.DOTALL
    )
    assert found
    assert found[1], "the script did not come to its end"
    return json.loads(found[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))


def test_nothing_fails_and_nothing_is_asked_for(seen: dict) -> None:
    assert seen["errors"] == []
    assert [name for name in seen["asked"] if not name.startswith("file:")] == []


def test_columns_sort(seen: dict) -> None:
    assert seen["ranked"] == seen["rising"] == ["1", "2", "0"]
    assert seen["falling"] == ["0", "2", "1"]
    assert seen["words"] == ["1", "0", "2"]


def test_the_slider_moves_through_training(seen: dict) -> None:
    assert seen["told"] == "10"
    assert seen["first"] == "step 10"
    assert seen["moved"]
    assert seen["back"]


def test_a_click_enlarges_by_whole_pixels(seen: dict) -> None:
    assert seen["size"] == [True, True]
    assert seen["spoken"] == "step 20"
    assert seen["large"] == [True, 0, True]
    assert seen["closed"]
    assert seen["exhibit"][:2] == [True, 0]
    assert seen["exhibit"][2].startswith("GD301 Checkerboard")


def test_a_box_takes_its_run_out(seen: dict) -> None:
    assert seen["figure"]
    assert seen["row"] == "off"
    assert seen["mixed"]
    assert not seen["again"]


def test_curves_tell_their_values(seen: dict) -> None:
    assert seen["charts"] == 5
    assert seen["keyed"].startswith("step 10")
    assert "1: 0.9" in seen["keyed"]
    assert seen["read"].startswith("step 10; ")
    assert seen["hovered"].startswith("step 20")
    assert "1: 0.1" in seen["hovered"]


def test_a_finding_opens_where_it_is_linked(seen: dict) -> None:
    assert seen["opened"]


def test_nothing_sticks_out(seen: dict) -> None:
    assert seen["wide"] <= 0
