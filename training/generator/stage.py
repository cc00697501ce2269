# SPDX-License-Identifier: CC0-1.0
"""The Blender stage: reset, render, meshes, lights and instances."""

import math
import os

import bpy
import numpy as np

from training.generator.sky_fields import directions

W, H = 1024, 512


TMP = "/dev/shm" if os.path.isdir("/dev/shm") else os.environ.get("TMPDIR", "/tmp")


DIRS = directions(W, H)


DIRS_S = directions(W // 2, H // 2)


AREA = np.sqrt(np.maximum(0.0, 1.0 - DIRS[..., 2] ** 2))


# =============================================================== Blender helpers
def reset(samples, threads):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    TALLEST[0] = 0.0
    s = bpy.context.scene
    s.render.engine = "CYCLES"
    s.cycles.device = "CPU"
    s.cycles.samples = samples
    s.cycles.use_adaptive_sampling = False
    s.cycles.pixel_filter_type = "BLACKMAN_HARRIS"
    s.cycles.filter_width = 1.2
    s.cycles.max_bounces = 1  # outdoors: sun and sky directly, one mirror bounce
    s.cycles.diffuse_bounces = 0
    s.cycles.glossy_bounces = 1
    s.cycles.transparent_max_bounces = 4
    s.cycles.caustics_reflective = False
    s.cycles.caustics_refractive = False
    s.cycles.sample_clamp_indirect = 6.0
    s.cycles.use_denoising = True
    s.cycles.denoiser = "OPENIMAGEDENOISE"
    s.cycles.denoising_quality = "FAST"
    s.cycles.denoising_prefilter = "NONE"
    s.cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
    s.render.film_transparent = True
    s.render.threads_mode = "FIXED"
    s.render.threads = threads
    s.render.resolution_percentage = 100
    s.render.image_settings.file_format = "OPEN_EXR"
    s.render.image_settings.color_mode = "RGBA"
    s.render.image_settings.color_depth = "32"
    s.render.image_settings.exr_codec = "NONE"
    world = bpy.data.worlds.new("world")
    world.use_nodes = True
    s.world = world
    cam = bpy.data.cameras.new("cam")
    cam.type = "PANO"
    (cam if hasattr(cam, "panorama_type") else cam.cycles).panorama_type = "EQUIRECTANGULAR"
    cam.clip_end = 1e6
    cam.clip_start = 0.01
    ob = bpy.data.objects.new("cam", cam)
    ob.rotation_euler = (math.pi / 2, 0, -math.pi / 2)
    s.collection.objects.link(ob)
    s.camera = ob
    return s


TALLEST = [0.0]  # sine-free bound: highest elevation of any geometry


def render(w, h):
    """Render the scene; rows above the tallest geometry are skipped and stay empty."""
    s = bpy.context.scene
    s.render.use_border = (
        s.render.film_transparent and s.render.use_crop_to_border is False and TALLEST[0] < 1.3
    )
    s.render.border_min_x, s.render.border_max_x, s.render.border_min_y = 0.0, 1.0, 0.0
    s.render.border_max_y = min(1.0, 0.5 + (TALLEST[0] + 0.03) / math.pi)
    path = os.path.join(TMP, f"pano_{os.getpid()}.exr")
    s.render.resolution_x, s.render.resolution_y, s.render.filepath = w, h, path
    bpy.ops.render.render(write_still=True)
    img = bpy.data.images.load(path, check_existing=False)
    img.colorspace_settings.name = "Non-Color"
    buf = np.empty(w * h * 4, np.float32)
    img.pixels.foreach_get(buf)
    bpy.data.images.remove(img)
    os.remove(path)
    return np.nan_to_num(buf.reshape(h, w, 4)[::-1], nan=0.0, posinf=1e4)


def image_from(array, name):
    h, w = array.shape[:2]
    img = bpy.data.images.new(name, w, h, alpha=True, float_buffer=True)
    img.colorspace_settings.name = "Non-Color"
    rgba = np.ones((h, w, 4), np.float32)
    rgba[..., :3] = array[::-1]
    img.pixels.foreach_set(rgba.ravel())
    img.update()
    return img


def mesh_object(name, verts, faces, material=None, colour=None, emit=None, uv=None, smooth=False):
    """faces: (n, 3) or (n, 4) vertex indices; colour/emit per vertex; uv per corner."""
    me = bpy.data.meshes.new(name)
    verts = np.ascontiguousarray(verts, np.float32)
    faces = np.ascontiguousarray(faces, np.int32)
    n, k = faces.shape
    me.vertices.add(len(verts))
    me.vertices.foreach_set("co", verts.ravel())
    me.loops.add(n * k)
    me.loops.foreach_set("vertex_index", faces.ravel())
    me.polygons.add(n)
    me.polygons.foreach_set("loop_start", np.arange(0, n * k, k, dtype=np.int32))
    me.polygons.foreach_set("use_smooth", np.full(n, smooth))
    me.update(calc_edges=False)
    if colour is not None:
        a = me.attributes.new("Col", "FLOAT_COLOR", "POINT")
        c = np.ones((len(verts), 4), np.float32)
        c[:, :3] = colour
        a.data.foreach_set("color", c.ravel())
    if emit is not None:
        a = me.attributes.new("Emit", "FLOAT", "POINT")
        a.data.foreach_set("value", np.ascontiguousarray(emit, np.float32).ravel())
    if uv is not None:
        me.uv_layers.new(name="UV").data.foreach_set("uv", np.ascontiguousarray(uv, np.float32).ravel())
    if material is not None:
        me.materials.append(material)
    ob = bpy.data.objects.new(name, me)
    bpy.context.scene.collection.objects.link(ob)
    return ob


def add_sun(direction, colour, strength, angle=0.6):
    if strength <= 0:
        return
    la = bpy.data.lights.new("sun", "SUN")
    la.energy = float(strength)
    la.color = [float(c) for c in colour]
    la.angle = math.radians(angle)
    ob = bpy.data.objects.new("sun", la)
    d = np.asarray(direction)
    ob.rotation_euler = (0, math.acos(max(-1, min(1, d[2]))), math.atan2(d[1], d[0]))
    bpy.context.scene.collection.objects.link(ob)


def area_light(pos, target, size, colour, power, spread=math.pi):
    la = bpy.data.lights.new("area", "AREA")
    la.shape = "RECTANGLE"
    la.size, la.size_y = size
    la.energy, la.color, la.spread = float(power), [float(c) for c in colour], spread
    ob = bpy.data.objects.new("area", la)
    ob.location = pos
    from mathutils import Vector

    ob.rotation_euler = (Vector(target) - Vector(pos)).to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(ob)
    return ob


def point_light(pos, colour, power, radius=0.1):
    la = bpy.data.lights.new("pt", "POINT")
    la.energy, la.color, la.shadow_soft_size = float(power), [float(c) for c in colour], radius
    ob = bpy.data.objects.new("pt", la)
    ob.location = pos
    bpy.context.scene.collection.objects.link(ob)


def instances(points, sizes, angles, child):
    """Scatter `child` over oriented quads (Blender's face instancing)."""
    if len(points) == 0:
        return
    proto, child = child, bpy.data.objects.new(child.name, child.data)
    coll = bpy.context.scene.collection
    coll.objects.link(child)
    if proto.name in coll.objects:
        coll.objects.unlink(proto)
    p, s, a = np.asarray(points), np.asarray(sizes), np.asarray(angles)
    ux = np.stack([np.cos(a), np.sin(a), 0 * a], -1) * (s / 2)[:, None]
    uy = np.stack([-np.sin(a), np.cos(a), 0 * a], -1) * (s / 2)[:, None]
    v = np.stack([p - ux - uy, p + ux - uy, p + ux + uy, p - ux + uy], 1).reshape(-1, 3)
    cz = bpy.context.scene.camera.location.z
    top = np.arctan2(p[:, 2] + 1.25 * s - cz, np.maximum(np.hypot(p[:, 0], p[:, 1]) - 0.4 * s, 0.3))
    TALLEST[0] = max(TALLEST[0], float(top.max()))
    par = mesh_object("scatter", v, np.arange(len(v)).reshape(-1, 4))
    par.instance_type = "FACES"
    par.use_instance_faces_scale = True
    par.show_instancer_for_render = False
    child.parent = par
