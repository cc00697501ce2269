# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks a tokenizer's files: its class, and that nothing in them can take time or memory without end.

Patterns are matched by backtracking: nested repetitions take exponential time on some text. Known patterns
of the families pass; others only where each alternative repeats one thing at most.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sync_engine.catalog import small_files
from sync_engine.catalog.small_files import TOKENIZER_BYTES, check_regular, read_json, refused
from sync_engine.interface.wording import Message

TEMPLATE_BYTES = 2**16
FILTERS = frozenset(
    {"capitalize", "default", "first", "items", "last", "length", "list", "lower", "safe", "string"}
    | {"map", "rejectattr", "selectattr", "tojson", "trim", "upper"}
)
"""What a chat template may use: nothing that makes much of little."""
GROWING = frozenset({"center", "expandtabs", "format", "join", "ljust", "replace", "rjust", "zfill"})
SAME = frozenset({"PreTrainedTokenizerFast", "TokenizersBackend"})
"""Two names of one class."""
MAX_ADDED = 20_000
MAX_PATTERN = 2000
MAX_GROWTH = 1000.0
"""How many times longer replacements may make a text, all in all."""
MAX_PADDING = 10_000
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
KNOWN = frozenset(
    {
        # Qwen 2 and 3
        CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        # GPT-2
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    }
)
_ATOM = re.compile(r"\\[pP]\{[^}]*\}|\\.|\[(?:\\.|[^\]\\])*\]|.", re.DOTALL)


def check(folder: Path, classes: tuple[str, ...]) -> None:
    """Check the files of a tokenizer's folder.

    Args:
        folder: the part's folder.
        classes: what its configuration may call itself.

    Raises:
        ModelNotAvailable: naming the file and why it is refused.
    """
    config = folder / "tokenizer_config.json"
    if config.is_file():
        data = read_json(config)
        named = data.get("tokenizer_class") if isinstance(data, dict) else None
        allowed = {*classes, *(SAME if SAME & set(classes) else ())}
        if named is not None and named not in allowed:
            raise refused(
                config,
                Message(
                    "its tokenizer_class is {named}, which is none of {classes}",
                    named=named,
                    classes=", ".join(classes),
                ),
            )
        _check_added(config, data.get("added_tokens_decoder"))
        for template in _templates(data.get("chat_template")):
            check_template(config, template)
    for path in sorted(folder.glob("*.jinja")):
        check_regular(path, TEMPLATE_BYTES)
        check_template(path, path.read_text(encoding="utf-8", errors="replace"))
    words = folder / "tokenizer.json"
    if words.is_file():
        _check_words(words, read_json(words, TOKENIZER_BYTES))


def _check_words(path: Path, data: Any) -> None:
    if not isinstance(data, dict):
        raise refused(path, "it is no JSON object")
    _check_added(path, data.get("added_tokens"))
    growth = 1.0
    for step in ("normalizer", "pre_tokenizer", "decoder", "padding"):
        for key, value in small_files.pairs(data.get(step)):
            if key == "Regex" and not is_harmless(str(value)):
                raise refused(
                    path,
                    Message(
                        "its pattern {value} could take time without end on some text",
                        value=repr(str(value)[:80]),
                    ),
                )
            if key == "Fixed" and isinstance(value, int) and value > MAX_PADDING:
                raise refused(path, Message("it fills every text up to {value} tokens", value=value))
        for _, rule in _rules(data.get(step)):
            growth *= _growth(rule)
    if growth > MAX_GROWTH:
        raise refused(
            path, Message("its replacements could make a text {growth:.3g} times longer", growth=growth)
        )


def _rules(data: Any) -> list[tuple[str, dict[str, Any]]]:
    found = [("", data)] if isinstance(data, dict) else []
    found += [("", item) for _, value in small_files.pairs(data) for item in _objects(value)]
    return [(key, rule) for key, rule in found if rule.get("type") == "Replace"]


def _objects(value: Any) -> list[dict[str, Any]]:
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, dict)]


def _growth(rule: dict[str, Any]) -> float:
    pattern = rule.get("pattern")
    text = next(iter(pattern.values()), "") if isinstance(pattern, dict) else ""
    literal = re.sub(r"\\b|[\\^$]", "", str(text)) if "Regex" in (pattern or {}) else str(text)
    least = max(1, sum(len(part) == 1 for part in _ATOM.findall(literal)))
    return max(1.0, len(str(rule.get("content", ""))) / least)


def _check_added(path: Path, added: Any) -> None:
    if isinstance(added, (list, dict)) and len(added) > MAX_ADDED:
        raise refused(path, Message("it adds {count} words", count=len(added)))


def is_harmless(pattern: str) -> bool:
    """Whether a pattern takes time in proportion to the text, or is one of the families' own."""
    if pattern in KNOWN:
        return True
    if len(pattern) > MAX_PATTERN:
        return False
    repeats = 0
    for atom in _ATOM.findall(pattern):
        if atom in "()" or re.fullmatch(r"\\[1-9kg]", atom):
            return False  # groups and references
        if atom == "|":
            repeats = 0
        repeats += atom in "*+?{"
        if repeats > 1:
            return False
    return True


def _templates(told: Any) -> list[str]:
    if isinstance(told, str):
        return [told]
    named = told if isinstance(told, list) else []
    return [str(item.get("template", "")) for item in named if isinstance(item, dict)]


def check_template(path: Path, template: str) -> None:
    """Check that a chat template cannot run or grow without end: no ranges, products, powers, macros."""
    from jinja2 import Environment, TemplateError, nodes

    if len(template) > TEMPLATE_BYTES:
        raise refused(path, Message("its chat template has {count} characters", count=len(template)))
    try:
        tree = Environment(extensions=["jinja2.ext.loopcontrols"]).parse(template)
    except (TemplateError, RecursionError) as error:
        raise refused(path, Message("its chat template cannot be read ({reason})", reason=error)) from error
    kinds: tuple[type[Any], ...] = (
        nodes.Mul,
        nodes.Pow,
        nodes.Mod,
        nodes.Macro,
        nodes.Import,
        nodes.Include,
        nodes.Extends,
    )
    kinds += (nodes.AssignBlock, nodes.FilterBlock, nodes.CallBlock)
    names = {name.name for name in tree.find_all(nodes.Name)} & {"range", "lipsum", "cycler"}
    found = sorted(names) or [type(node).__name__ for node in tree.find_all(kinds)]
    found += sorted({item.name for item in tree.find_all(nodes.Filter)} - FILTERS)
    found += sorted({item.attr for item in tree.find_all(nodes.Getattr)} & GROWING)
    assigned = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"}
    for item in tree.find_all(nodes.Assign):
        used = [name.name for name in item.node.find_all(nodes.Name) if name.name in assigned]
        found += used[1:]  # what is made of itself twice doubles each time
    loops = max((_loops(node) for node in tree.find_all(nodes.For)), default=0)
    if found or loops > 3:
        problem = (
            Message("uses {found}", found=found[0])
            if found
            else Message("has loops {loops} deep", loops=loops)
        )
        raise refused(
            path, Message("its chat template {problem}, with which it could run without end", problem=problem)
        )


def _loops(node: Any) -> int:
    from jinja2 import nodes

    inner = [child for child in node.find_all(nodes.For) if child is not node]
    return 1 + max((_loops(child) for child in inner), default=0)
