"""Other designs of the sphere, behind the verbs of ``Canvas``, to be measured against the engine's own."""
