# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a batch: batch.json, and contact sheets as a browser shows them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks.stand_in_engine import PIXEL
from sync_engine.batch import contact_sheet
from sync_engine.batch.plan import Plan
from sync_engine.batch.report import Report
from sync_engine.batch.shared_folder import ATTEMPTS, SharedFolder
from tests.chromium import Chromium, is_here

RED = (255, 0, 0)


def plan_of(home: Path, count: int) -> Plan:
    """Return a plan without a model: identities are numbers."""
    lines = (
        {"identity": f"{number:040x}", "group": "", "spec": {"prompt": f"place <{number}>", "seed": number}}
        for number in range(count)
    )
    path = home / "plan.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Plan(path)


def fill(home: Path, count: int, failing: int = 0, waiting: int = 0) -> tuple[SharedFolder, Plan]:
    """Make a folder of results: the first ones failed, the last ones wait."""
    plan = plan_of(home, count)
    folder = SharedFolder(home / "out")
    with folder:
        for identity in plan.identities[failing : count - waiting]:
            place = folder.out / identity
            place.mkdir()
            (place / "preview.png").write_bytes(PIXEL)
        for identity in plan.identities[:failing]:
            for _ in range(ATTEMPTS):
                folder.fail(identity, f"a <b>bold</b> error of {identity}\nTraceback")
        Report(plan, folder).write()
    return folder, plan


def test_the_report_says_what_became_of_every_job(tmp_path: Path) -> None:
    folder, plan = fill(tmp_path, 5, failing=1, waiting=2)
    report = json.loads((folder.out / "batch.json").read_text())
    assert [entry["identity"] for entry in report] == plan.identities
    assert [entry["state"] for entry in report] == ["failed", "done", "done", "waiting", "waiting"]
    assert all(set(entry) == {"identity", "state", "folder", "error"} for entry in report)
    assert report[0]["error"].startswith("a <b>bold</b> error")
    assert [entry["folder"] for entry in report[1:]] == [*plan.identities[1:3], None, None]
    page = (folder.out / "contact.html").read_text()
    assert "<b>bold" not in page
    assert "place &lt;0&gt;" in page
    assert not list(folder.out.glob("*.part")) + list(folder.out.glob(".*.part"))


def test_large_batches_have_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_sheet, "PER_PAGE", 2)
    folder, _plan = fill(tmp_path, 5)
    pages = sorted(path.name for path in folder.out.glob("contact*.html"))
    assert pages == ["contact-2.html", "contact-3.html", "contact.html"]
    assert [(folder.out / name).read_text().count("<figure") for name in pages] == [2, 1, 2]
    assert 'href="contact-3.html"' in (folder.out / "contact.html").read_text()


@pytest.mark.slow
@pytest.mark.skipif(not is_here(), reason="no chromium with its driver: what a browser makes of the page")
def test_ten_thousand_results_in_a_browser(tmp_path: Path) -> None:
    from PIL import Image

    folder, plan = fill(tmp_path, 10_000, failing=5, waiting=40)
    seen_count = "return [...document.images].filter(i => i.complete && i.naturalWidth).length"
    with Chromium(tmp_path / "profile") as browser:
        browser.open(folder.out / "contact.html")
        assert browser.run("return document.querySelectorAll('figure').length") == 10_000
        assert browser.run("return document.title") == "Batch: 9,955 done, 5 failed, 40 waiting"
        browser.wait_for(f"{seen_count} >= 10")
        assert browser.run(seen_count) < 2000, "only what is near the window is loaded"
        with Image.open(browser.screenshot(tmp_path / "top.png")) as shot:
            colours = {colour: n for n, colour in shot.convert("RGB").getcolors(2**24) or []}
        if os.environ.get("SYNCSCAPE_KEEP"):
            (tmp_path / "top.png").replace(Path(os.environ["SYNCSCAPE_KEEP"]) / "top.png")
        assert colours.get(RED, 0) > 20_000, "results are seen"
        assert colours.get((74, 31, 31), 0) > 20_000, "failures are seen"
        last = f"document.getElementById('j{plan.identities[9_959]}')"
        browser.run(f"{last}.scrollIntoView()")
        browser.wait_for(f"return {last}.querySelector('img').naturalWidth > 0")
        shown = "return [...document.querySelectorAll('figure')].filter(f => !f.hidden).length"
        browser.fill("select", "failed", "change")
        assert browser.run(shown) == 5
        assert "a <b>bold</b> error" in browser.run("return document.querySelector('.failed').textContent")
        log = browser.run("return decodeURI(document.querySelector('.failed a').getAttribute('href'))")
        assert "Traceback" in (folder.out / log).read_text()
        browser.fill("input", "place <3>", "input")
        browser.wait_for(f"{shown} == 1")
        if os.environ.get("SYNCSCAPE_KEEP"):
            browser.screenshot(Path(os.environ["SYNCSCAPE_KEEP"]) / "filtered.png")
            (tmp_path / "top.png").replace(Path(os.environ["SYNCSCAPE_KEEP"]) / "top.png")
