# SPDX-License-Identifier: CC0-1.0
"""Scene family: starry landscapes."""

from training.generator.family_arctic import arctic
from training.generator.family_common import night_only, pick
from training.generator.family_desert import desert
from training.generator.family_forest import forest
from training.generator.family_lake import lake
from training.generator.family_meadow import meadow
from training.generator.family_mountains import mountains

LANDSCAPES = {
    "meadow": (meadow, 1),
    "desert": (desert, 1),
    "mountains": (mountains, 1.2),
    "arctic": (arctic, 1.2),
    "lake": (lake, 1.3),
    "forest": (forest, 0.6),
}
SKIES = {"clear": 1.4, "milky way": 2.4, "aurora": 2.6, "scattered": 0.8}


def starry(rng, threads):
    """Open landscapes at night: stars, Milky Way, moon or aurora as the subject."""
    base = pick(rng, {name: weight for name, (_, weight) in LANDSCAPES.items()})
    with night_only(SKIES):
        shot = LANDSCAPES[base][0](rng, threads)
    shot.facts["base"] = base
    return shot
