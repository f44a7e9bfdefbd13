"""The page as people use it, in a real browser: Debian's chromium, driven by Playwright."""

import base64
import csv
import io
import os
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytestmark = pytest.mark.slow

DATA = Path(os.environ.get("ADSCORE_DATA", Path(__file__).parents[3] / "shared" / "data"))
CASES = DATA.parent / "cases" / "images"
HEADLINES = ["Save 20 % on running shoes", "Run a little further", "Fresh air for your feet"]
SCRIPT = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
DIALOGS_STOP = "window.alert = window.confirm = window.prompt = () => { throw new Error('dialog') }"


def add_headlines(page: Any, texts: list[str]) -> None:
    field = page.get_by_label("New headline")
    field.fill("\n".join(texts))
    field.press("Enter")


def add_banners(page: Any, files: list[Any]) -> None:
    page.set_input_files("#files", files)


def wait_for_grid(page: Any, cells: int) -> None:
    page.wait_for_function(
        "n => document.querySelectorAll('.cell').length === n && progress.hidden", arg=cells
    )


def fill(page: Any, banners: list[Path], headlines: list[str] = HEADLINES) -> None:
    add_headlines(page, headlines)
    add_banners(page, banners)
    wait_for_grid(page, len(headlines) * len(banners))


def rates(page: Any) -> dict[str, str]:
    """What stands in the cells of the grid, by code."""
    found: dict[str, str] = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('.cell')]"
        ".map(cell => [cell.dataset.code, cell.ariaLabel]))"
    )
    return found


def choose_placement(page: Any, value: str) -> None:
    """Chooses a placement where none was chosen, and waits until every score is of it."""
    missing = page.locator("#results .tag", has_text="context missing")
    missing.first.wait_for()
    page.locator("#context-placement").select_option(value)
    missing.first.wait_for(state="detached")
    page.wait_for_function("() => progress.hidden")  # a bare expression needs eval, which CSP bars


def wait_for_focus(page: Any, label: str) -> None:
    """Waits until the focus is on what has a name that starts so."""
    page.wait_for_function("name => document.activeElement.ariaLabel?.startsWith(name)", arg=label)


def scrolls_sideways(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def kept(download: Any, path: Path) -> Path:
    download.save_as(path)
    return path


# === Files ===


def png_of_many_pixels() -> bytes:
    """A small file whose header says 20,000 x 20,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(100))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def jpeg_of_many_scans() -> bytes:
    """A progressive JPEG with its last scan 300 times more; each is a pass over the pixels."""
    with io.BytesIO() as file:
        Image.effect_noise((64, 64), 50).save(file, "JPEG", progressive=True)
        jpeg = file.getvalue()
    return jpeg[:-2] + jpeg[jpeg.rfind(b"\xff\xda") : -2] * 300 + jpeg[-2:]


def bad_files(banner: bytes) -> dict[str, bytes]:
    return {
        "empty.png": b"",
        "cut.jpg": banner[: len(banner) // 3],
        "drawing.png": b"<svg xmlns='http://www.w3.org/2000/svg'></svg>",
        "page.png": b"<!DOCTYPE html><title>404</title>",
        "paper.png": b"%PDF-1.7\n",
        "noise.webp": b"RIFF\0\0\0\0WEBPVP8 " + bytes(50),
        "phone.jpg": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50),
        "scans.jpg": jpeg_of_many_scans(),
        "encoded.png": base64.b64encode(banner),
        "pixels.png": png_of_many_pixels(),
        "bytes.png": banner + bytes(11_000_000),
    }


def as_upload(name: str, body: bytes) -> dict[str, Any]:
    return {"name": name, "mimeType": "image/png", "buffer": body}


def test_bad_files_are_marked_and_spoil_no_grid(
    visit: Callable[..., Any], banner: bytes, banners: list[Path]
) -> None:
    visitor = visit()
    page = visitor.open()
    files = bad_files(banner)
    add_headlines(page, HEADLINES)
    add_banners(page, [as_upload(name, body) for name, body in files.items()])
    add_banners(page, banners[:2])
    wait_for_grid(page, 6)
    refused = page.locator(".banner.refused")
    assert refused.count() == len(files)
    reasons = {
        refused.nth(i).locator(".file").inner_text(): refused.nth(i).locator(".why").inner_text()
        for i in range(len(files))
    }
    assert reasons.keys() == files.keys()
    assert "empty" in reasons["empty.png"]
    assert "pixels" in reasons["pixels.png"]
    assert "too large" in reasons["bytes.png"]
    for name in files.keys() - {"empty.png", "pixels.png", "bytes.png"}:
        assert "no picture that can be read" in reasons[name]
    assert visitor.complaints == []


@pytest.mark.realdata
@pytest.mark.skipif(not CASES.is_dir(), reason="ADSCORE_DATA has no folder of cases beside it")
def test_odd_files_of_the_cases_are_scored_or_marked(visit: Callable[..., Any]) -> None:
    visitor = visit()
    page = visitor.open()
    files = [path for path in sorted(CASES.rglob("*")) if path.suffix in (".png", ".jpg")]
    bad = [path for path in files if path.parent.name == "not_an_image"]
    good = len({path.read_bytes() for path in files} - {path.read_bytes() for path in bad})
    add_headlines(page, HEADLINES[:1])
    add_banners(page, files)
    wait_for_grid(page, good)
    marked = page.locator(".banner.refused .file").all_inner_texts()
    assert sorted(marked) == sorted(path.name for path in bad)
    assert visitor.complaints == []


def test_below_the_path_of_a_proxy_it_works_the_same(
    visit: Callable[..., Any], start_page: Callable[..., Any], banners: list[Path]
) -> None:
    visitor = visit(start_page(prefix="/ads/page"))
    page = visitor.open()
    fill(page, banners[:1])
    page.locator(".cell").first.click()
    page.locator(".parts").wait_for()
    assert {url.split("/")[4] for url in visitor.requests if url.startswith("http")} == {"page"}
    assert visitor.complaints == []


def test_script_in_headlines_and_file_names_is_shown_as_text(
    visit: Callable[..., Any], banner: bytes, tmp_path: Path
) -> None:
    visitor = visit()
    page = visitor.open()
    title = page.title()
    add_headlines(page, [SCRIPT, "Plain"])
    add_banners(page, [as_upload(SCRIPT.replace("/", "-") + ".png", banner)])
    wait_for_grid(page, 2)
    page.locator(".cell").first.click()
    page.locator("#view-ranking").click()
    page.locator(".rank").first.wait_for()
    assert SCRIPT in page.locator("#ranking").inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Page (.html)").click()
    saved = page.context.new_page()
    saved.goto(kept(download.value, tmp_path / "saved.html").as_uri())
    assert SCRIPT in saved.locator("table").inner_text()
    assert (page.title(), saved.title()) == (title, title)
    assert visitor.complaints == []


def test_a_reload_loses_nothing(visit: Callable[..., Any], banners: list[Path]) -> None:
    visitor = visit()
    page = visitor.open()
    fill(page, banners[:3])
    choose_placement(page, "feed")
    before = rates(page)
    page.locator('.cell[data-code="B2"]').click()
    page.get_by_label("Impressions").first.fill("1,200")
    page.get_by_label("Clicks").first.fill("20")
    page.get_by_label("New headline").press_sequentially("Not yet whol")
    page.reload()
    wait_for_grid(page, 9)
    assert rates(page) == before
    assert page.locator("#context-placement").input_value() == "feed"
    assert page.get_by_label("Impressions").first.input_value() == "1,200"
    assert page.get_by_label("New headline").input_value() == "Not yet whol"
    page.get_by_label("New headline").fill("")
    assert page.locator("#detail-title").inner_text() == "Why B2?"
    page.wait_for_function("() => document.querySelectorAll('.banner img').length === 3")
    # In the middle of scoring, too.
    add_banners(page, banners[3:6])
    page.wait_for_function("() => document.querySelectorAll('.banner').length === 6")
    page.reload()
    wait_for_grid(page, 18)
    assert visitor.complaints == []


class TurnedRound:
    """Lets scores through with the order of the combinations turned round, and counts them."""

    def __init__(self) -> None:
        self.answers = 0

    def __call__(self, route: Any) -> None:
        response = route.fetch()
        answer = response.json()
        for score in answer["scores"]:
            for target in score["targets"].values():
                target["mean"] = 1 - target["mean"]
        route.fulfill(response=response, json=answer)
        self.answers += 1


def test_counts_typed_while_scores_arrive_stay_in_their_row(
    visit: Callable[..., Any], banners: list[Path], wait_until: Callable[..., None]
) -> None:
    visitor = visit()
    page = visitor.open()
    fill(page, banners[:3])
    old = page.locator(".cell").first.get_attribute("aria-label")
    turned_round = TurnedRound()
    page.route("**/api/scores", turned_round)
    # Nothing is drawn while letters are composed, as on a slow machine: the rows are old then.
    page.evaluate("dispatchEvent(new Event('compositionstart'))")
    page.locator("#context-placement").select_option("feed")
    # One for each banner; Playwright hands them on while it waits itself.
    wait_until(lambda: page.wait_for_timeout(10) or turned_round.answers == 3)
    field = page.get_by_label("Impressions").first
    identity = field.get_attribute("id")
    field.fill("1,200")
    page.evaluate("dispatchEvent(new Event('compositionend'))")
    page.wait_for_function(
        "old => ![undefined, old].includes(document.querySelector('.cell')?.ariaLabel)", arg=old
    )
    assert page.locator(f"#{identity}").input_value() == "1,200"
    assert page.locator(".live-row").count() == 3
    assert visitor.complaints == []


def test_two_tabs_hold_their_own(visit: Callable[..., Any], banners: list[Path]) -> None:
    visitor = visit()
    first, second = visitor.open(), visitor.open()
    fill(first, banners[:2], HEADLINES[:2])
    assert second.locator(".banner").count() == 0
    fill(second, banners[2:3], HEADLINES[2:])
    for tab, cells in ((first, 4), (second, 1)):
        tab.reload()
        wait_for_grid(tab, cells)
    # A copied tab has its original's session, and goes its own way from there.
    with visitor.context.expect_page() as copied:
        first.evaluate("open(location.href)")
    copy = copied.value
    copy.locator("#model").wait_for()
    assert copy.locator(".banner").count() == 0
    first.reload()
    wait_for_grid(first, 4)
    assert visitor.complaints == []


def test_twenty_megabytes_of_banners(visit: Callable[..., Any], tmp_path: Path) -> None:
    visitor = visit()
    page = visitor.open()
    files = []
    for number in range(10):
        noise = Image.effect_noise((2400, 1200), 60 + number)
        files.append(tmp_path / f"large-{number}.png")
        noise.save(files[-1], compress_level=1)
    assert sum(file.stat().st_size for file in files) > 20_000_000
    fill(page, files)
    page.reload()
    wait_for_grid(page, 30)
    assert visitor.complaints == []


def test_a_removed_item_comes_back(visit: Callable[..., Any], banners: list[Path]) -> None:
    visitor = visit()
    page = visitor.open()
    page.add_init_script(DIALOGS_STOP)
    fill(page, banners[:2])
    before = rates(page)
    page.get_by_label("Remove banner 1").click()
    wait_for_grid(page, 3)
    wait_for_focus(page, "Remove banner 2")
    page.get_by_role("button", name="Undo").dblclick()
    wait_for_grid(page, 6)
    wait_for_focus(page, "Remove banner 1")
    page.get_by_label("Remove banner 1").click()
    wait_for_grid(page, 3)
    page.get_by_role("button", name="Undo").click()
    page.reload()  # at once
    wait_for_grid(page, 6)
    assert rates(page) == before
    page.get_by_label("Remove headline B").click()
    wait_for_grid(page, 4)
    wait_for_focus(page, "Remove headline C")
    page.locator(".cell").first.focus()
    page.keyboard.press("Control+z")
    wait_for_grid(page, 6)
    assert rates(page) == before
    page.get_by_role("button", name="Start over").click()
    page.locator("#welcome").wait_for()
    page.get_by_role("button", name="Undo").click()
    page.reload()
    wait_for_grid(page, 6)
    assert rates(page) == before
    assert visitor.complaints == []


def test_what_is_taken_along(
    visit: Callable[..., Any], banners: list[Path], tmp_path: Path
) -> None:
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    page = visitor.open()
    fill(page, banners[:2], [*HEADLINES, "=HYPERLINK(1)"])
    with page.expect_download() as table:
        page.get_by_role("button", name="Table (.csv)").click()
    text = Path(table.value.path()).read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["place"] for row in rows] == [str(place) for place in range(1, 9)]
    means = [float(row["ctr_mean"]) for row in rows]
    assert means == sorted(means, reverse=True)
    assert {row["headline"] for row in rows} == {*HEADLINES, "'=HYPERLINK(1)"}
    with page.expect_download() as saved:
        page.get_by_role("button", name="Page (.html)").click()
    other = visitor.context.new_page()
    other.goto(kept(saved.value, tmp_path / "saved.html").as_uri())
    assert other.locator("tbody tr").count() == 8
    shown = "img => [...img].every(one => one.naturalWidth > 0)"
    assert other.locator("tbody img").evaluate_all(shown)
    page.get_by_role("button", name="Copy as text").click()
    page.get_by_text("The ranking was copied.").first.wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert len(re.findall(r"^\d\. [A-D][12]  ", copied, re.MULTILINE)) == 8
    assert visitor.complaints == []


def test_dropped_and_pasted_things_are_taken(
    visit: Callable[..., Any], banner: bytes, banners: list[Path], tmp_path: Path
) -> None:
    visitor = visit()
    page = visitor.open()
    drop = """([name, body]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(body)], name));
        transfer.items.add(new File(["First line\\nSecond line\\n"], "lines.txt"));
        transfer.items.add(new File(["x"], ".DS_Store"));
        const how = { dataTransfer: transfer, bubbles: true, cancelable: true };
        document.body.dispatchEvent(new DragEvent("drop", how));
    }"""
    page.evaluate("document.body.dispatchEvent(new DragEvent('dragenter', { bubbles: true }))")
    page.locator(".dropping").wait_for()
    page.evaluate(drop, ["dropped.png", list(banner)])
    wait_for_grid(page, 2)
    page.locator(".dropping").wait_for(state="hidden")
    page.get_by_text("One hidden file was left out.").first.wait_for()
    paste = """text => {
        const data = new DataTransfer();
        data.setData("text/plain", text);
        const how = { clipboardData: data, bubbles: true, cancelable: true };
        document.body.dispatchEvent(new ClipboardEvent("paste", how));
    }"""
    page.evaluate(paste, "Third line\nFirst line")
    wait_for_grid(page, 3)
    page.get_by_text("One headline was there already.").first.wait_for()
    paste_picture = """body => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(body)], "image.png", { type: "image/png" }));
        const how = { clipboardData: data, bubbles: true, cancelable: true };
        document.activeElement.dispatchEvent(new ClipboardEvent("paste", how));
    }"""
    page.get_by_label("New headline").focus()
    page.evaluate(paste_picture, list(banners[1].read_bytes()))
    wait_for_grid(page, 6)
    folder = tmp_path / "campaign"
    (folder / "deeper").mkdir(parents=True)
    (folder / "deeper" / banners[2].name).write_bytes(banners[2].read_bytes())
    (folder / "lines.txt").write_text("Fourth line\nFirst line\n")
    (folder / ".hidden").write_text("x")
    page.set_input_files("#folder", folder)
    wait_for_grid(page, 12)
    page.get_by_text(
        "One headline was there already. One hidden file was left out."
    ).first.wait_for()
    assert visitor.complaints == []


def test_a_phone_shows_everything_without_scrolling_sideways(
    visit: Callable[..., Any], banners: list[Path], findings: Callable[[Any], list[str]]
) -> None:
    visitor = visit(width=320)
    page = visitor.open()
    assert not scrolls_sideways(page)
    fill(page, banners[:4], [*HEADLINES, "Averyveryverylongwordwithoutanyspaceinit" * 3])
    assert not scrolls_sideways(page)
    page.locator(".cell").first.click()
    page.locator("#detail").wait_for()
    assert not scrolls_sideways(page)
    page.locator("#view-ranking").click()
    page.locator(".rank").first.wait_for()
    assert not scrolls_sideways(page)
    page.locator("#model summary").click()
    assert not scrolls_sideways(page)
    assert findings(page) == []
    assert visitor.complaints == []


def test_paper_shows_the_whole_grid_and_nothing_to_press(
    visit: Callable[..., Any], banners: list[Path]
) -> None:
    page = visit(width=794).open()  # A4 at 96 dots per inch
    fill(page, banners[:6])
    page.emulate_media(media="print")
    right = "[...document.querySelectorAll('.cell')].map(one => one.getBoundingClientRect().right)"
    assert page.evaluate(f"Math.max(...{right}) <= innerWidth")
    visible = "[...document.querySelectorAll('button')].filter(one => one.checkVisibility())"
    assert page.evaluate(f"{visible}.length") == 18  # the cells
