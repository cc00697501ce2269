# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of metrics: name, meaning, what each needs, and how to build it."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sync_engine.common.errors import EngineError
from sync_engine.interface.messages import FailureCode
from sync_engine.interface.wording import Message


@dataclass(frozen=True)
class Needs:
    """What metrics are built with: the device's name, the reference's folder and the CLIP model."""

    device: str = "auto"
    reference: Path | None = None
    clip: str | None = None


@dataclass(frozen=True)
class Row:
    """A row of the table; ``alone`` is false for what needs a prompt or a reference."""

    about: str
    build: Callable
    alone: bool = True


def _intra_lpips(net: str = "vgg", squares: bool = False) -> Callable:
    def build(device, needs: Needs):
        from sync_engine.evaluation.intra_lpips import IntraLpips

        return IntraLpips(device, net, squares)

    return build


def _intra_style(device, needs: Needs):
    from sync_engine.evaluation.intra_style import IntraStyle

    return IntraStyle(device)


def _discontinuity(device, needs: Needs):
    from sync_engine.evaluation.discontinuity import Discontinuity

    return Discontinuity()


def _horizon(device, needs: Needs):
    from sync_engine.evaluation.horizon import Horizon

    return Horizon()


def _poles(device, needs: Needs):
    from sync_engine.evaluation.poles import Poles

    return Poles()


def _detail(device, needs: Needs):
    from sync_engine.evaluation.detail import Detail

    return Detail()


def _repetition(device, needs: Needs):
    from sync_engine.evaluation.repetition import Repetition

    return Repetition()


def _weave(device, needs: Needs):
    from sync_engine.evaluation.weave import Weave

    return Weave()


def _clip(device, needs: Needs):
    from sync_engine.evaluation.clip_score import ClipScore

    return ClipScore(device, needs.clip) if needs.clip else ClipScore(device)


def _kid(features: str) -> Callable:
    def build(device, needs: Needs):
        from sync_engine.evaluation.kid import Kid

        return Kid(device, features, needs.reference)

    return build


def _fid(device, needs: Needs):
    from sync_engine.evaluation.fid import Fid

    return Fid(device, needs.reference)


def _giqa(device, needs: Needs):
    from sync_engine.evaluation.giqa import Giqa

    return Giqa(device, needs.reference)


TABLE: dict[str, Row] = {
    "intra-lpips": Row("LPIPS-VGG between the parts of a picture", _intra_lpips()),
    "intra-lpips-alex": Row("the same with LPIPS-alex", _intra_lpips("alex")),
    "intra-lpips-squares": Row("the same on equirectangular squares", _intra_lpips("vgg", True)),
    "intra-style": Row("style loss between the parts, sum and mean", _intra_style),
    "discontinuity": Row("seam at the wrap of a world", _discontinuity),
    "horizon": Row("tilt and wander of the horizon", _horizon),
    "poles": Row("rays or rings around the zenith and the nadir", _poles),
    "detail": Row("gradient energy, and variety of the parts", _detail),
    "repetition": Row("strongest sideways self-correlation", _repetition),
    "weave": Row("power at the periods of the decoder's grid", _weave),
    "clip": Row("CLIP score against the prompt", _clip, alone=False),
    "kid-vgg": Row("kernel distance to --reference, VGG features", _kid("vgg"), alone=False),
    "kid": Row("kernel distance to --reference, Inception features", _kid("inception"), alone=False),
    "fid": Row("Fréchet distance to --reference, Inception features", _fid, alone=False),
    "giqa": Row("nearness to --reference, Inception features", _giqa, alone=False),
}


def build(names: list[str], needs: Needs) -> dict:
    """Build metrics by name; raise EngineError for an unknown name or what is missing."""
    from sync_engine.common.device import choose_device

    for name in names:
        if name not in TABLE:
            near = difflib.get_close_matches(name, TABLE, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"Use some of {', '.join(TABLE)}."
            raise EngineError(
                FailureCode.BAD_SPEC, Message("metrics = {name}: no such metric.", name=repr(name)), hint
            )
    device = choose_device(needs.device)
    return {name: TABLE[name].build(device, needs) for name in dict.fromkeys(names)}


def build_possible(needs: Needs) -> tuple[dict, dict[str, str]]:
    """Build what needs neither prompt nor reference; return it, and why each of the rest is left out."""
    built, missing = {}, {}
    for name, row in TABLE.items():
        if not row.alone:
            continue
        try:
            built |= build([name], needs)
        except EngineError as error:
            missing[name] = str(error)
    return built, missing
