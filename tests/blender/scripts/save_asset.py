# SPDX-License-Identifier: GPL-3.0-or-later
"""Save as asset: one marked World with all its facts, packed or beside, that another file uses."""

import math
import shutil
from pathlib import Path

import bpy
import harness

harness.install()
api = harness.module("api")
assets = harness.module("scene.assets")
folder = harness.module("operators.assets").asset_folder()
link = harness.module("engine.link").link
results = harness.module("engine.library").results
job = api.generate(prompt="Desert at sunset, red rocks", width=512, seed=1)
assert job.wait(60) is api.JobState.DONE, job.error

# As it is installed: turned and dimmed; the asset keeps that, and the World in the file its name.
world = api.apply_world(job)
controls = harness.module("scene.world").controls(world)
controls.strength.default_value, controls.rotation.default_value[2] = 0.5, 1.0
before = (sorted(bpy.data.worlds.keys()), sorted(bpy.data.images.keys()))
facts = {"author": "A. Painter", "licence": "CC0-1.0"}
assert bpy.ops.syncscape.save_asset(result=job.id, **facts) == {"FINISHED"}
assert (sorted(bpy.data.worlds.keys()), sorted(bpy.data.images.keys())) == before, "nothing is left here"
assert bpy.context.scene.world == world
path = folder / f"{job.id}.blend"
assert path.is_file()
assert not list(folder.glob(".*part*"))
catalogs = (folder / assets.CATALOG_FILE).read_text(encoding="utf-8").splitlines()
assert f"{assets.CATALOG_ID}:Worlds/Syncscape:Worlds-Syncscape" in catalogs
assert "VERSION 1" in catalogs
mine = "11111111-1111-1111-1111-111111111111:Mine:Mine"
(folder / assets.CATALOG_FILE).write_text("\n".join([*catalogs, mine, ""]))

# What was not written whole replaces nothing: a full disk, of which Blender's writer says nothing.
good, write = path.read_bytes(), assets._write


def cut(part: Path, world: bpy.types.World) -> None:
    write(part, world)
    part.write_bytes(part.read_bytes()[:cut_at])


assets._write = cut
for cut_at in (0, 5, len(good) // 2, len(good) * 9 // 10):
    told = harness.error_of(lambda: bpy.ops.syncscape.save_asset(result=job.id, **facts))
    assert told, cut_at
    assert path.read_bytes() == good
    assert not list(folder.glob(".*part*"))
    assert (sorted(bpy.data.worlds.keys()), sorted(bpy.data.images.keys())) == before
assets._write = write
(folder / assets.CATALOG_FILE).write_bytes(
    (folder / assets.CATALOG_FILE).read_bytes()
    + "22222222-2222-2222-2222-222222222222:B\xe4ume:B\n".encode("cp1252")
)

# The folder of the assets is no result, and its files are none of the history's.
assert [result.id for result in results.library().results] == [job.id]


def append(file: Path) -> bpy.types.World:
    """Bring the asset into a new file, as dragging it from the browser does."""
    bpy.ops.wm.read_homefile(use_empty=True)
    with bpy.data.libraries.load(str(file), assets_only=True) as (there, here):
        assert list(there.worlds) == ["Desert at sunset, red rocks"], list(there.worlds)
        here.worlds = there.worlds
    return here.worlds[0]


world = append(path)
about = world.asset_data
assert about is not None
assert (about.author, about.license, about.catalog_id) == ("A. Painter", "CC0-1.0", assets.CATALOG_ID)
assert about.description == "Desert at sunset, red rocks"
assert [tag.name for tag in about.tags] == ["desert", "sunset", "rocks", "syncscape", "hdri"]
assert tuple(world.preview.image_size) != (0, 0), "a preview"
controls = harness.module("scene.world").controls(world)
assert math.isclose(controls.strength.default_value, 0.5)
assert math.isclose(controls.rotation.default_value[2], 1.0, abs_tol=1e-6)
image = harness.module("scene.world").picture(world)
assert image.packed_file is not None
assert image.colorspace_settings.name == "Linear Rec.709"
assert tuple(image.size) == (512, 256)

# Beside: a relative path into the asset library, so that the whole library can be moved.
done = bpy.ops.syncscape.save_asset(result=job.id, storage="RELATIVE", tags="a, b ,", asset_name="")
assert done == {"FINISHED"}
listed = (folder / assets.CATALOG_FILE).read_bytes()
assert mine.encode() in listed, "the user's own catalogs stay"
assert "B\xe4ume".encode("cp1252") in listed, "in whatever encoding they are"
assert listed.count(assets.CATALOG_ID.encode()) == 1
moved = harness.HOME / "elsewhere"
shutil.move(folder, moved)
shutil.rmtree(job.result.folder)
world = append(moved / path.name)
image = harness.module("scene.world").picture(world)
assert image.packed_file is None
assert Path(bpy.path.abspath(image.filepath)) == moved / "textures" / f"{job.id}.exr", image.filepath
assert tuple(image.size) == (512, 256), "the copy is read"
assert [tag.name for tag in world.asset_data.tags] == ["a", "b"]

# Listed in the preferences on request only, and once.
libraries = bpy.context.preferences.filepaths.asset_libraries
assert not assets.is_registered(folder)
count = len(libraries)
assert bpy.ops.syncscape.register_assets() == {"FINISHED"}
assert assets.is_registered(folder)
assert libraries[-1].name == "Syncscape"
assert "already" in harness.error_of(lambda: bpy.ops.syncscape.register_assets())
assets.register_library(folder)
assert len(libraries) == count + 1

# From a script.
job = api.generate(prompt="hills", width=512, seed=1)
path = api.save_asset(job, author="Me", tags=["soft"])
with bpy.data.libraries.load(str(path), assets_only=True) as (there, _here):
    assert list(there.worlds) == ["hills"]

# What cannot be saved is told with a remedy, and leaves nothing.
job = api.generate(prompt="pond", width=512, seed=1)
job.wait(60)
shutil.rmtree(folder)
folder.write_text("a file where the folder should be")
text = harness.error_of(lambda: bpy.ops.syncscape.save_asset(result=job.id))
assert "cannot be saved" in text, text
assert "Check the library folder" in text, text
harness.leave()
