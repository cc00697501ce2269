# SPDX-License-Identifier: GPL-3.0-or-later
"""The draft model's tokenizer: whole words, lower case, [UNK] for every word it does not know.

The vocabulary is every word of the training captions and of the templates. Common words that mean the
same are rewritten to known ones before they are looked up, so that a prompt need not use our wording.
"""

import re
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from training import captions
from training.panoramas import Record, is_held_out

MAX_WORDS = 48
SPECIAL = ("[PAD]", "[UNK]", "[BOS]", "[EOS]")
ALIASES = {
    "towards": "toward",
    "cliffside": "cliffs",
    "seaside": "seashore",
    "oceans": "ocean",
    "seas": "sea",
    "lakes": "lake",
    "forests": "forest",
    "deserts": "desert",
    "beaches": "beach",
    "cities": "city",
    "towns": "town",
    "streets": "street",
    "village": "town",
    "downtown area": "downtown",
    "meadows": "meadow",
    "fields": "field",
    "mountainous": "mountain",
    "snowcapped": "snow capped",
    "canyons": "canyon",
    "volcanoes": "volcano",
    "volcanos": "volcano",
    "nebulae": "nebula",
    "nebulas": "nebula",
    "cosmos": "universe",
    "galaxies": "galaxy",
    "starlit": "starry",
    "skies": "sky",
    "foggier": "foggy",
    "rainy": "stormy",
    "thunder": "thunderstorm",
    "thunderstorms": "thunderstorm",
    "storms": "storm clouds",
    "cloud": "clouds",
    "gray": "grey",
    "greyish": "grey",
    "colorful": "colourful",
    "color": "colour",
    "colors": "colours",
    "colored": "coloured",
    "neighborhood": "neighbourhood",
    "cozy": "cosy",
    "nighttime": "night",
    "night time": "night",
    "day time": "daytime",
    "sun set": "sunset",
    "sun rise": "sunrise",
    "indoors": "indoor",
    "lounge room": "living room",
    "kitchen": "room",
    "hallway": "room",
    "apartment": "room",
    "house": "house",
    "jungle": "dense forest",
    "rainforest": "dense forest",
    "tundra": "tundra",
    "glacier": "ice",
    "iceberg": "ice",
    "antarctica": "arctic",
    "polar": "polar",
    "hills": "hills",
    "hill": "hills",
    "hillside": "hills",
    "skyscraper": "skyscrapers",
    "palms": "palm trees",
    "palm": "palm",
    "rocks": "rocks",
    "stone": "stone",
    "snowfall": "snow",
    "snowing": "snow",
    "blizzard": "snow fog",
    "reefs": "reef",
    "corals": "coral",
    "milkyway": "milky way",
    "auroras": "aurora",
    "lavas": "lava",
}


def words_of(text: str) -> list[str]:
    """Lower-case words of a text as the tokenizer sees them (before aliases)."""
    return re.sub(r"[^a-z0-9]+", " ", re.sub(r"[’']s?\b", "", text.lower())).split()


def collect_words(records: Iterable[Record]) -> list[str]:
    """Every word that training can show the model, sorted."""
    texts: list[str] = [phrase for _, _, phrase in captions.VIEW_PHRASES]
    texts += [
        captions.SUN_PHRASE,
        captions.MOON_PHRASE,
        *captions.NIGHT_CLEAR,
        "over a at in the snow palm trees",
        "wet ground lit windows hills coral lava sand rock grass leaves",
    ]
    for table in (captions.SCENES, captions.TIMES, captions.WEATHERS):
        texts += [text for options in table.values() for text in options]
    for record in records:
        if not is_held_out(record):
            texts += record["captions"] + list(record["colours"])
            texts += [str(value) for value in record["details"].values() if isinstance(value, str)]
    return sorted({word for text in texts for word in words_of(text)})


def build_tokenizer(words: list[str]) -> PreTrainedTokenizerFast:
    """A word-level tokenizer over ``words`` that pads to ``MAX_WORDS`` and brackets with BOS and EOS."""
    vocabulary = {word: i for i, word in enumerate((*SPECIAL, *words))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    known = set(words)
    rewrites = [
        normalizers.Replace(Regex(rf"\b{alias}\b"), target)
        for alias, target in ALIASES.items()
        if alias != target and not all(word in known for word in alias.split())
    ]
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"[’']s?\b"), ""),
            normalizers.Replace(Regex(r"[^\p{L}\p{N}]+"), " "),
            *rewrites,
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    bos, eos = vocabulary["[BOS]"], vocabulary["[EOS]"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[BOS] $A [EOS]", special_tokens=[("[BOS]", bos), ("[EOS]", eos)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=MAX_WORDS,
        pad_token="[PAD]",
        unk_token="[UNK]",
        bos_token="[BOS]",
        eos_token="[EOS]",
        padding_side="right",
        truncation_side="right",
    )


def unknown_words(tokenizer: PreTrainedTokenizerFast, prompt: str) -> list[str]:
    """The words of a prompt that the model never saw, in order, each once."""
    encoded = tokenizer(prompt, return_offsets_mapping=True, add_special_tokens=False)
    spans = [
        prompt[a:b]
        for i, (a, b) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
        if i == tokenizer.unk_token_id
    ]
    return list(dict.fromkeys(spans))
