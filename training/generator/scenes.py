# SPDX-License-Identifier: CC0-1.0
"""The table of scene families and their weights."""

from training.generator.family_above_clouds import above_clouds
from training.generator.family_arctic import arctic
from training.generator.family_beach import beach
from training.generator.family_canyon import canyon
from training.generator.family_city import city
from training.generator.family_desert import desert
from training.generator.family_forest import forest
from training.generator.family_interior import interior
from training.generator.family_lake import lake
from training.generator.family_meadow import meadow
from training.generator.family_mountains import mountains
from training.generator.family_ocean import ocean
from training.generator.family_space import space
from training.generator.family_starry import starry
from training.generator.family_studio import studio
from training.generator.family_underwater import underwater
from training.generator.family_volcanic import volcanic

FAMILIES = {
    "meadow": (meadow, 80),
    "mountains": (mountains, 100),
    "desert": (desert, 80),
    "arctic": (arctic, 70),
    "ocean": (ocean, 75),
    "beach": (beach, 75),
    "forest": (forest, 85),
    "lake": (lake, 85),
    "canyon": (canyon, 75),
    "volcanic": (volcanic, 50),
    "city": (city, 110),
    "interior": (interior, 90),
    "studio": (studio, 65),
    "starry": (starry, 75),
    "space": (space, 60),
    "underwater": (underwater, 55),
    "above_clouds": (above_clouds, 55),
}
