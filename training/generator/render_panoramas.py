# SPDX-License-Identifier: CC0-1.0
"""Render a procedural set of equirectangular HDR environments with Blender Cycles.

    python -m training.generator.render_panoramas --out DIR --count N     render 0..N-1, write the index
      --worker 0/2    one of two parallel workers
      --finish        write index.jsonl and counts only

Every panorama is a function of its number alone: number -> seed -> scene family, time
of day, weather, geometry, captions.  Finished files are skipped, so a run can be
stopped and resumed.  Needs Python 3.11 with bpy 4.5, numpy, numba and Pillow.

Conventions: the image centre looks along +X, up is +Z, the horizon is the middle row.
Azimuths run counter-clockwise from +X seen from above: column u = 0.5 - azimuth / 360.
"""

import argparse
import contextlib
import json
import logging
import math
import os
import time
from datetime import UTC, datetime

import bpy
import numpy as np
from PIL import Image

from training.generator import captions, scenes
from training.generator.family_common import even_weather
from training.generator.sky import F_mean
from training.generator.sky_fields import luminance
from training.generator.stage import AREA, H, W, render

SEED = 20260
log = logging.getLogger(__name__)
GAIN_STOPS = 20.0
RENDER_W, RENDER_H = 768, 384


def schedule(n):
    """Families interleaved in proportion to their weights (deterministic)."""
    names = list(scenes.FAMILIES)
    wt = np.array([scenes.FAMILIES[k][1] for k in names], float)
    wt /= wt.sum()
    got = np.zeros(len(names))
    out = []
    for i in range(n):
        k = int(np.argmax(wt * (i + 1) - got))
        got[k] += 1
        out.append(names[k])
    return out


def to_srgb(x):
    x = np.clip(x, 0, 1)
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * np.maximum(x, 1e-9) ** (1 / 2.4) - 0.055)


def to_linear(s):
    return np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)


def expose(hdr, key, night, sky_level):
    """Stops so that the bright parts sit near white and the average near mid-grey."""
    lum = np.maximum(luminance(hdr), 1e-7)
    w = AREA.ravel() / AREA.sum()
    order = np.argsort(lum.ravel())
    cum = np.cumsum(w[order])
    p90 = lum.ravel()[order[np.searchsorted(cum, 0.90)]]
    p50 = lum.ravel()[order[np.searchsorted(cum, 0.50)]]
    avg = math.exp(float((np.log(lum) * AREA).sum() / AREA.sum()))
    hi, mid = {0: (0.86, 0.24), 1: (0.20, 0.022), 2: (0.16, 0.040)}[night]
    s = min(hi / p90, 1.9 * mid / max(avg, p50 * 0.6))
    s = max(s, min(0.5 * mid / max(avg, 1e-6), 1.2 * hi / p90))
    if sky_level:  # never wash the sky out completely
        s = min(s, hi / sky_level)
    return math.log2(s * key)


def render_scaled(w, h):
    """Geometry is traced at a reduced size and enlarged; the sky stays at full size."""
    a = render(w, h)
    if (w, h) == (W, H):
        return a
    log = np.concatenate([np.log1p(np.maximum(a[..., :3], 0) * 8), a[..., 3:]], -1)
    pad = 8
    log = np.concatenate([log[:, -pad:], log, log[:, :pad]], 1)  # keep the wrap continuous
    pw = pad * W // w
    up = np.stack(
        [
            np.asarray(
                Image.fromarray(np.ascontiguousarray(log[..., k])).resize((W + 2 * pw, H), Image.BICUBIC)
            )
            for k in range(4)
        ],
        -1,
    )
    up = up[:, pw:-pw]
    return np.concatenate([np.maximum(np.expm1(up[..., :3]) / 8, 0), np.clip(up[..., 3:], 0, 1)], -1)


def measure(ldr, hdr):
    """Dominant colour names and brightness from the finished image."""
    small = np.asarray(Image.fromarray(ldr).resize((128, 64), Image.BOX)).astype(float) / 255
    a = np.sin((np.arange(64) + 0.5) / 64 * math.pi)[:, None].repeat(128, 1).ravel()
    p = small.reshape(-1, 3)
    mx, mn = p.max(1), p.min(1)
    c = mx - mn
    hue = np.zeros(len(p))
    r, g, b = p.T
    s = np.maximum(c, 1e-6)
    hue = np.where(mx == r, ((g - b) / s) % 6, np.where(mx == g, (b - r) / s + 2, (r - g) / s + 4)) * 60
    sat = c / np.maximum(mx, 1e-6)
    name = np.empty(len(p), object)
    edges = [
        (15, "red"),
        (40, "orange"),
        (68, "yellow"),
        (160, "green"),
        (195, "teal"),
        (255, "blue"),
        (290, "purple"),
        (340, "pink"),
        (361, "red"),
    ]
    for i in range(len(p)):
        if mx[i] < 0.10:
            name[i] = "black"
        elif sat[i] < 0.13:
            name[i] = "white" if mx[i] > 0.85 else ("grey" if mx[i] > 0.2 else "black")
        else:
            h = next(n for e, n in edges if hue[i] < e)
            if h in ("orange", "yellow") and mx[i] < 0.55:
                h = "brown"
            name[i] = h
    names, inv = np.unique(name.astype(str), return_inverse=True)
    share = np.bincount(inv, a) / a.sum()
    top = [str(names[k]) for k in np.argsort(-share) if share[k] > 0.08][:4]
    mean = float((luminance(small).ravel() * a).sum() / a.sum())
    return top, round(mean, 3)


def make(number, family, out, threads):
    seed = SEED + number * 7919
    rng = np.random.default_rng(seed)
    shot = scenes.FAMILIES[family][0](rng, threads)
    sky = shot.sky
    bg = (
        shot.background
        if shot.background is not None
        else (sky.full if sky is not None else np.zeros((H, W, 3), np.float32))
    )
    if shot.geometry:
        bpy.context.scene.cycles.samples = shot.samples
        rgba = render_scaled(RENDER_W, RENDER_H)
        alpha = np.clip(rgba[..., 3], 0, 1)
        hdr = rgba[..., :3] + bg * (1 - alpha)[..., None]
    else:
        alpha = np.zeros((H, W), np.float32)
        hdr = bg.copy()
    sun = None
    if sky is not None:
        hdr = hdr + sky.disc(alpha)
        sun = {
            "azimuth_deg": round(math.degrees(sky.az), 2),
            "elevation_deg": round(math.degrees(sky.el), 2),
            "visible": bool(sky.visible),
        }
    elif "sun_az" in shot.facts:
        sun = {
            "azimuth_deg": round(math.degrees(shot.facts.pop("sun_az")), 2),
            "elevation_deg": round(math.degrees(shot.facts.pop("sun_el")), 2),
            "visible": True,
        }
    hdr = np.maximum(hdr, 0).astype(np.float32)
    night = int((sky is not None and sky.night and family != "interior") or family == "space")
    if night and sky is not None and sky.weather in ("overcast", "foggy", "stormy") and family != "city":
        night = 2
    key = shot.key
    if sky is not None:
        key *= {"dusk": 0.6, "sunset": 0.9, "sunrise": 0.92}.get(sky.when, 1.0) * {
            "stormy": 0.75,
            "overcast": 0.92,
            "foggy": 0.95,
        }.get(sky.weather, 1.0)
    if family == "city" and sky.night:
        key *= 2.2
    level = float(luminance(F_mean(sky.full, 0.0, 0.8))) if sky is not None and family != "interior" else 0.0
    level *= (
        {"sunset": 1.7, "sunrise": 1.6, "dusk": 1.8, "golden hour": 1.15}.get(sky.when, 0.9)
        if sky is not None
        else 1.0
    )
    ev = round(expose(hdr, key, night, level), 4)
    lin = hdr * 2.0**ev
    ldr = (to_srgb(lin) * 255 + 0.5).astype(np.uint8)
    clip = np.clip(lin, 0, 1)

    def box(v):
        return v.reshape(H // 2, 2, W // 2, 2).mean((1, 3))

    hi, lo = box(lin.max(-1)), box(clip.max(-1))
    stops = np.clip(np.log2(np.maximum(hi, 1e-9) / np.maximum(lo, 1e-9)), 0, GAIN_STOPS)
    stops[hi < 1.0] = np.where(stops[hi < 1.0] > 0.05, stops[hi < 1.0], 0)
    gain = np.round(stops / GAIN_STOPS * 255).astype(np.uint8)
    ident = f"{number:04d}"
    Image.fromarray(gain, "L").save(os.path.join(out, "gain", ident + ".webp"), lossless=True, method=4)
    colours, bright = measure(ldr, hdr)
    rec = {
        "id": ident,
        "seed": seed,
        "scene": family,
        "time": sky.when if sky is not None else "none",
        "weather": sky.weather if sky is not None else "none",
        "cloud_cover": round(sky.cover, 3) if sky is not None else 0.0,
        "colours": colours,
        "mean_luma": bright,
        "snow": float(shot.facts.get("snow", 0.0)),
        "has_water": bool(shot.facts.get("has_water", False)),
        "has_sun": bool(sun and sun["visible"] and not (sky is not None and sky.night)),
        "has_moon": bool(sky is not None and sky.night and sky.visible),
        "sun": sun or {"azimuth_deg": 0.0, "elevation_deg": 0.0, "visible": False},
        "exposure_ev": ev,
        "peak_luminance": round(float(luminance(hdr).max()), 3),
    }
    facts = {k: v for k, v in shot.facts.items() if k not in rec}
    if sky is not None:
        facts.update({k: v for k, v in sky.facts.items() if k not in facts})
        if sky.weather == "foggy":
            facts["fog_distance"] = round(sky.fog_length)
    rec["details"] = {k: (round(v, 3) if isinstance(v, float) else v) for k, v in facts.items()}
    rec["captions"] = captions.write(rec, np.random.default_rng(seed + 1))
    tmp = os.path.join(out, "ldr", ident + f".{os.getpid()}.tmp")
    Image.fromarray(ldr).save(tmp, "WEBP", quality=88, method=4)
    with open(os.path.join(out, "meta", ident + ".json"), "w") as f:
        json.dump(rec, f, default=lambda o: o.item())
    os.replace(tmp, os.path.join(out, "ldr", ident + ".webp"))
    return rec


def finish(out):
    """Collect the per-image records, rewriting captions, into index.jsonl."""
    recs = []
    for name in sorted(os.listdir(os.path.join(out, "meta"))):
        ident = name[:-5]
        if os.path.exists(os.path.join(out, "ldr", ident + ".webp")) and os.path.exists(
            os.path.join(out, "gain", ident + ".webp")
        ):
            with open(os.path.join(out, "meta", name), encoding="utf-8") as file:
                rec = json.load(file)
            rec["captions"] = captions.write(rec, np.random.default_rng(rec["seed"] + 1))
            recs.append(rec)
    with open(os.path.join(out, "index.jsonl"), "w") as f:
        for r in recs:
            f.write(json.dumps(r) + "\n")
    words = {
        w
        for r in recs
        for c in r["captions"]
        for w in "".join(ch if ch.isalpha() or ch == "-" else " " for ch in c.lower()).split()
    }
    count = {}
    for r in recs:
        count[r["scene"]] = count.get(r["scene"], 0) + 1
    log.info("%d panoramas, %d distinct words, %s", len(recs), len(words), json.dumps(count))
    return recs


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", required=True)
    ap.add_argument("--count", type=int, default=1100)
    ap.add_argument("--start", type=int, default=0)
    ap.add_argument("--worker", default="0/1", help="K/M: render every M-th panorama starting at K")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--only", default="", help="comma-separated scene families")
    ap.add_argument("--even-weather", action="store_true", help="by day every weather equally often")
    ap.add_argument("--limit", type=int, default=10**9)
    ap.add_argument("--until", default="", help="stop at this UTC time, HH:MM")
    ap.add_argument("--finish", action="store_true")
    a = ap.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for d in ("ldr", "gain", "meta"):
        os.makedirs(os.path.join(a.out, d), exist_ok=True)
    if a.finish:
        finish(a.out)
        return
    k, m = map(int, a.worker.split("/"))
    only = set(filter(None, a.only.split(",")))
    done = 0
    for i, family in enumerate(schedule(a.count)):
        if (
            i < a.start
            or i % m != k
            or (only and family not in only)
            or os.path.exists(os.path.join(a.out, "ldr", f"{i:04d}.webp"))
        ):
            continue
        if done >= a.limit or (a.until and datetime.now(UTC).strftime("%H:%M") >= a.until):
            break
        t = time.time()
        try:
            with even_weather() if a.even_weather else contextlib.nullcontext():
                rec = make(i, family, a.out, a.threads)
        except (RuntimeError, ValueError, ArithmeticError, LookupError):
            log.exception("panorama %04d (%s) failed; going on with the next", i, family)
        else:
            log.info(
                "panorama %04d %s, %s, %s: %.1f s", i, family, rec["time"], rec["weather"], time.time() - t
            )
        done += 1
    if m == 1:
        finish(a.out)


if __name__ == "__main__":
    main()
