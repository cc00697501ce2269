"""The door between Blender and the engine: standard library only, on both sides."""
