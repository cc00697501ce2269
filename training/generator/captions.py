# SPDX-License-Identifier: CC0-1.0
"""Caption grammar: five truthful English descriptions for one panorama record."""

from training.generator.caption_outdoors import (
    above_clouds,
    arctic,
    beach,
    canyon,
    desert,
    forest,
    lake,
    meadow,
    mountains,
    ocean,
    starry,
    volcanic,
)
from training.generator.caption_places import city, interior, space, studio, underwater
from training.generator.caption_tables import PREFIX
from training.generator.caption_words import Words

SCENES = {
    "meadow": meadow,
    "mountains": mountains,
    "desert": desert,
    "arctic": arctic,
    "ocean": ocean,
    "beach": beach,
    "forest": forest,
    "lake": lake,
    "canyon": canyon,
    "volcanic": volcanic,
    "city": city,
    "interior": interior,
    "studio": studio,
    "starry": starry,
    "space": space,
    "underwater": underwater,
    "above_clouds": above_clouds,
}


PLURAL = {
    "mountains",
    "sand dunes",
    "desert dunes",
    "mesas",
    "badlands",
    "highlands",
    "woods",
    "fir woods",
    "cloud tops",
    "clouds from above",
    "high seas",
    "outer space",
    "space",
    "deep space",
    "softbox lighting",
    "open water",
    "downtown",
    "butte country",
    "crater country",
    "tundra",
}


def article(phrase, noun):
    if noun in PLURAL:
        return phrase
    return (
        "an " if phrase[0].lower() in "aeiou" and not phrase.startswith(("uni", "euro")) else "a "
    ) + phrase


def tidy(s):
    return " ".join(s.split()).replace(" ,", ",").replace(",,", ",").strip(" ,")


def write(rec, rng):
    w = Words(rec, rng)
    scene = rec["scene"]
    adj, noun, det = SCENES[scene](w)
    det = list(dict.fromkeys(det))
    if rec["weather"] == "foggy":  # do not promise what the fog hides
        hidden = (
            "distan",
            "horizon",
            "mountain",
            "peak",
            "hill",
            "skyline",
            "ridge",
            "crag",
            "cliff",
            "summit",
            "slope",
            "snowfield",
            "faces",
            "cone",
            "crater",
            "ash plume",
            "far ",
            "every direction",
            "island",
            "beyond",
        )
        clean = []
        for g in det:
            opts = [x for x in ((g,) if isinstance(g, str) else g) if not any(h in x for h in hidden)]
            if opts:
                clean.append(tuple(opts))
        det = clean or [("poor visibility", "pale grey surroundings")]
        adj = [
            a
            for a in adj
            if a
            not in (
                "mountain",
                "alpine",
                "towering",
                "majestic",
                "lofty",
                "imposing",
                "jagged",
                "snow-capped",
                "white-topped",
                "endless",
                "boundless",
                "vast",
            )
        ] or ["foggy"]
        if scene == "mountains":
            noun = (
                ["alpine meadow", "upland valley", "mountain meadow", "high moor"]
                if not rec["details"]["peak"]
                else ["mountaintop", "rocky summit"]
            )
        if scene == "lake":
            noun = ["lake", "lakeshore", "lakeside", "pond"]
    indoor = scene in ("interior", "studio", "space", "underwater")
    moods = {
        "stormy": ["dramatic", "moody", "ominous", "turbulent"],
        "foggy": ["mysterious", "eerie", "hushed"],
        "clear": ["peaceful", "crisp", "serene"],
        "milky way": ["breathtaking", "awe-inspiring"],
        "aurora": ["enchanting", "otherworldly", "dreamlike"],
        "overcast": ["subdued", "melancholy", "bleak"],
        "partly cloudy": ["picturesque", "scenic", "idyllic"],
        "scattered": ["cheerful", "scenic"],
        "wispy": ["calm", "airy"],
        "broken": ["expressive", "atmospheric"],
        "hazy": ["drowsy", "languid"],
    }

    def details(n):
        k = min(n, len(det))
        return [
            g if isinstance(g, str) else w.pick(g)
            for g in (det[int(i)] for i in rng.permutation(len(det))[:k])
        ]

    def joined(items):
        return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]

    out = []
    # 1 terse
    n = w.pick(noun)
    if indoor:
        if scene == "interior":
            t = (
                ["night " + n]
                if rec["details"]["night"]
                else [n, n + " interior" if "interior" not in n else n, "daylit " + n]
            )
            out.append(w.pick(t))
        else:
            out.append(tidy(w.pick(adj) + " " + n) if w.chance(0.7) else n)
    else:
        form = (
            w.pick("ta", "wa", "at", "tw")
            if rec["time"] in ("noon", "midday", "morning", "afternoon")
            else w.pick("ta", "at", "tw")
        )
        out.append(
            tidy(
                {
                    "ta": w.tadj() + " " + n,
                    "wa": w.wadj() + " " + n,
                    "at": n + " " + w.when(),
                    "tw": w.wadj() + " " + w.tadj() + " " + n,
                }[form]
            )
        )
    # 2 short
    n, a = w.pick(noun), w.pick(adj)
    ph = article(a + " " + n if a not in n else n, n)
    if indoor:
        out.append(tidy(ph + " with " + details(1)[0]))
    else:
        out.append(tidy(ph + " " + (w.when() if w.chance(0.5) else w.under())))
    # 3 medium
    n, a = w.pick(noun), w.pick(adj)
    ph = article(a + " " + n if a not in n else n, n)
    if indoor:
        out.append(tidy(w.pick(PREFIX) + ph + ", " + joined(details(2))))
    else:
        out.append(tidy(w.pick(PREFIX) + ph + " " + w.under() + w.pick(" ", ", ") + w.when()))
    # 4 descriptive
    n, a = w.pick(noun), w.pick(adj)
    ph = article(a + " " + n if a not in n else n, n)
    if indoor:
        tail = w.colours() if w.chance(0.6) else ""
        out.append(tidy(ph + " with " + joined(details(3)) + (", " + tail if tail else "")))
    else:
        s = w.sun() if w.chance(0.5) else w.light()
        out.append(
            tidy(
                ph
                + " with "
                + joined(details(2))
                + " "
                + w.under()
                + (", " + s if s else "")
                + (", " + w.when() if w.chance(0.4) else "")
            )
        )
    # 5 tags
    n = w.pick(noun)
    tags = [n, *details(2)]
    if not indoor:
        tags += [w.sky(), w.tadj()]
        s = w.sun()
        if s and w.chance(0.5):
            tags.append(s)
        if w.chance(0.5):
            tags.append(w.light())
        if rec["weather"] in moods and w.chance(0.5):
            m = w.pick(moods[rec["weather"]])
            tags.append(m + w.pick(" mood", " ambience", " scenery" if m != "scenic" else " view"))
    elif scene == "interior":
        tags += ["evening" if rec["details"]["night"] else w.tadj() + " light"]
    c = w.colours()
    if c and w.chance(0.7):
        tags.append(c)
    if w.chance(0.3):
        tags.insert(0, w.pick("hdri", "360 hdri", "panorama", "environment", "skybox"))
    out.append(tidy(", ".join(t for t in tags if t)))
    return [o[0].lower() + o[1:] if o[:1].isupper() and not o.startswith("HDRI") else o for o in out]
