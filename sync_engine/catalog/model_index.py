# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ``model_index.json`` of a model's folder says, checked against its family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sync_engine.catalog import families
from sync_engine.catalog.families import Family
from sync_engine.common.errors import ModelNotAvailable
from sync_engine.interface.wording import Message

LIBRARIES = ("diffusers", "transformers")
"""Where the classes of parts are; a pipeline may name files of its own instead."""


@dataclass(frozen=True)
class Index:
    """What ``model_index.json`` says.

    Attributes:
        family: the family of its pipeline.
        pipeline: the pipeline's class.
        classes: the class of each part.
        flags: what else it says that is true or false.
    """

    family: Family
    pipeline: str
    classes: dict[str, str]
    flags: dict[str, bool]


def read(data: Any, name: str) -> Index:
    """Return what a parsed ``model_index.json`` says.

    Args:
        data: the parsed file.
        name: what to call the model in an error.

    Raises:
        ModelNotAvailable: another family, a part is missing or of a class that the family does not have.
    """
    try:
        pipeline = data["_class_name"]
        if not isinstance(pipeline, str):
            raise TypeError("_class_name is not a text")
        family = families.of_pipeline(pipeline)
        if family is None:
            raise ModelNotAvailable(
                Message(
                    "{name}: this engine does not know models of the family {pipeline}.",
                    name=name,
                    pipeline=pipeline,
                ),
                families.remedy(),
            )
        lacking = [part for part in family.parts if not isinstance(data.get(part, [None] * 2)[1], str)]
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise ModelNotAvailable(
            Message(
                "{name}: its model_index.json does not describe a model ({reason}).",
                name=name,
                reason=repr(error),
            ),
            "Fetch the model again.",
        ) from error
    if lacking:
        raise ModelNotAvailable(
            Message(
                "{name}: its model_index.json names no {lacking}, which a {pipeline} has.",
                name=name,
                lacking=", ".join(lacking),
                pipeline=pipeline,
            ),
            "Fetch the model again; a pipeline saved without some of its parts cannot be used.",
        )
    classes = {part: data[part][1] for part in family.parts}
    for part in family.parts:
        if data[part][0] not in LIBRARIES:
            raise ModelNotAvailable(
                Message(
                    "{name}: its part {part} is of {data}, and code that a model brings is not run.",
                    name=name,
                    part=part,
                    data=data[part][0],
                ),
                families.remedy(),
            )
    for part, allowed in family.parts.items():
        if classes[part] not in allowed:
            raise wrong_class(name, pipeline, part, classes[part])
    return Index(family, pipeline, classes, {key: v for key, v in data.items() if isinstance(v, bool)})


def wrong_class(name: str, pipeline: str, part: str, given: str) -> ModelNotAvailable:
    """Return the error for a part of a class that cannot be loaded."""
    return ModelNotAvailable(
        Message(
            "{name}: this engine cannot load {part} of class {given} in a {pipeline}.",
            name=name,
            part=part,
            given=given,
            pipeline=pipeline,
        ),
        families.remedy(),
    )
