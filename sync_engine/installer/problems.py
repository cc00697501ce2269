# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong while the environment is built, in words: each with its remedy."""

from __future__ import annotations

import re

from ..interface.wording import Message, joined

SETTINGS = Message("Preferences → Syncscape")
NETWORK_HINT = Message(
    "Check the network, the proxy and the index address in {setting}, then press Resume.", setting=SETTINGS
)


class SetupFailed(RuntimeError):
    """The environment cannot be built, checked or removed.

    Attributes:
        message: what went wrong; a Message where it has values.
        remedy: what to do about it, likewise.
    """

    def __init__(self, message: str, remedy: str) -> None:
        self.message, self.remedy = message, remedy
        super().__init__(f"{message} {remedy}")


class SetupCancelled(RuntimeError):
    """Someone has pressed Cancel."""


SIGN_ITEMS: tuple[tuple[str, str, str], ...] = (
    (
        r"No space left|os error 28\b|os error 112\b|not enough space",
        "The disk is full.",
        "Free some space, then press Resume: what was downloaded is kept.",
    ),
    (
        r"Hash mismatch",
        "A downloaded package is not the one that this version of Syncscape was made with.",
        "A proxy or a mirror may have changed it. Try another index address, or a folder of wheels.",
    ),
    (
        r"invalid peer certificate|UnknownIssuer|certificate verify failed|self.signed certificate",
        "The server's certificate is not trusted by this system.",
        "Install your company's certificate in the system, or name a folder of wheels.",
    ),
    (
        r"\b407\b|Proxy Authentication Required|tunnel error|proxy",
        "The proxy does not let the download through.",
        Message(
            "Correct the proxy in {setting} (http://user:password@host:port), then press Resume.",
            setting=SETTINGS,
        ),
    ),
    (
        r"\b40[13]\b (?:Unauthorized|Forbidden)",
        "The package index refuses access.",
        Message(
            "Correct the index address in {setting}, with user and password if it needs them.",
            setting=SETTINGS,
        ),
    ),
    (
        r"no wheels? with a matching|no matching (?:Python ABI|platform) tag|no usable wheels",
        "There is no build of a package for this Python or system.",
        Message(
            "Name another Python for the environment in {setting}, or use your own environment.",
            setting=SETTINGS,
        ),
    ),
    (
        r"(?:not found|no version).{0,120}(?:provided package locations|--find-links)"
        r"|[Bb]ecause .{0,80} was not found",
        "A package is missing from the folder of wheels or the index.",
        "Fill the folder from the same lock file with pip download, or name another index.",
    ),
    (
        r"dns error|Name or service not known|failed to lookup|Could not connect|[Cc]onnection refused"
        r"|error sending request|timed? ?out|Failed to fetch|Failed to download|network is unreachable",
        "The packages cannot be downloaded: the server cannot be reached.",
        NETWORK_HINT,
    ),
    (
        r"Permission denied|os error 13\b|os error 5\b|Access is denied",
        "A file cannot be written or run.",
        "Close other Blenders, look whether a virus scanner holds the folder, then press Resume.",
    ),
    (
        r"No interpreter found|Failed to (?:query|inspect) Python|Querying Python at",
        "The Python that the environment is to be made from cannot be run.",
        Message(
            "Leave Base Python empty in {setting} to use Blender's own, or name another.", setting=SETTINGS
        ),
    ),
)


def explain(step: str, status: int, lines: list[str]) -> SetupFailed:
    """Return why a program failed.

    Args:
        step: what it was to do, in the words of ``states.STAGES``.
        status: its exit status, negative for a signal.
        lines: the last lines that it wrote.
    """
    text = " ".join(" ".join(lines).split())
    for pattern, message, remedy in SIGN_ITEMS:
        if re.search(pattern, text):
            return SetupFailed(joined(message, _quote(lines)), remedy)
    message = Message(
        "{step} failed: the program ended with status {status}.", step=Message(step), status=status
    )
    return SetupFailed(joined(message, _quote(lines)), "Press Resume to try again.")


def _quote(lines: list[str]) -> str:
    """Return the line that says most: the first that names an error, else the last."""
    spoken = [" ".join(line.split()) for line in lines if line.strip()]
    named = [line for line in spoken if re.match(r"(?i)error|×|cause", line)]
    line = (named or spoken[-1:] or [""])[0]
    return f"({line[:200]}{'…' if len(line) > 200 else ''})" if line else ""
