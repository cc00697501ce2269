# SPDX-License-Identifier: GPL-3.0-or-later
"""Every text that the user can see has a translation in each table, and its values keep their places."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest
import test_error_texts
import ui_strings

from sync_engine.catalog.small_files import read_json, refused
from sync_engine.common.errors import EngineError, ModelNotAvailable
from sync_engine.interface.messages import Failed, FailureCode, decode_event, encode
from sync_engine.interface.picture_files import DamagedPicture, check_picture
from sync_engine.interface.wording import Message, as_message

ROOT = Path(__file__).parents[2]
TABLES = {path.stem for path in (ROOT / "translations").glob("*.py")} - {"__init__"}
LANGUAGES = sorted(name for name in TABLES if not name.endswith("_engine"))
NAMES = {"Syncscape", "Sync", "Prompt", "Seed", "Filter", "Name", "Studio", "Winter", "ControlNet", "Nadir"}
NAMES |= {"OpenEXR", "Radiance HDR", "PNG", "JPEG"}
"""What may be the same in another language."""
VALUE = ui_strings.VALUE


@functools.cache
def table(language: str) -> dict[str, str]:
    """Read both tables of a language without Blender: of the interface, and of the engine."""
    found: dict[str, str] = {}
    for name in (language, f"{language}_engine"):
        tree = ast.parse((ROOT / "translations" / f"{name}.py").read_text(encoding="utf-8"))
        assignment = next(node for node in tree.body if isinstance(node, ast.AnnAssign))
        assert isinstance(assignment.value, ast.Dict)
        keys = [ast.literal_eval(key) for key in assignment.value.keys if key is not None]
        assert len(keys) == len(set(keys) - found.keys()), "a text is there twice"
        found |= ast.literal_eval(assignment.value)
    return found


def test_the_languages() -> None:
    assert {"de", "zh_hans"} <= set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_has_a_translation(language: str) -> None:
    """To mend it: python tests/unit/ui_strings.py prints the lines to add."""
    words = table(language)
    missing = {text: file for text, file in ui_strings.all_texts().items() if text not in words}
    assert not missing, "\n".join(f"{file}: {text!r}" for text, file in missing.items())


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_translation_of_what_is_gone(language: str) -> None:
    shown = ui_strings.all_texts()
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
    by_hand = {text: file for text, file in ui_strings.all_texts().items() if "{0" in text}
    assert not by_hand


def make_empty_sources(root: Path) -> None:
    """Make what the finder looks into, with nothing in it."""
    for place in (*ui_strings.BLENDER_SIDE, *ui_strings.ENGINE_SIDE, *ui_strings.ENGINE_COMMANDS):
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".py":
            path.write_text("", encoding="utf-8")
        else:
            path.mkdir(parents=True)


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
    make_empty_sources(tmp_path)
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


def test_new_errors_of_the_engine_are_found(tmp_path: Path) -> None:
    """Each way in which the engine's rooms say what went wrong, and no log line or name."""
    source = """
REMEDY = "Another model."
kept = Message("Kept for later {n}", n=1)
def f(path, error, remedy="A default."):
    raise ModelNotAvailable(Message("{path} is gone.", path=path), "Fetch it." if error else REMEDY)
def g(path):
    self.notes.append("A note on it.")
    self._on_note("Memory is short.")
    log.warning("for the log only")
    raise SpecError("a field", "word", "is bad", f"Use {path} instead.")
def h(path):
    return refused(path, "holds nothing", Message("{path}", path=path))
"""
    make_empty_sources(tmp_path)
    room = tmp_path / "sync_engine" / "catalog"
    room.mkdir(parents=True)
    (room / "new.py").write_text(source, encoding="utf-8")
    assert set(ui_strings.engine_texts(tmp_path)) == {
        *("Another model.", "Kept for later {n}", "{path} is gone.", "Fetch it.", "A note on it."),
        "A default.",
        *("Memory is short.", "is bad", "Use {0} instead.", "holds nothing", "a field"),
    }


def test_raised_texts_are_looked_for() -> None:
    """An error that is raised with a plain text is one of those whose texts are collected."""
    known = ui_strings.ENGINE_ERRORS | ui_strings.ARGUMENTS.keys() | test_error_texts.ELSEWHERE
    known |= {"Interrupted", "EngineFailed"}  # values of other messages; made of Failures
    unknown = set()
    for place in (*ui_strings.ENGINE_ROOMS, *ui_strings.ENGINE_COMMANDS):
        path = ROOT / place
        for file in path.rglob("*.py") if path.is_dir() else [path]:
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                    texts = [text for value in node.exc.args for text in ui_strings._sentences(value)]
                    if texts and ui_strings._called(node.exc) not in known:
                        unknown.add(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert not unknown


def in_german(error: EngineError) -> list[str]:
    """Return the message and the hint of a job that failed so, as the panel's ``tr`` has them."""
    heard = decode_event(encode(Failed("1", error.code, error.message, error.hint)))
    assert isinstance(heard, Failed)
    words = table("de")
    return [
        as_message(text).said_in(lambda text: words.get(text, text)) for text in (heard.message, heard.hint)
    ]


def test_a_failed_job_is_told_in_german(tmp_path: Path) -> None:
    """Real errors of the engine, across the door: with a problem of its own, and with plain texts."""
    with pytest.raises(ModelNotAvailable) as missing:
        read_json(tmp_path / "config.json")
    assert in_german(missing.value) == [
        f"Die Datei {tmp_path / 'config.json'} des Modells wird abgelehnt: "
        "sie kann nicht gelesen werden (No such file or directory).",
        "Ein anderes Modell nehmen oder dieses noch einmal aus einer vertrauenswürdigen Quelle holen.",
    ]
    plain = refused(tmp_path, "it is no regular file", "Rename the file.")
    assert in_german(plain) == [
        f"Die Datei {tmp_path} des Modells wird abgelehnt: sie ist keine gewöhnliche Datei.",
        "Die Datei umbenennen.",
    ]


def test_the_reason_of_a_damaged_picture_is_german(tmp_path: Path) -> None:
    picture = tmp_path / "cut.png"
    picture.write_bytes(b"")
    with pytest.raises(DamagedPicture) as damaged:
        check_picture(picture)
    message = Message("The picture {path} is damaged ({reason}).", path="cut.png", reason=damaged.value)
    said, _ = in_german(EngineError(FailureCode.OUTPUT, message))
    assert said == "Das Bild cut.png ist beschädigt (es ist leer)."
