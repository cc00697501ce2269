"""Noise fields, clouds, stars, aurora and nebulae: the parts that are computed
directly per direction (numpy + numba), without any Blender dependency."""

import math

import numpy as np
from numba import njit

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def luminance(rgb):
    return rgb[..., 0] * LUMA[0] + rgb[..., 1] * LUMA[1] + rgb[..., 2] * LUMA[2]


def smoothstep(a, b, x):
    t = np.clip((x - a) / (b - a), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def directions(w, h):
    """Unit directions of an equirectangular image: centre = +X, up = +Z."""
    az = -((np.arange(w) + 0.5) / w - 0.5) * 2.0 * math.pi
    el = (0.5 - (np.arange(h) + 0.5) / h) * math.pi
    ce = np.cos(el)[:, None]
    d = np.stack([ce * np.cos(az)[None], ce * np.sin(az)[None], np.repeat(np.sin(el)[:, None], w, 1)], -1)
    return d.astype(np.float32)


def sun_vector(az, el):
    return np.array([math.cos(el) * math.cos(az), math.cos(el) * math.sin(az), math.sin(el)])


# ----------------------------------------------------------------- 2-D noise
_A = np.arange(64) * (2 * math.pi / 64)
GX, GY = np.cos(_A), np.sin(_A)


@njit(cache=True, inline="always")
def _hash(ix, iy, seed):
    h = (ix * 374761393 + iy * 668265263 + seed * 362437) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    return (h ^ (h >> 16)) & 0xFFFFFFFF


@njit(cache=True, fastmath=True)
def perlin(x, y, seed):
    fx, fy = math.floor(x), math.floor(y)
    ix, iy = int(fx), int(fy)
    x -= fx
    y -= fy
    u = x * x * x * (x * (x * 6 - 15) + 10)
    v = y * y * y * (y * (y * 6 - 15) + 10)
    a = _hash(ix, iy, seed) & 63
    b = _hash(ix + 1, iy, seed) & 63
    c = _hash(ix, iy + 1, seed) & 63
    d = _hash(ix + 1, iy + 1, seed) & 63
    n0 = GX[a] * x + GY[a] * y
    n1 = GX[b] * (x - 1) + GY[b] * y
    n2 = GX[c] * x + GY[c] * (y - 1)
    n3 = GX[d] * (x - 1) + GY[d] * (y - 1)
    return 1.5 * ((n0 + u * (n1 - n0)) + v * ((n2 + u * (n3 - n2)) - (n0 + u * (n1 - n0))))


@njit(cache=True, fastmath=True)
def _noise(x, y, out, seed, octaves, gain, kind):
    for i in range(x.size):
        px, py = x[i], y[i]
        amp, total, norm, w = 1.0, 0.0, 0.0, 1.0
        for o in range(octaves):
            n = perlin(px, py, seed + o * 131)
            if kind == 1:  # ridged multifractal
                n = 1.0 - abs(n)
                n = n * n
                t = n * w
                w = min(max(n * 1.6, 0.0), 1.0)
                n = t
            elif kind == 2:  # billow
                n = abs(n)
            total += amp * n
            norm += amp
            amp *= gain
            px, py = 1.616 * px - 1.212 * py + 17.3, 1.212 * px + 1.616 * py - 9.1
        out[i] = total / norm


def noise2(x, y, seed, octaves=6, gain=0.5, kind="fbm"):
    x = np.ascontiguousarray(x, np.float64)
    y = np.ascontiguousarray(y, np.float64)
    out = np.empty(x.size)
    _noise(x.ravel(), y.ravel(), out, int(seed), octaves, gain, {"fbm": 0, "ridged": 1, "billow": 2}[kind])
    return out.reshape(x.shape)


# ------------------------------------------------------ 3-D tileable textures
@njit(cache=True, inline="always")
def _hash3(x, y, z, seed):
    h = (x * 374761393 + y * 668265263 + z * 2147483647 + seed * 362437) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    return (h ^ (h >> 16)) & 0xFFFFFFFF


@njit(cache=True, inline="always")
def _grad3(h, x, y, z):
    h &= 15
    u = x if h < 8 else y
    v = y if h < 4 else (x if (h == 12 or h == 14) else z)
    return (u if (h & 1) == 0 else -u) + (v if (h & 2) == 0 else -v)


@njit(cache=True, fastmath=True)
def _tile_noise(n, f0, octaves, seed, worley):
    out = np.zeros((n, n, n), np.float32)
    for i in range(n):
        for j in range(n):
            for k in range(n):
                amp, total, norm = 1.0, 0.0, 0.0
                f = f0
                for o in range(octaves):
                    x, y, z = i * f / n, j * f / n, k * f / n
                    ix, iy, iz = int(x), int(y), int(z)
                    fx, fy, fz = x - ix, y - iy, z - iz
                    if worley:
                        best = 9.0
                        for a in range(-1, 2):
                            for b in range(-1, 2):
                                for c in range(-1, 2):
                                    h = _hash3((ix + a) % f, (iy + b) % f, (iz + c) % f, seed + o)
                                    dx = a + (h & 255) / 255.0 - fx
                                    dy = b + ((h >> 8) & 255) / 255.0 - fy
                                    dz = c + ((h >> 16) & 255) / 255.0 - fz
                                    best = min(best, dx * dx + dy * dy + dz * dz)
                        v = 1.0 - min(1.0, math.sqrt(best))
                    else:
                        u = fx * fx * fx * (fx * (fx * 6 - 15) + 10)
                        w = fy * fy * fy * (fy * (fy * 6 - 15) + 10)
                        t = fz * fz * fz * (fz * (fz * 6 - 15) + 10)
                        v = 0.0
                        for a in range(2):
                            for b in range(2):
                                for c in range(2):
                                    h = _hash3((ix + a) % f, (iy + b) % f, (iz + c) % f, seed + o)
                                    wt = (u if a else 1 - u) * (w if b else 1 - w) * (t if c else 1 - t)
                                    v += wt * _grad3(h, fx - a, fy - b, fz - c)
                        v = 0.5 + 0.5 * v
                    total += amp * v
                    norm += amp
                    amp *= 0.5
                    f *= 2
                out[i, j, k] = total / norm
    return out


_TEX = {}


def textures():
    """Cloud base shape (Perlin-Worley), erosion detail (Worley), plain Perlin fbm."""
    if not _TEX:
        p = _tile_noise(96, 4, 4, 11, False)
        w = _tile_noise(96, 4, 3, 23, True)
        p = np.clip((p - 0.25) / 0.5, 0, 1)
        base = np.clip(p - 0.55 * (1 - w) + 0.25, 0, 1)
        base = (base - base.min()) / (base.max() - base.min())
        xs = np.sort(base.ravel()[::7])  # equalised: coverage is a fraction
        base = np.interp(base, xs[::200], np.linspace(0, 1, xs[::200].size)).astype(np.float32)
        det = _tile_noise(64, 4, 3, 41, True)
        det = ((det - det.min()) / (det.max() - det.min())).astype(np.float32)
        _TEX["base"], _TEX["detail"] = base, det
        _TEX["perlin"] = np.clip((p - 0.5) * 1.25 + 0.5, 0, 1).astype(np.float32)
    return _TEX["base"], _TEX["detail"], _TEX["perlin"]


@njit(cache=True, fastmath=True)
def fetch(t, x, y, z):
    n = t.shape[0]
    x *= n
    y *= n
    z *= n
    fx, fy, fz = math.floor(x), math.floor(y), math.floor(z)
    ix, iy, iz = int(fx) % n, int(fy) % n, int(fz) % n
    x -= fx
    y -= fy
    z -= fz
    jx = ix + 1 if ix + 1 < n else 0
    jy = iy + 1 if iy + 1 < n else 0
    jz = iz + 1 if iz + 1 < n else 0
    a = t[ix, iy, iz] * (1 - z) + t[ix, iy, jz] * z
    b = t[ix, jy, iz] * (1 - z) + t[ix, jy, jz] * z
    c = t[jx, iy, iz] * (1 - z) + t[jx, iy, jz] * z
    d = t[jx, jy, iz] * (1 - z) + t[jx, jy, jz] * z
    return (a * (1 - y) + b * y) * (1 - x) + (c * (1 - y) + d * y) * x


# ------------------------------------------------------- volumetric clouds
@njit(cache=True, fastmath=True)
def _density(base, det, perl, px, py, pz, hf, cov, s, wx, wy, erode, far, flat):
    wmap = fetch(perl, px * s * 0.17 + wx, py * s * 0.17 + wy, 0.37)
    c = cov + (wmap - 0.5) * 0.55
    if c <= 0.02:
        return 0.0
    prof = min(1.0, hf * 7.0) * (1.0 - hf) ** flat
    n = fetch(base, px * s + wx, py * s + wy, pz * s * 1.2)
    d = n * (0.35 + 0.65 * prof) - (1.0 - c) - (1.0 - prof) * 0.25
    if d <= 0.0:
        return 0.0
    d = d * 3.0
    if erode > 0.0 and d < 1.0:
        e = fetch(det, px * s * 3.7, py * s * 3.7, pz * s * 3.7)
        d -= (1.0 - e) * erode * (1.0 - d) * far
    return min(max(d, 0.0), 1.0)


@njit(cache=True, fastmath=True)
def _march(
    dirs,
    base,
    det,
    perl,
    rgb,
    trans,
    depth,
    row0,
    row1,
    cam_h,
    h0,
    h1,
    R,
    cov,
    s,
    wx,
    wy,
    sigma,
    erode,
    flat,
    sun,
    e_sun,
    amb_t,
    amb_b,
    gf,
    steps,
    tmax,
):
    w = dirs.shape[1]
    step_l = (h1 - h0) * 0.16
    for r in range(row0, row1):
        for q in range(w):
            dx, dy, dz = dirs[r, q, 0], dirs[r, q, 1], dirs[r, q, 2]
            oz = R + cam_h
            b = oz * dz
            disc0 = b * b - (oz * oz - (R + h0) ** 2)
            disc1 = b * b - (oz * oz - (R + h1) ** 2)
            if disc1 <= 0:
                continue
            if cam_h < h0:
                ta = -b + math.sqrt(disc0)
                tb = -b + math.sqrt(disc1)
            else:  # camera above the layer
                if b >= 0:
                    continue
                ta = -b - math.sqrt(disc1)
                tb = -b - math.sqrt(disc0) if disc0 > 0 else -b + math.sqrt(disc1)
            if ta > tmax or ta < 0:
                continue
            tb = min(tb, ta + (h1 - h0) * 14.0)
            ns = int(steps * min(2.2, 0.55 + 0.45 * (tb - ta) / (h1 - h0)))
            dt = (tb - ta) / ns
            hsh = _hash(q, r, 77) / 4294967295.0
            t = ta + dt * hsh
            T = 1.0
            cr = cg = cb = 0.0
            dsum = wsum = 0.0
            mu = dx * sun[0] + dy * sun[1] + dz * sun[2]
            g = gf
            ph1 = (1 - g * g) / (1 + g * g - 2 * g * mu) ** 1.5
            ph2 = (1 - 0.04) / (1 + 0.04 - 0.4 * mu * -1.0) ** 1.5
            ph = min(0.45 * ph1 + 0.55 * ph2, 5.0)
            far = 1.0 / (1.0 + (ta * s * 0.05) ** 2)
            for _i in range(ns):
                px, py, pz = dx * t, dy * t, oz + dz * t
                alt = math.sqrt(px * px + py * py + pz * pz) - R
                hf = (alt - h0) / (h1 - h0)
                if hf > 0.0 and hf < 1.0:
                    d = _density(base, det, perl, px, py, alt, hf, cov, s, wx, wy, erode, far, flat)
                    if d > 0.003:
                        od = 0.0
                        sl = step_l * 0.35
                        lt = sl * 0.6
                        for _k in range(4):
                            lx, ly, lz = px + sun[0] * lt, py + sun[1] * lt, alt + sun[2] * lt
                            lh = (lz - h0) / (h1 - h0)
                            if lh <= 0.0 or lh >= 1.0:
                                break
                            od += sl * _density(
                                base, det, perl, lx, ly, lz, lh, cov, s, wx, wy, 0.0, 0.0, flat
                            )
                            sl *= 1.9
                            lt += sl
                        od *= sigma
                        ms = (
                            math.exp(-od) * ph * 0.6
                            + math.exp(-od * 0.3) * 0.35 * (0.7 + 0.3 * ph)
                            + math.exp(-od * 0.07) * 0.16
                        )
                        powder = 1.0 - 0.6 * math.exp(-d * 5.0)
                        ms *= powder * 0.22
                        a = 0.3 + 0.7 * hf
                        ext = math.exp(-d * sigma * dt)
                        k2 = T * (1 - ext)
                        cr += k2 * (e_sun[0] * ms + amb_t[0] * a + amb_b[0] * (1 - a))
                        cg += k2 * (e_sun[1] * ms + amb_t[1] * a + amb_b[1] * (1 - a))
                        cb += k2 * (e_sun[2] * ms + amb_t[2] * a + amb_b[2] * (1 - a))
                        dsum += k2 * t
                        wsum += k2
                        T *= ext
                        if T < 0.01:
                            T = 0.0
                            break
                t += dt
            rgb[r, q, 0], rgb[r, q, 1], rgb[r, q, 2] = cr, cg, cb
            trans[r, q] = T
            depth[r, q] = dsum / wsum if wsum > 0 else ta


def clouds(
    dirs,
    sun,
    e_sun,
    amb_top,
    amb_bottom,
    cover,
    rng,
    cam_h=0.0,
    base_h=900.0,
    thick=700.0,
    scale=5500.0,
    density=1.0,
    erode=0.55,
    flat=0.8,
    g=0.72,
    steps=26,
    radius=4.0e5,
    tmax=60000.0,
):
    """Premultiplied cloud radiance, transmittance and distance for every direction."""
    base, det, perl = textures()
    h, w = dirs.shape[:2]
    rgb = np.zeros((h, w, 3), np.float32)
    trans = np.ones((h, w), np.float32)
    depth = np.zeros((h, w), np.float32)
    rows = (0, h // 2 + 1) if cam_h < base_h else (0, h)
    _march(
        dirs,
        base,
        det,
        perl,
        rgb,
        trans,
        depth,
        rows[0],
        rows[1],
        float(cam_h),
        base_h,
        base_h + thick,
        radius,
        float(cover),
        1.0 / scale,
        rng.uniform(),
        rng.uniform(),
        0.02 * density,
        erode,
        flat,
        np.asarray(sun, np.float64),
        np.asarray(e_sun, np.float64),
        np.asarray(amb_top, np.float64),
        np.asarray(amb_bottom, np.float64),
        g,
        steps,
        tmax,
    )
    return denoise(rgb), denoise(trans), depth


def denoise(a):
    """Small horizontal-wrapping binomial blur that hides the jitter of the march."""
    b = 0.5 * a + 0.25 * (np.roll(a, 1, 1) + np.roll(a, -1, 1))
    c = b.copy()
    c[1:-1] = 0.5 * b[1:-1] + 0.25 * (b[2:] + b[:-2])
    return c


def layer(dirs, rng, height=1.0, scale=1.0, octaves=7, gain=0.52, stretch=1.0, warp=0.6):
    """fbm in [0,1] on a plane above the viewer, shrinking toward the horizon."""
    z = np.maximum(dirs[..., 2], 0.0)
    t = height / (z + 0.06)
    a = rng.uniform(0, math.pi)
    x = (dirs[..., 0] * math.cos(a) + dirs[..., 1] * math.sin(a)) * t * scale
    y = (-dirs[..., 0] * math.sin(a) + dirs[..., 1] * math.cos(a)) * t * scale / stretch
    sd = int(rng.integers(1 << 20))
    wx = noise2(x * 0.7, y * 0.7, sd, 4)
    wy = noise2(x * 0.7 + 40, y * 0.7, sd + 7, 4)
    n = noise2(x + warp * wx, y + warp * wy, sd + 13, octaves, gain)
    return np.clip(0.5 + 0.85 * n, 0, 1).astype(np.float32)


# ---------------------------------------------------------------- night sky
def splat(img, x, y, rgb, sigma):
    """Add gaussian dots at float pixel positions, widened toward the poles."""
    h, w = img.shape[:2]
    for xi, yi, c, s in zip(x, y, rgb, sigma, strict=False):
        st = 1.0 / max(0.08, math.sin(math.pi * (yi + 0.5) / h))
        rx, ry = math.ceil(3 * s * st), math.ceil(3 * s)
        xs = np.arange(int(xi) - rx, int(xi) + rx + 1)
        ys = np.arange(max(0, int(yi) - ry), min(h, int(yi) + ry + 1))
        if rx * 2 + 1 >= w or ys.size == 0:
            continue
        g = np.exp(-0.5 * (((xs - xi) / (s * st)) ** 2)[None] - 0.5 * (((ys - yi) / s) ** 2)[:, None])
        img[np.ix_(ys, xs % w)] += g[..., None] * c


def stars(w, h, rng, count=2600, brightness=1.0, band=None):
    """Random stars with a power-law of magnitudes and black-body-like tints."""
    img = np.zeros((h, w, 3), np.float32)
    v = rng.normal(size=(count * 2, 3))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    if band is not None:  # denser along the galactic band
        keep = rng.uniform(size=len(v)) < 0.35 + 0.65 * np.exp(-(((v @ band) / 0.25) ** 2))
        v = v[keep]
    v = v[:count]
    mag = np.minimum(rng.pareto(1.1, len(v)) + 0.12, 45.0)
    t = rng.uniform(size=len(v))[:, None]
    tint = np.where(
        t < 0.5,
        np.array([[0.72, 0.83, 1.0]]),
        np.where(t < 0.8, np.array([[1.0, 0.97, 0.92]]), np.array([[1.0, 0.78, 0.55]])),
    )
    x = (0.5 - np.arctan2(v[:, 1], v[:, 0]) / (2 * math.pi)) * w - 0.5
    y = (0.5 - np.arcsin(np.clip(v[:, 2], -1, 1)) / math.pi) * h - 0.5
    sig = 0.40 + 0.07 * np.minimum(np.log1p(mag), 3.5)
    splat(img, x, y, (tint * mag[:, None] * brightness).astype(np.float32), sig)
    return img


@njit(cache=True, fastmath=True)
def _sphere_fbm(dirs, t, s, ox, oy, oz, octaves, gain, warp, ridged, out):
    for r in range(dirs.shape[0]):
        for q in range(dirs.shape[1]):
            x, y, z = dirs[r, q, 0] * s + ox, dirs[r, q, 1] * s + oy, dirs[r, q, 2] * s + oz
            if warp > 0:
                a = fetch(t, x * 0.8 + 0.3, y * 0.8, z * 0.8) - 0.5
                b = fetch(t, x * 0.8, y * 0.8 + 0.7, z * 0.8) - 0.5
                c = fetch(t, x * 0.8, y * 0.8, z * 0.8 + 0.1) - 0.5
                x += warp * a
                y += warp * b
                z += warp * c
            amp, tot, nrm = 1.0, 0.0, 0.0
            for _o in range(octaves):
                v = fetch(t, x, y, z)
                if ridged:
                    v = 1.0 - abs(2.0 * v - 1.0)
                tot += amp * v
                nrm += amp
                amp *= gain
                x, y, z = 2.03 * y + 0.31, 2.03 * z + 0.77, 2.03 * x + 0.13
            out[r, q] = tot / nrm


def sphere_fbm(dirs, rng, scale=0.5, octaves=4, gain=0.5, warp=0.3, ridged=False):
    out = np.empty(dirs.shape[:2], np.float32)
    o = rng.uniform(0, 1, 3)
    _sphere_fbm(dirs, textures()[2], scale, o[0], o[1], o[2], octaves, gain, warp, ridged, out)
    return out


def milky_way(dirs, rng, strength=1.0):
    axis = rng.normal(size=3) * np.array([0.8, 0.8, 1.1])
    axis /= np.linalg.norm(axis)
    d = dirs @ axis.astype(np.float32)
    n = sphere_fbm(dirs, rng, 0.6, 4, 0.6, 0.4)
    dust = sphere_fbm(dirs, rng, 0.5, 5, 0.62, 0.5, True)
    core = rng.normal(size=3)
    core -= axis * (core @ axis)
    core /= np.linalg.norm(core)
    bulge = np.clip(dirs @ core.astype(np.float32), 0, 1) ** 2
    width = 0.14 + 0.12 * bulge
    band = np.exp(-((d / width) ** 2)) * (0.35 + 0.9 * bulge) * (0.3 + 1.4 * n)
    lane = np.exp(-(((d + 0.05 * (n - 0.5)) / (0.4 * width)) ** 2)) * smoothstep(0.42, 0.72, dust)
    band = band * (1 - 0.85 * lane)
    warm = bulge[..., None]
    col = (1 - warm) * np.array([0.55, 0.68, 1.0]) + warm * np.array([1.0, 0.8, 0.62])
    return (band[..., None] * col * strength).astype(np.float32), axis


def aurora(dirs, rng, palette, strength=1.0):
    """Curtains: zero-contours of a warped noise, extruded upward in thin slices."""
    out = np.zeros(dirs.shape, np.float32)
    h = dirs.shape[0] // 2
    d = dirs[:h]
    sd = int(rng.integers(1 << 20))
    off = rng.uniform(-50, 50, 2)
    ang = rng.uniform(0, math.pi)
    ca, sa = math.cos(ang), math.sin(ang)
    low, high = np.array(palette[0]), np.array(palette[1])
    n_sl = 26
    scale = rng.uniform(0.55, 0.9)
    for i in range(n_sl):
        f = i / (n_sl - 1)
        t = (1.0 + 1.5 * f) / (d[..., 2] + 0.09)
        x = (d[..., 0] * ca + d[..., 1] * sa) * t * 0.42
        y = (-d[..., 0] * sa + d[..., 1] * ca) * t
        x, y = x * scale + off[0], y * scale + off[1]
        wx = noise2(x * 0.35, y * 0.35, sd, 2)
        n = noise2(x * 0.5 + 1.4 * wx, y * 0.5 - 1.4 * wx, sd + 3, 2)
        line = np.exp(-((np.abs(n) / 0.045) ** 1.2))
        rays = 0.55 + 0.9 * noise2(x * 5.0, y * 5.0, sd + 9, 2)
        patch = smoothstep(-0.25, 0.35, noise2(x * 0.21, y * 0.21, sd + 21, 2))
        fade = (1 - f) ** 1.3 * min(1.0, 0.35 + f * 9)
        k = line * np.clip(rays, 0, 2) * patch * fade
        c = low * (1 - f) ** 1.1 + high * f
        out[:h] += (k[..., None] * c).astype(np.float32)
    out[:h] *= smoothstep(0.0, 0.16, d[..., 2])[..., None]
    return out * (strength * 3.2 / n_sl)


def nebula(dirs, rng, colours, dust=0.6):
    """Layered emission clouds on the sphere with dark dust lanes."""
    out = np.zeros(dirs.shape, np.float32)
    for c in colours:
        n = sphere_fbm(dirs, rng, rng.uniform(0.09, 0.17), 6, 0.55, rng.uniform(0.12, 0.4))
        r = sphere_fbm(dirs, rng, rng.uniform(0.15, 0.3), 6, 0.6, 0.4, True)
        m = smoothstep(0.47, 0.80, n)
        v = m**1.5 * (0.35 + 1.5 * smoothstep(0.45, 0.9, r)) + 2.2 * m**5
        out += (v[..., None] * np.asarray(c)).astype(np.float32)
    lanes = sphere_fbm(dirs, rng, 0.35, 6, 0.6, 0.7, True)
    out *= (1 - dust * smoothstep(0.5, 0.8, lanes))[..., None]
    return out
