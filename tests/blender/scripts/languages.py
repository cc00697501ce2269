# SPDX-License-Identifier: GPL-3.0-or-later
"""German and Chinese: texts with values, errors of the other process, and what has no translation.

The bpy module comes without Blender's own languages, so the tables stand in for Blender's look-up here;
labels and tooltips are looked at in a window (tests/ui).
"""

import bpy
import harness

harness.install()
words = harness.module("translations")
parts = harness.module("panels.parts")
jobs = harness.module("sync_engine.host.jobs")
diagnosis = harness.module("sync_engine.host.diagnosis")
messages = harness.module("sync_engine.interface.messages")
spec = harness.module("sync_engine.interface.spec")
Message = harness.module("sync_engine.interface.wording").Message
link_module = harness.module("engine.link")
bpy.context.preferences.view.use_translate_interface = True


def over_the_door(problem: Exception) -> jobs.Failure:
    """Return what Blender's side hears of an error of the engine."""
    told = messages.Failed("id", "bad_spec", problem.message, problem.remedy)
    event = messages.decode_event(messages.encode(told))
    return jobs.Failure(event.code, event.message, event.hint)


def seen(table: dict[str, str]) -> dict[str, str]:
    """Return what the user sees of a few texts of each kind."""
    words.look_up = lambda text: table.get(text, text)
    try:
        spec.EnvironmentSpec("x", width=1000).validated()
    except spec.SpecError as error:
        size = words.in_words(link_module.explain(error))
        told = words.in_words(over_the_door(error))
    job = jobs.Job(None, "id", spec.EnvironmentSpec("x"))
    job.stage, job.step, job.steps, job.eta_s = "denoise", 3, 16, 90.0
    missing = "The engine's Python {python} does not exist."
    return {
        "job": parts.job_text(job),
        "died": words.in_words(diagnosis.explain_death(-9, ["a.b failed."])),
        "missing": words.tr(Message(missing, python="/opt/a b/python")),
        "size": size,
        "told": told,
        "own": words.tr("Nobody translates {this}. Nor that."),
    }


english = seen({})
assert english["job"] == "Denoising 3/16, 1:30 min left"
assert english["missing"] == "The engine's Python /opt/a b/python does not exist."
german = seen(harness.module("translations.de").TABLE)
for name, text in {
    "job": "Entrauschen 3/16, noch 1:30 min",
    "died": "Die Engine endete unerwartet, beendet durch Signal 9 (SIGKILL). Ihre letzten Worte: a.b failed.",
    "missing": "Das Python der Engine /opt/a b/python gibt es nicht.",
    "size": "width = 1000: kein Vielfaches von 128. Am nächsten liegt 1024.",
    "told": "width = 1000: kein Vielfaches von 128. Am nächsten liegt 1024.",
    "own": "Nobody translates {this}. Nor that.",
}.items():
    assert text in german[name], f"{name}: {german[name]}"
chinese = seen(harness.module("translations.zh_hans").TABLE)
for name, text in {
    "job": "去噪 3/16, 剩余 1:30 min",
    "missing": "引擎的 Python /opt/a b/python 不存在。",
    "size": "width = 1000: 不是 128 的倍数",
    "told": "width = 1000: 不是 128 的倍数",
}.items():
    assert text in chinese[name], f"{name}: {chinese[name]}"
harness.leave()
