# SPDX-License-Identifier: GPL-3.0-or-later
import bpy

settings = bpy.context.scene.syncscape

settings.prompt = "rooftop terrace at night above a modern city, neon signs, wet concrete, photograph"
settings.negative = "people, text, watermark, frame, blurry"
settings.prompt_zenith = "night sky with a faint orange glow"
settings.prompt_nadir = "wet concrete seen from above"
settings.kind = "world"
settings.world_size = "4096"
settings.world_width = 4096
settings.plate_size = "4096x1024"
settings.plate_width = 4096
settings.plate_height = 1024
settings.projection = "sphere"
settings.method = "sync"
settings.model = "sdxl"
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
