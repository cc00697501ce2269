# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison of methods as JSON and as a markdown table with the aims beside the figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FIGURES = {
    "intra_lpips": "Intra-LPIPS (VGG)",
    "intra_lpips_alex": "Intra-LPIPS (alex)",
    "intra_style_mean": "Intra-Style-L, mean × 100",
    "intra_style_sum": "Intra-Style-L, sum × 100",
    "kid_vgg": "KID-VGG against held-out views × 100",
    "detail": "detail",
    "variety": "variety",
    "repetition": "repetition",
    "horizon_tilt": "horizon tilt, °, level land",
    "horizon_wander": "horizon wander, level land",
    "pole_zenith": "spokes at the zenith",
    "pole_nadir": "spokes at the nadir",
    "discontinuity": "discontinuity at the wrap",
    "discontinuity_inside": "discontinuity elsewhere",
}
SCALED = {"intra_style_mean": 100, "intra_style_sum": 100, "kid_vgg": 100}
AIMS = {"intra_lpips": 0.81, "intra_style_mean": 0.5, "intra_style_sum": 0.5}
"""Largest ratio of ``sync`` to ``multidiffusion``."""
TIME_AIM, SCENE_AIM, SKY_AIM, REALISM_AIM = 1.25, 0.85, 0.75, 3.0
QUESTIONS = {"scene": "scene family right", "time": "time right", "weather": "weather right"}


def write(out: Path, result: dict[str, Any]) -> None:
    """Write ``coherence.json`` and ``coherence.md``."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "coherence.json").write_text(json.dumps(result, indent=2, ensure_ascii=False))
    (out / "coherence.md").write_text(in_words(result), encoding="utf-8")


def in_words(result: dict[str, Any]) -> str:
    """Return the report as markdown."""
    lines = [
        f'Model `{result["model"]}`, {result["prompts"]} prompts from "{result["first_prompt"]}" on ×'
        f" {result['seeds']} seeds. Ratios are to"
        " `multidiffusion` on the same prompts and seeds: of the means for figures, the median of the pairs"
        " for times. ✓ and ✗ compare with the aim.",
        "",
    ]
    for kind, methods in result["kinds"].items():
        lines += [*_kind_table(kind, methods, result["real"]), ""]
        for method, about in methods.items():
            if method != "multidiffusion":
                worst = "; ".join(
                    f"{name} ({seed}) {ratio:.2f}" for ratio, name, seed in about["detail_lost"]
                )
                lines += [f"`{method}` lost most detail in: {worst}.", ""]
    return "\n".join(lines + _evaluator(result) + _realism(result))


def _kind_table(kind: str, methods: dict[str, Any], real: dict[str, Any] | None) -> list[str]:
    base, *others = methods
    head = [f"{kind}, {methods[base]['pictures']} a method", f"`{base}`"]
    for method in others:
        head += [f"`{method}`", "ratio"]
    lines = ["| " + " | ".join([*head, "held-out renders"]) + " |", "|---" * (len(head) + 1) + "|"]
    for figure, title in FIGURES.items():
        if figure not in methods[base]["figures"] and figure not in methods[base]:
            continue
        shown = (real or {}).get("figures", {}).get(figure)
        cells = [title, _number(_figure(methods[base], figure), figure)]
        for method in others:
            own, other = _figure(methods[method], figure), _figure(methods[base], figure)
            aim = AIMS.get(figure) if method == "sync" else None
            ratio = own / other if own is not None and other else None
            cells += [_number(own, figure), _against(ratio, aim)]
        lines.append("| " + " | ".join([*cells, _number(shown, figure)]) + " |")
    for question, title in QUESTIONS.items():
        if question in methods[base]["fidelity"]:
            cells = [title]
            for method in methods:
                cells += [f"{methods[method]['fidelity'][question]:.0%}", *([""] if method != base else [])]
            lines.append("| " + " | ".join([*cells, ""]) + " |")
    if "scene" in methods[base]["fidelity"]:
        cells = [f"asked scene ≥ {SCENE_AIM:.0%}, time and weather ≥ {SKY_AIM:.0%}"]
        for method in methods:
            cells += [_against_aims(methods[method]["fidelity"]), *([""] if method != base else [])]
        lines.append("| " + " | ".join([*cells, ""]) + " |")
    for name, title in (("wall", "seconds"), ("cpu", "processor seconds"), ("denoise", "denoising seconds")):
        cells = [title, f"{methods[base]['seconds'][name]:.1f}"]
        for method in others:
            aim = TIME_AIM if method == "sync" and name != "denoise" else None
            ratio = methods[method]["time_ratios"][name]
            cells += [f"{methods[method]['seconds'][name]:.1f}", _against(ratio, aim)]
        lines.append("| " + " | ".join([*cells, ""]) + " |")
    return lines


def _figure(about: dict[str, Any], name: str) -> float | None:
    return about["figures"].get(name, about.get(name))


def _number(value: float | None, figure: str) -> str:
    return "" if value is None else f"{value * SCALED.get(figure, 1):.3g}"


def _against(ratio: float | None, aim: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio:.2f}" if aim is None else f"{ratio:.2f} (≤ {aim}) {'✓' if ratio <= aim else '✗'}"


def _against_aims(share: dict[str, float]) -> str:
    """Return the shares of right answers; prompts that say no more than the place have none of the sky."""
    aims = {"scene": SCENE_AIM, "time_and_weather": SKY_AIM}
    asked = [name for name in aims if name in share]
    mark = "✓" if all(share[name] >= aims[name] for name in asked) else "✗"
    return ", ".join(f"{share[name]:.0%}" for name in asked) + f" {mark}"


def _evaluator(result: dict[str, Any]) -> list[str]:
    if not result["evaluator"]:
        return []
    about = result["evaluator"]
    shares = [
        f"{question} {figure['view']:.0%} of views, {figure['panorama']:.0%} of panoramas"
        for question, figure in about["held_out_accuracy"].items()
    ]
    return [
        f"The evaluator on {about['held_out_scenes']} held-out renders is right in: {'; '.join(shares)}.",
        "",
    ]


def _realism(result: dict[str, Any]) -> list[str]:
    about = result.get("realism")
    if not about:
        return []
    figures = about["kid_vgg"]
    lines = [
        f"| {about['views']} single views a set, KID-VGG × 100 against held-out views | mean | spread |",
        "|---|---|---|",
    ]
    lines += [
        f"| {name.replace('_', ' ')} | {100 * row['mean']:.3f} | {100 * row['spread']:.3f} |"
        for name, row in figures.items()
    ]
    ratio = about["generated_over_reconstructions"]
    mark = "✓" if ratio is not None and ratio <= REALISM_AIM else "✗"
    shown = "not defined (theirs is not above zero)" if ratio is None else f"{ratio:.1f}"
    return [
        *lines,
        "",
        f"Generated over reconstructions: {shown} (≤ {REALISM_AIM:g}) {mark}.",
        "",
    ]
