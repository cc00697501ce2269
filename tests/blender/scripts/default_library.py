# SPDX-License-Identifier: GPL-3.0-or-later
"""Where results lie if nobody says: in no folder that Blender deletes with the extension."""

import shutil
from pathlib import Path

import bpy
import harness

harness.install()
harness.preferences().library = ""
module = harness.module("engine.preferences")
default = module.library_folder()
own = Path(bpy.utils.extension_path_user(harness.NAME))
assert default == Path.home() / "Syncscape", default
assert not module.goes_with_the_extension(default)
assert not default.exists(), "looking makes nothing"

# A library of the first versions is still found, and the preferences say what would become of it.
earlier = own / "library"
earlier.mkdir(parents=True)
assert module.library_folder() == earlier
assert module.goes_with_the_extension(earlier)
shutil.rmtree(earlier)

# A blank at the end of a path is part of a name where there is such a folder, else a slip.
blank = harness.HOME / "lib "
harness.preferences().library = str(blank)
assert module.library_folder() == harness.HOME / "lib"
blank.mkdir()
assert module.library_folder() == blank
blank.rmdir()
harness.preferences().library = ""

harness.settings(prompt="kept lake", world_size="512")
assert bpy.ops.syncscape.generate() == {"FINISHED"}
engine = own / "engine" / "env-1"
engine.mkdir(parents=True)
(picture,) = default.glob("*/world.exr")
harness.module("engine.link").link.stop()

# Blender's own uninstalling takes the extension and its engine, and no picture.
repositories = bpy.context.preferences.extensions.repos
index = [repository.module for repository in repositories].index("user_default")
assert bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="syncscape") == {"FINISHED"}
assert not own.exists(), sorted(own.rglob("*"))
assert picture.stat().st_size > 0
harness.leave()
