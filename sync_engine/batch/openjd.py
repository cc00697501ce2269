# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch as a job bundle of Open Job Description (jobtemplate-2023-09), for farms that run such jobs.

Specification: https://github.com/OpenJobDescription/openjd-specifications/wiki; chunks are its extension
TASK_CHUNKING.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from sync_engine.batch.jobs_file import JobsFileError
from sync_engine.batch.plan import Plan
from sync_engine.interface.wording import Message

TEMPLATE, PLAN = "template.json", "plan.jsonl"
PARAMETERS, PARAMETER_VALUES = "parameters.json", "parameter_values.json"
"""Values of the parameters, as ``openjd run --job-param file://…`` and as AWS Deadline Cloud read them."""
CHUNK, CHUNK_S = 16, 900
"""Jobs in a first chunk, and the seconds that a farm should aim at for the later ones."""
_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9})(?::(\d{1,9}))?)?")


def write_bundle(folder: Path, plan: Plan, out: Path) -> Path:
    """Write the bundle of a plan whose results go to ``out``; return the template's path.

    The bundle holds the template, the plan, and the values of the template's parameters for this machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(plan.path, folder / PLAN)
    values = {
        "Python": sys.executable,
        "Engine": str(Path(__file__).parents[2]),
        "Plan": str((folder / PLAN).absolute()),
        "Out": str(out.absolute()),
    }
    listed = {"parameterValues": [{"name": name, "value": value} for name, value in values.items()]}
    for name, data in ((TEMPLATE, template(plan)), (PARAMETERS, values), (PARAMETER_VALUES, listed)):
        (folder / name).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    return folder / TEMPLATE


def template(plan: Plan) -> dict[str, Any]:
    """Return the job template: one step, its jobs in chunks, an environment that keeps the engine loaded.

    Its parameters say where things are on the farm's machines: the engine's Python, the folder with the
    package ``sync_engine``, the plan, and the folder of the results, which all machines share.
    """
    session = "{{Session.WorkingDirectory}}"
    task = ["batch", "--plan", "{{Param.Plan}}", "--out", "{{Param.Out}}"]
    task += ["--numbers", "{{Task.Param.Job}}", "--session", session]
    start, stop = (["batch-session", action, session] for action in ("start", "stop"))
    chunks = {
        "defaultTaskCount": "{{Param.ChunkSize}}",
        "targetRuntimeSeconds": CHUNK_S,
        "rangeConstraint": "CONTIGUOUS",
    }
    job = {"name": "Job", "type": "CHUNK[INT]", "range": f"0-{len(plan) - 1}", "chunks": chunks}
    engine = {
        "name": "Engine",
        "description": "Keeps the engine and its model loaded between the chunks of a session.",
        "variables": {"PYTHONPATH": "{{Param.Engine}}"},
        "script": {"actions": {"onEnter": _action(start), "onExit": _action(stop)}},
    }
    step = {
        "name": "Generate",
        "parameterSpace": {"taskParameterDefinitions": [job]},
        "stepEnvironments": [engine],
        "script": {"actions": {"onRun": _action(task)}},
    }
    return {
        "specificationVersion": "jobtemplate-2023-09",
        "extensions": ["TASK_CHUNKING"],
        "name": f"Syncscape: {len(plan)} environments",
        "parameterDefinitions": [
            {"name": "Python", "type": "STRING", "default": "python3"},
            {"name": "Engine", "type": "PATH", "objectType": "DIRECTORY", "dataFlow": "NONE"},
            {"name": "Plan", "type": "PATH", "objectType": "FILE", "dataFlow": "IN", "default": PLAN},
            {"name": "Out", "type": "PATH", "objectType": "DIRECTORY", "dataFlow": "INOUT"},
            {"name": "ChunkSize", "type": "INT", "default": CHUNK, "minValue": 1},
        ],
        "steps": [step],
    }


def _action(arguments: list[str]) -> dict[str, Any]:
    return {"command": "{{Param.Python}}", "args": ["-m", "sync_engine", *arguments]}


def numbers_of(text: str) -> list[int]:
    """Return the whole numbers that a range expression names, such as ``0-15`` or ``0-8:2,11``."""
    numbers: list[int] = []
    for part in text.split(","):
        found = _RANGE.fullmatch(part.strip())
        if found is None or found[3] == "0":
            raise JobsFileError(
                Message("numbers = {text}: not a range.", text=repr(text)), "Use a range such as 0-15."
            )
        first = int(found[1])
        numbers += range(first, int(found[2] or first) + 1, int(found[3] or 1))
    return numbers
