# SPDX-License-Identifier: GPL-3.0-or-later
import bpy

settings = bpy.context.scene.syncscape

settings.prompt = "ocean seascape at sunrise, pink clouds above the horizon"
settings.negative = ""
settings.prompt_zenith = ""
settings.prompt_nadir = ""
settings.kind = "plate"
settings.world_size = "1024"
settings.world_width = 1024
settings.plate_size = "2048x512"
settings.plate_width = 2048
settings.plate_height = 512
settings.projection = "sphere"
settings.method = "sync"
settings.model = "draft"
settings.loras.clear()
settings.steps = 0
settings.guidance = 0.0
settings.custom_sync = False
settings.sync_strength = 3.0
settings.sync_steps = 0
settings.ldr = False
settings.custom_sun = False
settings.sun_stops = 2.0
settings.custom_exposure = False
settings.exposure = 0.0
