# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens, passwords and signatures in any text: found by their form and taken out."""

from __future__ import annotations

import re

_VALUE = r"[^\s\"'&,;<>)\]}]{4,}"
_SECRET_NAME = (
    r"[\w-]*(?:TOKEN(?!IZ|S\b)|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_?KEY(?:_ID)?|CREDENTIALS?|PRIVATE_?KEY)"
    r"[\w-]*"
)
_RULES = (
    # by their beginning: Hugging Face, OpenAI, GitHub, GitLab, Slack, Amazon
    (r"\b(?:hf|sk|glpat|xox[abprs]|gh[opusr]|github_pat)[_-][\w-]{8,}", "<token>"),
    (r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}", "<token>"),
    (r"(?i)\b(Bearer|Basic)\s+[\w.~+/=-]{6,}", r"\1 <token>"),
    # in an address: what signs it, and who logs in with it
    (
        r"(?i)([?&](?:[\w-]*token|sig|signature|key|api_?key|x-amz-[\w-]+|policy|key-pair-id|auth\w*)=)[^&\s\"'<>)]+",
        r"\1<token>",
    ),
    (r"(?<=://)[^\s/@:\"'<>]*:[^\s\"'<>]*@(?=[\w\[])", "<login>@"),
    (r"(?<=://)[^/\s@]+@", "<login>@"),
    # NAME=value, "name": "value", name: value
    (rf"(?i)\b({_SECRET_NAME}[\"']?\s*[=:]\s*[\"']?){_VALUE}", r"\1<token>"),
)
_COMPILED = [(re.compile(pattern), word) for pattern, word in _RULES]


def without_secrets(text: str) -> str:
    """Return a text without what lets somebody in: tokens, passwords, signed addresses."""
    for pattern, word in _COMPILED:
        text = pattern.sub(word, text)
    return text
