# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages of small pictures of a batch's results: HTML without a server, which loads only what is seen."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from sync_engine.batch.report import Entry

PER_PAGE = 10_000
STYLE = """
:root { color-scheme: dark; }
body { margin: 1rem; font: 13px/1.4 system-ui, sans-serif; background: #1d1d1d; color: #ddd; }
header { position: sticky; top: 0; padding: .5rem 0; background: #1d1d1d; z-index: 1; }
header input { width: 20rem; } a { color: inherit; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: .6rem; }
figure { margin: 0; content-visibility: auto; contain-intrinsic-size: 240px 170px; overflow: hidden; }
figure[hidden] { display: none; }
img, .none { width: 100%; aspect-ratio: 2; object-fit: contain; background: #111; display: block; }
.failed .none { background: #4a1f1f; } .none { display: grid; place-items: center; color: #999; }
figcaption { max-height: 3.9em; overflow: hidden; } .error { color: #ff9d8a; }
"""
SCRIPT = """
const field = document.querySelector('input'), choice = document.querySelector('select');
function show() {
  const words = field.value.toLowerCase().split(/\\s+/).filter(Boolean), state = choice.value;
  for (const figure of document.querySelectorAll('figure')) {
    const text = figure.textContent.toLowerCase();
    figure.hidden = (state && !figure.classList.contains(state)) || !words.every(word => text.includes(word));
  }
}
let late; field.addEventListener('input', () => { clearTimeout(late); late = setTimeout(show, 150); });
choice.addEventListener('change', show);
"""


def name(number: int) -> str:
    """Return the name of a page's file; the first is ``contact.html``."""
    return "contact.html" if number == 1 else f"contact-{number}.html"


def page(entries: Iterable[Entry], number: int, pages: int, counts: dict[str, int]) -> str:
    """Return one page.

    Args:
        entries: at most ``PER_PAGE``; links are relative, so the folder can be moved.
        number: of the page, from 1, of ``pages``.
        counts: jobs by state, of the whole batch.
    """
    told = ", ".join(f"{count:,} {state}" for state, count in counts.items())
    figures = "\n".join(_figure(entry) for entry in entries)
    states = "".join(f"<option>{state}</option>" for state in counts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Batch: {told}</title>\n'
        f"<style>{STYLE}</style></head><body>\n<header><strong>{told}</strong> "
        f'<input placeholder="Words of a prompt, an error, an identity" aria-label="Search"> '
        f'<select aria-label="State"><option value="">all</option>{states}</select>{_links(number, pages)}'
        f"</header>\n<main>\n{figures}\n</main>\n<script>{SCRIPT}</script></body></html>\n"
    )


def _figure(entry: Entry) -> str:
    spec = entry.spec
    size = f"{spec.get('width')} × {spec.get('height')}"
    caption = f"{escape(str(spec.get('prompt', '')))} · seed {spec.get('seed')} · {size}"
    if entry.state == "done":
        place = quote(str(entry.folder))
        shown = f'<a href="{place}/"><img loading="lazy" src="{place}/preview.png" alt=""></a>'
    else:
        shown = f'<div class="none">{entry.state}</div>'
    if entry.error:
        words = escape(entry.error)
        log = f'<a href="{quote(entry.log)}">{words}</a>' if entry.log else words
        caption = f'<span class="error">{log}</span> {caption}'
    head = f'<figure class="{entry.state}" id="j{entry.identity}">'
    return f"{head}{shown}<figcaption>{caption}</figcaption></figure>"


def _links(number: int, pages: int) -> str:
    if pages == 1:
        return ""
    others = (f'<a href="{name(n)}">{n}</a>' if n != number else f"<b>{n}</b>" for n in range(1, pages + 1))
    return f" <nav>Pages: {' '.join(others)}</nav>"
