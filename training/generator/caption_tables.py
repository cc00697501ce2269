# SPDX-License-Identifier: CC0-1.0
"""Word tables of the caption grammar: times, skies, weather, light and colours."""

TIME = {
    "noon": {
        "adj": ["noon", "midday", "high-noon"],
        "at": [
            "at noon",
            "at midday",
            "in the middle of the day",
            "under the midday sun",
            "around lunchtime",
        ],
        "light": ["harsh overhead light", "strong vertical sunlight", "crisp midday light", "short shadows"],
    },
    "midday": {
        "adj": ["midday", "daytime", "day"],
        "at": ["at midday", "in the daytime", "during the day", "late in the morning", "in full daylight"],
        "light": ["bright even daylight", "strong daylight", "clear high light"],
    },
    "morning": {
        "adj": ["morning", "early-day"],
        "at": ["in the morning", "on a fresh morning", "a few hours after dawn", "early in the day"],
        "light": [
            "fresh morning light",
            "gentle early light",
            "soft slanting light",
            "cool morning brightness",
        ],
    },
    "afternoon": {
        "adj": ["afternoon", "late-day"],
        "at": [
            "in the afternoon",
            "on a lazy afternoon",
            "in the late afternoon",
            "as the afternoon wears on",
        ],
        "light": ["mellow afternoon light", "warm afternoon light", "slanting afternoon sunlight"],
    },
    "golden hour": {
        "adj": ["golden hour", "early evening", "golden-hour"],
        "at": ["at golden hour", "during golden hour", "with the sun getting low", "an hour before sunset"],
        "light": ["warm golden light", "honeyed low sunlight", "long amber shadows", "raking warm light"],
    },
    "sunset": {
        "adj": ["sunset", "evening", "sundown"],
        "at": ["at sunset", "at sundown", "as the sun goes down", "at day's end", "in the evening"],
        "light": ["warm fading light", "long dark shadows", "the last rays of the day", "low glowing light"],
    },
    "sunrise": {
        "adj": ["sunrise", "dawn", "daybreak"],
        "at": ["at sunrise", "at dawn", "at daybreak", "at first light", "as the sun comes up"],
        "light": ["tender dawn light", "first warm rays", "low early sun", "delicate daybreak light"],
    },
    "dusk": {
        "adj": ["dusk", "twilight", "blue hour"],
        "at": [
            "at dusk",
            "at twilight",
            "in the blue hour",
            "after sunset",
            "as darkness falls",
            "at nightfall",
        ],
        "light": ["soft twilight", "dim bluish light", "quiet shadowless light", "the afterglow of the day"],
    },
    "night": {
        "adj": ["night", "nighttime", "nocturnal", "midnight"],
        "at": ["at night", "in the dead of night", "late at night", "after dark", "in the small hours"],
        "light": ["faint night light", "deep darkness", "dim nocturnal light"],
    },
    "none": {"adj": [""], "at": [""], "light": [""]},
}


SKY = {
    "clear": [
        "a clear sky",
        "a cloudless sky",
        "an open empty sky",
        "a spotless sky",
        "an unbroken clear sky",
        "clear skies",
    ],
    "scattered": [
        "a few scattered clouds",
        "small scattered cumulus",
        "little drifting clouds",
        "sparse fluffy clouds",
        "a mostly clear sky with some clouds",
        "stray puffs of cloud",
    ],
    "partly cloudy": [
        "a partly cloudy sky",
        "puffy white clouds",
        "fair-weather cumulus",
        "cotton-like clouds",
        "billowing cumulus clouds",
        "a sky dotted with clouds",
        "fluffy clouds",
    ],
    "broken": [
        "broken clouds",
        "a mostly cloudy sky",
        "big heaped clouds",
        "thick cumulus with gaps of sky",
        "large towering clouds",
        "dense patchy cloud",
    ],
    "wispy": [
        "wispy cirrus",
        "thin feathery clouds",
        "high streaky clouds",
        "delicate mares' tails",
        "fine strands of cirrus",
        "silky high-altitude cloud",
    ],
    "overcast": [
        "an overcast sky",
        "a solid layer of cloud",
        "a grey blanket of cloud",
        "leaden overcast",
        "a dull cloudy sky",
        "a covered sky",
        "low stratus",
    ],
    "stormy": [
        "a stormy sky",
        "dark storm clouds",
        "brooding thunderclouds",
        "a menacing sky",
        "dramatic heavy clouds",
        "a threatening, turbulent sky",
        "churning clouds before rain",
    ],
    "foggy": [
        "thick fog",
        "dense mist",
        "a veil of fog",
        "drifting mist",
        "a foggy haze",
        "murky fog that hides the distance",
    ],
    "hazy": ["a hazy sky", "dusty haze", "a milky horizon", "hot shimmering haze", "a pale hazy sky"],
    "milky way": [
        "the Milky Way",
        "the galactic band and countless stars",
        "a brilliant Milky Way",
        "the arch of our galaxy",
        "a star-filled sky with the Milky Way",
    ],
    "aurora": [
        "northern lights",
        "an aurora",
        "dancing polar lights",
        "the aurora borealis",
        "shimmering curtains of aurora",
    ],
    "none": [""],
}


NIGHT_SKY = {
    "clear": [
        "a starry sky",
        "a sky full of stars",
        "bright stars",
        "a clear starlit sky",
        "twinkling stars",
        "constellations overhead",
    ],
    "scattered": [
        "stars between drifting clouds",
        "a starry sky with a few clouds",
        "small clouds crossing the stars",
    ],
    "overcast": ["a starless cloudy sky", "heavy night clouds", "a dark overcast sky"],
}


WEATHER_ADJ = {
    "clear": ["clear", "cloudless", "fine"],
    "scattered": ["fair", "pleasant", "mostly clear"],
    "partly cloudy": ["partly cloudy", "fair", "breezy"],
    "broken": ["cloudy", "mostly cloudy"],
    "wispy": ["fair", "calm", "serene"],
    "overcast": ["overcast", "grey", "gloomy", "cloudy", "dull"],
    "stormy": ["stormy", "dramatic", "ominous", "moody", "tempestuous"],
    "foggy": ["foggy", "misty", "hazy", "ghostly"],
    "hazy": ["hazy", "dusty", "sultry"],
    "milky way": ["starry", "star-strewn"],
    "aurora": ["aurora-lit", "magical", "arctic-lit"],
    "none": [""],
}


BRIGHT_DAY = ["bright", "sunny", "sunlit", "radiant", "brilliant", "sun-drenched"]


GLOW = {
    "orange": ["orange", "fiery orange", "tangerine", "amber", "burning orange"],
    "pink": ["pink", "rosy", "blush-pink", "salmon pink"],
    "golden": ["golden", "gold", "honey-coloured", "yellow-gold"],
    "crimson": ["crimson", "blood-red", "scarlet", "deep red", "ruby"],
    "magenta": ["magenta", "purple-pink", "fuchsia", "orchid", "violet"],
    "peach": ["peach", "apricot", "pastel peach", "soft coral"],
}


COLOUR = {
    "blue": ["blue", "bluish", "cool blue"],
    "brown": ["brown", "earthy", "tan"],
    "orange": ["orange", "amber"],
    "green": ["green", "verdant"],
    "grey": ["grey", "muted", "neutral"],
    "white": ["white", "pale", "bright"],
    "black": ["black", "dark", "inky"],
    "teal": ["teal", "turquoise", "cyan"],
    "purple": ["purple", "violet"],
    "pink": ["pink", "rose"],
    "red": ["red", "reddish"],
    "yellow": ["yellow", "golden"],
}


PREFIX = [
    "",
    "",
    "",
    "360 panorama of ",
    "360-degree view of ",
    "HDRI of ",
    "equirectangular panorama of ",
    "a panoramic view of ",
    "an environment map of ",
    "a wide view of ",
    "a spherical photo of ",
    "a scene of ",
]
