"""Other designs of the sphere, behind the verbs of ``Canvas``, for ``benchmarks.sphere_designs``."""
