import bpy

settings = bpy.context.scene.syncscape

settings.prompt = "rooftop terrace at night above a modern city, neon signs, wet concrete, photograph"
settings.negative = "people, text, watermark, frame, blurry"
settings.prompt_zenith = "dark night sky with faint city glow"
settings.prompt_nadir = "wet concrete floor seen from above"
settings.kind = "world"
settings.world_size = "4096"
settings.world_width = 4096
settings.plate_size = "2048x512"
settings.plate_width = 2048
settings.plate_height = 512
settings.projection = "sphere"
settings.method = "sync"
settings.model = "sd-2-base"
settings.steps = 25
settings.guidance = 7.5
settings.custom_sync = False
settings.sync_strength = 1.0
settings.sync_steps = 0
settings.ldr = False
settings.custom_sun = False
settings.sun_stops = 2.0
settings.custom_exposure = False
settings.exposure = 0.0
