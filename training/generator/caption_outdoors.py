# SPDX-License-Identifier: CC0-1.0
"""Nouns, adjectives and details for captions of landscapes, seas and skies."""

from training.generator.caption_words import Det


# --------------------------------------------------------------- scene subjects
def meadow(w):
    d = w.d
    g = d["grass"]
    adj = {
        "fresh green": ["green", "lush", "fresh green", "vivid green", "spring-green"],
        "deep green": ["dark green", "lush", "rich green", "emerald"],
        "dry golden": ["golden", "dry", "straw-coloured", "parched", "sun-bleached"],
        "autumn brown": ["brown", "autumnal", "withered", "russet"],
        "pale olive": ["olive", "pale green", "faded", "sage-coloured"],
    }[g]
    noun = ["meadow", "field", "grassland", "plain", "pasture", "prairie"] + (
        ["savanna", "steppe"] if g in ("dry golden", "autumn brown") else ["grassy field", "lea"]
    )
    det = Det([])
    if d.get("flower"):
        f = d["flower"]
        det += [f"dotted with {f} wildflowers", f"full of {f} blossoms", f"sprinkled with {f} flowers"]
    if d.get("trees"):
        det += [
            "scattered with trees",
            "a few lone trees in the distance",
            "trees standing around",
            "edged by trees",
        ]
    if d.get("path"):
        det += ["crossed by a dirt path", "a trail running through the grass", "a footpath winding past"]
    if d.get("hills"):
        det += ["hills on the horizon", "distant rolling hills", "low mountains far away"]
    det += (
        ["gently undulating ground", "soft knolls"]
        if d.get("rolling")
        else ["flat open ground", "level land to the horizon"]
    )
    return adj, noun, det


def mountains(w):
    d = w.d
    adj = ["rugged", "towering", "majestic", "jagged", "craggy", "alpine", "lofty", "imposing"] + (
        ["snow-capped", "snowy", "white-topped"] if d["has_snow"] else ["bare", "rocky"]
    )
    noun = (
        ["mountain summit", "mountaintop", "high ridge", "peak"]
        if d["peak"]
        else ["mountain valley", "mountains", "mountain range", "alpine valley", "highlands"]
    )
    rk = {"grey": "grey", "brown": "brown", "dark": "dark slate", "reddish": "reddish"}[d["rock"]]
    det = Det(
        [
            (f"{rk} rock faces", f"steep {rk} cliffs", f"ridges of {rk} stone"),
            ("sharp peaks all around", "crags and spurs", "a serrated skyline"),
        ]
    )
    det += (
        ["patches of snow on the slopes", "glistening snowfields", "peaks dusted with snow"]
        if d["has_snow"]
        else ["snowless slopes", "barren summits"]
    )
    if not d["peak"]:
        gr = {
            "fresh green": "green",
            "deep green": "dark green",
            "dry golden": "dry golden",
            "autumn brown": "brown",
            "pale olive": "olive",
        }[d["ground"].replace(" valley", "")]
        det += [f"a floor of {gr} grass", f"{gr} pasture in the foreground", "boulders strewn about"]
    if d.get("trees"):
        det += ["conifers in the foreground", "stands of fir", "clusters of spruce trees"]
    return adj, noun, det


def desert(w):
    d = w.d
    s = d["sand"]
    adj = {
        "golden": ["golden", "sandy", "yellow"],
        "orange": ["orange", "ochre", "saffron"],
        "pale": ["pale", "beige", "bleached"],
        "red": ["red", "rust-red", "terracotta"],
        "white": ["white", "gypsum-white", "chalky"],
    }[s] + ["arid", "vast", "barren", "desolate", "dry"]
    noun = (
        ["sand dunes", "desert", "dune sea", "erg", "desert dunes"]
        if d["dunes"]
        else ["desert plain", "desert flat", "desert", "wasteland", "badlands"]
    )
    det = Det([(f"{s} sand", f"rippled {s} sand", "wind-blown ripples", f"fine {s} sand underfoot")])
    det += (
        ["rolling dunes", "crescent ridges of sand", "smooth sand crests"]
        if d["dunes"]
        else ["flat parched ground", "an empty level expanse"]
    )
    if d["mesas"]:
        det += ["mesas in the distance", "distant flat-topped buttes"]
    if d["scrub"]:
        det += ["dry scrub and stones", "tufts of desert grass", "sparse shrubs"]
    return adj, noun, det


def arctic(w):
    d = w.d
    adj = ["snowy", "frozen", "icy", "wintry", "white", "frosty", "polar", "arctic", "glacial"]
    noun = (
        ["frozen lake", "ice sheet", "frozen sea", "ice field"]
        if d["ice"]
        else [
            "snowfield",
            "tundra",
            "winter landscape",
            "snow-covered plain",
            "snowscape",
            "winter wilderness",
        ]
    )
    det = Det(
        [("cracked bluish ice", "slick ice with patches of snow", "a frozen glassy surface")]
        if d["ice"]
        else [
            ("untouched powder snow", "a thick blanket of snow", "deep clean snow"),
            ("wind-carved snow", "snowdrifts", "crusted snow"),
        ]
    )
    if d["hills"]:
        det += ["snowy mountains around", "frosted peaks on the horizon", "icy slopes behind"]
    if d.get("trees"):
        det += ["snow-laden firs", "frosted evergreens", "spruces heavy with snow"]
    return adj, noun, det


def ocean(w):
    d = w.d
    adj = {
        "calm": ["calm", "tranquil", "still", "placid"],
        "gentle": ["gently rolling", "rippling", "lively"],
        "rough": ["rough", "choppy", "heaving", "wild", "surging"],
    }[d["waves"]] + ["open", "endless", "boundless"]
    noun = ["ocean", "sea", "open water", "seascape", "high seas", "open sea"]
    c = d["water"]
    det = Det(
        [(f"{c} water", f"{c} waves")]
        + (
            [("water to every horizon", "nothing but water around", "no land in sight")]
            if not d["island"]
            else [("a rocky island in the distance", "an island on the skyline", "a distant island")]
        )
    )
    if w.rec["has_sun"]:
        det += ["sunlight glittering on the waves", "a shining path of reflections"]
    if d["waves"] == "rough":
        det += ["tall swells", "whitecaps and spray", "big breaking waves"]
    return adj, noun, det


def beach(w):
    d = w.d
    if d["tropical"]:
        adj, noun = (
            ["tropical", "exotic", "idyllic", "paradise", "sandy"],
            ["beach", "island beach", "lagoon shore", "palm beach", "seashore"],
        )
        det = Det(
            [
                ("palm trees", "coconut palms leaning over the sand", "swaying palms"),
                ("a turquoise lagoon", "clear shallow water", "shallow turquoise water"),
                f"{d['sand']} sand",
            ]
        )
    else:
        adj, noun = (
            ["windswept", "quiet", "lonely", "sandy", "coastal"],
            ["beach", "shore", "coast", "seaside", "strand"],
        )
        det = Det(
            [
                ("dune grass", "marram grass behind the beach", "tufts of beach grass"),
                "rocks along the waterline",
                f"{d['sand']} sand",
                ("gentle surf", "low breakers"),
            ]
        )
    if d["hills"]:
        det += ["green hills inland", "hills behind the shore"]
    det += ["wet sand at the edge of the water", "small waves lapping the shore"]
    return adj, noun, det


def forest(w):
    d = w.d
    k, lf = d["kind"], d["leaves"]
    adj = {
        "dark green": ["evergreen", "dark green", "coniferous"],
        "green": ["green", "leafy", "verdant"],
        "light green": ["light green", "springtime", "fresh"],
        "autumn orange": ["autumn", "orange", "fall-coloured"],
        "autumn red": ["autumn", "red-leaved", "crimson"],
        "golden yellow": ["golden", "yellow-leaved", "autumn"],
    }[lf]
    adj = (
        adj
        + (["dense", "thick"] if d["dense"] else ["open", "sparse"])
        + (["snowy", "winter"] if d["has_snow"] else ["quiet", "woodland"])
    )
    noun = {
        "conifer": ["pine forest", "spruce forest", "fir woods", "conifer forest", "evergreen forest"],
        "broadleaf": ["forest", "woods", "woodland", "deciduous forest", "grove"],
        "mixed": ["mixed forest", "woods", "woodland clearing"],
    }[k]
    det = Det(
        [
            ("a small clearing", "a glade among the trees", "an opening between the trees"),
            ("tall trunks all around", "trees in every direction", "a wall of trees"),
        ]
    )
    if d["has_snow"]:
        det += ["snow on the branches", "a snowy forest floor"]
    elif "autumn" in lf or lf == "golden yellow":
        det += [f"{lf.split()[-1]} foliage", "fallen leaves on the ground", "a carpet of leaves"]
    else:
        det += ["undergrowth and grass", "mossy ground", f"{lf} foliage"]
    return adj, noun, det


def lake(w):
    d = w.d
    adj = (
        ["mirror-like", "glassy", "still", "peaceful"] if d["calm"] else ["rippled", "breezy", "wind-ruffled"]
    ) + ["mountain", "alpine", "remote"]
    noun = ["lake", "mountain lake", "tarn", "lakeshore", "lakeside"]
    det = Det(
        [("mountains reflected in the water", "reflections on the surface")]
        if d["calm"]
        else [("small waves on the water", "a ruffled surface")]
    )
    det += ["a stony shore", "pebbles along the bank"]
    det += [f"{d['rock']} mountains behind", f"{d['rock']} peaks across the water"]
    if d["has_snow"] and d.get("snow", w.rec["snow"]) >= 0 and w.rec["snow"] > 0.04:
        det += ["snowy peaks beyond", "snow on the mountains"]
    if d.get("trees"):
        det += ["trees along the shore", "wooded banks", "woods beside the water"]
    return adj, noun, det


def canyon(w):
    d = w.d
    adj = {
        "red": ["red", "rust-coloured", "crimson"],
        "orange": ["orange", "burnt-orange", "sunburnt"],
        "ochre": ["ochre", "yellow-brown", "sandstone"],
        "pink": ["pink", "rose-coloured", "coral"],
    }[d["rock"]] + ["rocky", "arid", "weathered"]
    noun = (
        ["canyon", "gorge", "ravine", "red rock canyon" if d["rock"] == "red" else "sandstone canyon"]
        if d["gorge"]
        else ["mesas", "rocky desert", "butte country", "mesa landscape", "badlands"]
    )
    det = Det(
        [
            "layered cliffs",
            "banded strata",
            "sheer rock walls",
            "eroded sandstone",
            f"{d['rock']} rock formations",
        ]
        + (["dry shrubs", "desert brush"] if d["scrub"] else ["bare stony ground"])
        + ["scattered boulders"]
    )
    return adj, noun, det


def volcanic(w):
    d = w.d
    adj = (
        ["volcanic", "scorched", "hostile", "black", "smoking", "infernal"]
        if d["rock"] == "black"
        else ["volcanic", "rusty", "scorched", "martian-looking", "smoking"]
    )
    noun = ["volcano", "lava field", "volcanic landscape", "volcanic wasteland", "crater country"]
    det = Det(
        [
            ("an ash plume rising from the cone", "smoke drifting from the crater", "a column of ash"),
            "a volcanic cone",
            "jagged basalt" if d["rock"] == "black" else "rust-coloured scoria",
        ]
    )
    if d["lava"]:
        det += ["glowing lava streams", "rivers of molten rock", "molten orange lava", "burning fissures"]
    else:
        det += ["cold hardened lava", "lifeless cinders"]
    return adj, noun, det


def starry(w):
    base = {
        "meadow": meadow,
        "desert": desert,
        "mountains": mountains,
        "arctic": arctic,
        "lake": lake,
        "forest": forest,
    }[w.d["base"]]
    a, n, det = base(w)
    return ["dark", "silent", *a], n, det


def above_clouds(w):
    d = w.d
    adj = ["endless", "heavenly", "soft", "fluffy", "billowing"]
    noun = ["sea of clouds", "clouds from above", "cloud tops", "cloudscape", "view above the clouds"]
    det = Det(
        [
            (
                "a carpet of cloud below",
                "a white floor of cloud"
                if w.rec["time"] in ("noon", "morning", "afternoon")
                else "a floor of cloud",
            ),
            ("an aeroplane view", "high altitude", "thin air", "a pilot's view"),
            "open sky above",
        ]
    )
    det += (
        ["an unbroken cloud deck"]
        if d["cover_below"] > 0.9
        else ["gaps showing the ground far below", "open holes between clouds"]
        if d["cover_below"] < 0.75
        else ["heaped cloud towers"]
    )
    return adj, noun, det
