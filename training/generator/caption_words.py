# SPDX-License-Identifier: CC0-1.0
"""Phrases that several kinds of scene share: sky, sun, light, time and colours of a record."""

from training.generator.caption_tables import BRIGHT_DAY, COLOUR, GLOW, NIGHT_SKY, SKY, TIME, WEATHER_ADJ


class Det(list):
    """Detail phrases; `det += [...]` adds one group of synonyms, used at most once."""

    def __iadd__(self, group):
        if group:
            self.append(tuple(group))
        return self


class Words:
    def __init__(self, rec, rng):
        self.rec, self.d, self.rng = rec, rec["details"], rng

    def pick(self, *options):
        opts = options[0] if len(options) == 1 and isinstance(options[0], (list, tuple)) else options
        return opts[int(self.rng.integers(len(opts)))]

    def chance(self, p):
        return self.rng.uniform() < p

    # ------------------------------------------------------------------ sky
    @property
    def night(self):
        return self.rec["time"] == "night"

    def sky(self):
        r = self.rec
        w = r["weather"]
        if self.night and w in NIGHT_SKY and not (r["scene"] in ("city", "interior") and w != "overcast"):
            s = self.pick(NIGHT_SKY[w])
        elif self.night and r["scene"] in ("city", "interior") and w == "scattered":
            s = self.pick(
                "scattered night clouds", "small clouds in a dark sky", "a few clouds in the night sky"
            )
        elif self.night and w == "clear":
            s = self.pick("a dark clear sky", "a deep night sky", "a black sky")
        elif self.night and w == "aurora":
            c = self.d.get("aurora", "green")
            s = self.pick(
                c + " northern lights",
                "a " + c + " aurora",
                "dancing " + c + " lights",
                "rippling curtains of " + c + " light",
                "the aurora borealis in " + c,
                c + " polar lights",
            )
        else:
            s = self.pick(SKY[w])
        if r["has_moon"] and self.chance(0.6):
            s += self.pick(
                " and a bright moon", " with a full moon", " lit by the moon", " and a glowing moon"
            )
        g = self.d.get("glow")
        if g and w not in ("overcast", "stormy", "foggy"):
            c = self.pick(GLOW[g])
            a = "an " if c[0] in "aeiou" else "a "
            if w in ("clear", "hazy"):
                s = (
                    a
                    + c
                    + self.pick(
                        " sky",
                        " glow on the horizon",
                        " horizon",
                        " glow in the sky",
                        " evening sky" if r["time"] in ("sunset", "dusk", "golden hour") else " dawn sky",
                    )
                )
                if w == "hazy":
                    s += " in the haze"
            elif self.chance(0.65):
                s += self.pick(
                    " in " + a + c + " light",
                    " with " + a + c + " glow",
                    " above " + a + c + " horizon",
                    " tinged with " + c,
                    " over " + a + c + " horizon",
                )
        elif w == "clear" and not self.night and "blue" in r["colours"]:
            s = self.pick(
                "a clear blue sky",
                "a cloudless blue sky",
                "a deep blue sky",
                "an azure sky",
                "blue skies",
                "a sapphire sky",
                "a clear sky",
                "an open cobalt sky",
            )
        return s

    def under(self):
        w = self.rec["weather"]
        link = {
            "foggy": ["in ", "wrapped in ", "shrouded in ", "swallowed by ", "lost in "],
            "hazy": ["under ", "beneath ", "in "],
        }.get(w, ["under ", "beneath ", "below ", "with ", "and "])
        if self.night and w != "overcast":
            link = ["under ", "beneath ", "below "]
        return self.pick(link) + self.sky()

    def sun(self):
        r = self.rec
        if not r["has_sun"] or r["time"] == "none":
            return ""
        e = r["sun"]["elevation_deg"]
        if r["weather"] == "foggy":
            return self.pick("a pale sun glowing through", "the sun a dim disc")
        if e > 45:
            return self.pick(
                "the sun high overhead",
                "a blazing high sun",
                "the sun near the zenith",
                "direct sun from above",
            )
        if e > 14:
            return self.pick(
                "the sun well above the horizon",
                "the sun shining from the side",
                "bright sun in the sky",
                "clear sunshine",
            )
        if e > 5:
            return self.pick(
                "a low warm sun",
                "the sun sinking low" if r["time"] != "sunrise" else "the sun climbing",
                "low sun on the horizon side",
            )
        return self.pick(
            "the sun touching the horizon",
            "the sun resting on the horizon",
            "a glowing sun at the skyline",
            "the sun just above the horizon",
        )

    def when(self):
        return self.pick(
            [
                x
                for x in TIME[self.rec["time"]]["at"]
                if self.rec["has_sun"] or ("with the sun" not in x and "midday sun" not in x)
            ]
        )

    def tadj(self):
        return self.pick(TIME[self.rec["time"]]["adj"])

    def light(self):
        r = self.rec
        if r["scene"] == "city" and self.d["lit"]:
            return self.pick(
                "artificial light",
                "city lights",
                "the glow of lamps and windows",
                "electric light",
                "urban glow",
            )
        if r["scene"] == "volcanic" and self.d["lava"] and r["time"] in ("night", "dusk"):
            return self.pick("the red glow of lava", "lit by molten rock", "an ember-like glow")
        if r["weather"] in ("overcast", "stormy", "foggy"):
            return self.pick(
                "flat shadowless light",
                "soft diffuse light",
                "subdued light",
                "even grey light" if not self.night else "almost no light",
            )
        if self.night and r["has_moon"]:
            return self.pick("silvery moonlight", "cold moonlight", "pale lunar light")
        return self.pick(TIME[r["time"]]["light"])

    def wadj(self):
        r = self.rec
        if (
            r["has_sun"]
            and r["weather"] in ("clear", "scattered", "partly cloudy", "wispy")
            and r["time"] in ("noon", "midday", "morning", "afternoon")
            and self.chance(0.5)
        ):
            return self.pick(BRIGHT_DAY)
        return self.pick(WEATHER_ADJ[r["weather"]])

    def colours(self):
        c = [self.pick(COLOUR[k]) for k in self.rec["colours"][:2] if k in COLOUR]
        return (
            (" and ".join(c) + self.pick(" tones", " hues", " colours", " palette", " shades")) if c else ""
        )
