# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a model that somebody's file names may be fetched: not before the user has agreed.

A picture, a ``spec.json`` or a scene can name any repository of the hub. What the user typed is agreed to;
what a file says is a question, with the model's name, size and licence.
"""

from __future__ import annotations

import sys

from sync_engine.catalog import control_nets, models
from sync_engine.catalog.models import Model
from sync_engine.common.errors import NotAgreed
from sync_engine.downloads import store
from sync_engine.interface.wording import Message

ANSWERS = ("y", "yes", "j", "ja")


def to_fetch(name: str, control: bool = False) -> Model | None:
    """Return what a job with this model, or ControlNet, would fetch; None where nothing would be.

    Raises ModelNotAvailable for a name that is none.
    """
    model = control_nets.find(name).model if control else models.find(name)
    return model if model.on_hub and store.installed(model) is None else None


def in_words(model: Model) -> Message:
    """Return what is to be agreed to."""
    size = f"{model.download_gb:.1f} GB" if model.download_gb else Message("a download of unknown size")
    place = model.source if model.name == model.source else f"{model.name} ({model.source})"
    return Message("{place}, {size}, licence: {licence}", place=place, size=size, licence=model.licence)


def check_named_by_file(name: str, agreed: bool, can_ask: bool, control: bool = False) -> None:
    """For a model that a file named: ask on the terminal, or refuse what would be fetched.

    Args:
        name: the model.
        agreed: whether the user has said yes already.
        can_ask: whether there is a terminal to ask on.
        control: whether it is a ControlNet.

    Raises:
        NotAgreed: the user did not agree.
    """
    model = None if agreed else to_fetch(name, control)
    if model is None:
        return
    if can_ask:
        sys.stderr.write(f"The file names a model that is not here: {in_words(model)}. Fetch it? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() in ANSWERS:
            return
    raise _not_agreed(model)


def _not_agreed(model: Model) -> NotAgreed:
    return NotAgreed(
        Message(
            "model = {name} is not here and is fetched only after you agree: {about}.",
            name=repr(model.name),
            about=in_words(model),
        ),
        Message(
            "Look at its page, then agree: in the panel, with --yes on the command line, "
            "or python -m sync_engine models download {name}.",
            name=model.name,
        ),
    )
