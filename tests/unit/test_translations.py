# SPDX-License-Identifier: GPL-3.0-or-later
"""Every text that the user can see has a translation in each table, and its values keep their places."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import ui_strings

ROOT = Path(__file__).parents[2]
LANGUAGES = sorted(path.stem for path in (ROOT / "translations").glob("*.py") if path.stem != "__init__")
NAMES = {"Syncscape", "Sync", "Prompt", "Seed", "Filter", "Name", "Studio", "Winter", "ControlNet", "Nadir"}
NAMES |= {"OpenEXR", "Radiance HDR", "PNG", "JPEG"}
"""What may be the same in another language."""
VALUE = ui_strings.VALUE


def table(language: str) -> dict[str, str]:
    """Read a table without Blender."""
    tree = ast.parse((ROOT / "translations" / f"{language}.py").read_text(encoding="utf-8"))
    assignment = next(node for node in tree.body if isinstance(node, ast.AnnAssign))
    assert isinstance(assignment.value, ast.Dict)
    keys = [ast.literal_eval(key) for key in assignment.value.keys if key is not None]
    assert len(keys) == len(set(keys)), "a text is there twice"
    return ast.literal_eval(assignment.value)


def test_the_languages() -> None:
    assert {"de", "zh_hans"} <= set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_has_a_translation(language: str) -> None:
    """To mend it: python tests/unit/ui_strings.py prints the lines to add."""
    words = table(language)
    missing = {text: file for text, file in ui_strings.shown_texts().items() if text not in words}
    assert not missing, "\n".join(f"{file}: {text!r}" for text, file in missing.items())


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_translation_of_what_is_gone(language: str) -> None:
    shown = ui_strings.shown_texts()
    assert [text for text in table(language) if text not in shown] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_are_whole(language: str) -> None:
    for text, words in table(language).items():
        assert words.strip(), text
        assert sorted(VALUE.findall(words)) == sorted(VALUE.findall(text)), f"{text!r}: {words!r}"
        assert words != text or text in NAMES, f"{text!r} is not translated"
        ends = (".", "。", "!", "?", "？")
        assert text.endswith(ends) <= words.endswith(ends), f"{text!r}: {words!r} has lost its full stop"


def test_texts_with_values_are_templates() -> None:
    """An f-string has forgotten its template. Write ``Message("… {name} …", name=…)``, or ``tr`` likewise."""
    by_hand = {text: file for text, file in ui_strings.shown_texts().items() if "{0" in text}
    assert not by_hand


def test_new_texts_are_found(tmp_path: Path) -> None:
    """The finder itself: each way of showing a text, and nothing that is not shown."""
    source = '''
class X_OT_y(Operator):
    """The tooltip"""
    bl_idname = "not.shown"
    bl_label = "The label"
    size: IntProperty(name="The name", description="One " "text")
class Toy(Method):
    name = "not-shown"
    label = "A method"
    help = "Its help"
MODE_ITEMS = (("ID", "An item", "Its tooltip"),)
STAGES = {"load": "A stage"}
AGAIN_HINT = "The remedy."
def f(layout, n):
    layout.label(text="Drawn" if n else "Other")
    layout.operator("not.shown", text="A button")
    draw_text(layout, n, f"{n} of {n + 1} here")
    self.report({"ERROR"}, tr("Reported {count:.1f}", count=n))
    link.error = Message("Remembered {count}" if n else "Forgotten", count=n)
    raise SpecError("field", n, "the problem", f"Use {n}.")
    problem = f"gone: {n}"
'''
    for place in (*ui_strings.BLENDER_SIDE, *ui_strings.ENGINE_SIDE):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".py":
            path.write_text("", encoding="utf-8")
        else:
            path.mkdir(parents=True)
    (tmp_path / "panels" / "new.py").write_text(source, encoding="utf-8")
    assert set(ui_strings.shown_texts(tmp_path)) == {
        *("A method", "Its help"),
        *("The tooltip", "The label", "The name", "One text", "An item", "Its tooltip", "A stage"),
        *(
            "The remedy.",
            "Drawn",
            "Other",
            "A button",
            "{0} of {1} here",
            "Reported {count:.1f}",
            "Remembered {count}",
            "Forgotten",
        ),
        *("the problem", "Use {0}.", "gone: {0}"),
    }
