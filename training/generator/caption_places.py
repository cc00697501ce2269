# SPDX-License-Identifier: CC0-1.0
"""Nouns, adjectives and details for captions of cities, rooms, studios, space and the sea floor."""

from training.generator.caption_words import Det


def city(w):
    d = w.d
    kind = d["kind"]
    adj = {
        "downtown": ["modern", "urban", "metropolitan", "downtown"],
        "old town": ["historic", "european", "old", "quaint"],
        "suburb": ["suburban", "residential", "quiet"],
    }[kind]
    noun = {
        "downtown": ["city", "city street", "downtown", "metropolis", "skyscraper district"],
        "old town": ["old town", "town street", "city street", "old quarter"],
        "suburb": ["suburb", "neighbourhood", "residential street", "housing estate"],
    }[kind]
    if d["high"]:
        noun = ["city from above", "city seen from a height", "skyline", "cityscape"]
    det = Det(
        [
            {
                "downtown": ("glass towers", "high-rise buildings", "tall office blocks", "skyscrapers"),
                "old town": ("tiled roofs", "rows of old facades", "low brick and plaster houses"),
                "suburb": ("detached houses", "lawns and houses", "low homes along the road"),
            }[kind]
        ]
    )
    det = Det([*det, "parked cars", "road markings", "an intersection"])
    if d["lit"]:
        det += [
            "lit windows",
            "glowing street lamps",
            "headlights and lamps",
            {
                "amber": "amber street lighting",
                "white": "warm white lamps",
                "cool": "cool white street lights",
            }[d["lamps"]],
        ] * 2
    if d["wet"]:
        det += ["wet asphalt with reflections", "rain-slick streets"]
    if d.get("trees"):
        det += ["trees along the pavement", "leafy sidewalks"]
    return adj, noun, det


def interior(w):
    d = w.d
    adj = (
        ["cosy", "warm", "lamp-lit"]
        if d.get("lamps") == "warm"
        else (["airy", "bright", "daylit"] if not d["night"] else ["lit", "quiet"])
    )
    adj = [*adj, "simple", "modern", "minimal"]
    room = {"empty room": "empty room", "gallery": "art gallery"}.get(d["room"], d["room"])
    noun = [
        room,
        room,
        {
            "living room": "lounge",
            "bedroom": "bedchamber",
            "office": "study",
            "empty room": "bare room",
            "loft": "industrial loft",
            "gallery": "exhibition room",
        }[d["room"]],
        room + " interior",
    ]
    det = Det(
        [
            f"{d['walls']} walls",
            f"{d['walls']} walls and a {d['floor']} floor".replace("wood", d["wood"] + " wood")
            if d["floor"] == "wood"
            else f"{d['walls']} walls and a {d['floor']} floor",
            f"a {d['floor']} floor",
        ]
    )
    for i in d["items"]:
        a = "" if i in ("paintings",) else ("an " if i[0] in "aeiou" else "a ")
        det.append(a + i)
    n = d["windows"]
    det += [
        (
            "one window"
            if n == 1
            else f"{['', 'one', 'two', 'three', 'four', 'five', 'six'][min(n, 6)]} windows"
        )
    ]
    if d["night"]:
        det += ["dark windows", "ceiling lights on"]
    else:
        det += ["daylight through the window" if n == 1 else "daylight through the windows", "natural light"]
    return adj, noun, det


def studio(w):
    d = w.d
    adj = [
        "professional",
        "photo",
        "photographic",
        {"black": "black", "dark grey": "dark", "mid grey": "grey", "white": "white"}[d["tone"]],
    ]
    noun = [
        "studio",
        "photo studio",
        "lighting studio",
        "studio lighting setup",
        "product photography studio",
        "softbox lighting",
    ]
    det = Det([])
    num = ["no", "one", "two", "three", "four", "five"]
    for k, n in d["lights"].items():
        det.append(
            (("a " if k[0] not in "aeiou" else "an ") + k)
            if n == 1
            else f"{num[min(n, 5)]} "
            + {
                "softbox": "softboxes",
                "strip light": "strip lights",
                "octabox": "octaboxes",
                "overhead panel": "overhead panels",
            }[k]
        )
    det += {
        "neutral": ["neutral white light", "clean white lighting"],
        "warm and cool": ["warm and cool lighting contrast", "mixed orange and blue-white light"],
        "warm": ["warm tungsten light", "amber studio light"],
        "coloured gels": [
            " and ".join(d["gels"]) + " gels",
            " and ".join(d["gels"]) + " coloured light",
            "neon-like " + " and ".join(d["gels"]) + " lighting",
        ],
    }[d["scheme"]]
    if d["backdrop"]:
        det += ["a paper backdrop sweep", "a seamless backdrop"]
    det += [f"{d['tone']} walls", "light stands"]
    return adj, noun, det


def space(w):
    d = w.d
    c = [str(x) for x in d.get("nebula", w.rec["colours"])]
    mix = " and ".join(c[:2])
    adj = ["cosmic", "deep", "interstellar", "galactic", "celestial", *c]
    noun = ["outer space", "space", "starfield", "universe", "deep space"] + (
        [] if d["sparse"] else ["nebula", "space nebula"]
    )
    det = Det(
        ["countless stars", "distant suns"]
        + (
            [f"faint {mix} dust"]
            if d["sparse"]
            else [f"{mix} nebula clouds", f"glowing gas in {mix}", f"swirls of {mix}", "dark dust lanes"]
        )
    )
    if d["planet"]:
        p = {
            "rocky": ["a rocky planet", "a barren brown world"],
            "gas giant": ["a gas giant", "a banded giant planet"],
            "ice": ["an icy planet", "a frozen world"],
            "earth-like": ["an earth-like planet", "a blue planet with clouds"],
            "ringed": ["a ringed planet", "a planet with rings"],
        }[d["planet"]]
        det += p * 2
    if d["has_star"]:
        det += ["a bright nearby star", "a blazing sun"]
    if d["galaxy"]:
        det += ["the band of a galaxy", "a galactic disc"]
    return adj, noun, det


def underwater(w):
    d = w.d
    adj = {
        "blue": ["blue", "clear blue", "azure"],
        "turquoise": ["turquoise", "crystal-clear", "cyan"],
        "green": ["green", "murky green", "emerald"],
        "deep": ["deep", "dark", "dim"],
    }[d["tone"]] + ["underwater", "submarine"]
    noun = ["underwater scene", "seabed", "ocean floor", "sea bottom", "lagoon floor"] + (
        ["coral reef", "reef"] if d["coral"] else []
    )
    det = Det(
        [
            "a rippling surface above",
            ("beams of light from above", "sunbeams in the water", "shafts of light"),
            ("a sandy bottom", "pale sand"),
        ]
    )
    if d["caustics"]:
        det += ["dancing caustics", "a net of light on the sand"]
    if d["coral"]:
        det += ["colourful corals", "coral growths"]
    if d["weed"]:
        det += ["seaweed", "swaying kelp", "sea grass"]
    return adj, noun, det
