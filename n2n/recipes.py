"""What makes other results from the same input: one number a stage, raised by hand, and nowhere else.

Snakemake sees changed files and settings, not changed code. A stage whose pixels or numbers come out differently gets
a higher number here, in the same commit; the next run then repeats it, and what depends on it. Changes of speed,
messages or style raise nothing.

This file lies below `n2n.formats` because all rooms read it: the workflow runs stages again by it, `n2n.planning`
names models by it, `n2n.nets` and `n2n.study` write it into models, `n2n.formats.provenance` into headers. It is a
table and imports nothing.
"""

RECIPES = {
    "master": 7,
    "vet": 3,
    "measure": 6,
    "reference": 4,
    "register": 8,
    "pairs": 9,
    "stack": 8,
    "train": 6,  # raise it only when the network itself comes out differently: everybody trains again
    "denoise": 10,
    "frames": 8,
    "inject": 4,
    "assess": 16,
    "colour": 2,
    "report": 7,
    "crate": 1,
    "photo": 1,
    "study": 1,
}
# What only shows or describes products, or belongs to the study on photographs, makes no pixel of them.
_NO_PIXELS = {"colour", "report", "crate", "photo", "study"}
PIXELS = {stage: number for stage, number in RECIPES.items() if stage not in _NO_PIXELS}
# The card RECIPE of a product: numbers only rise, so their sum rises with each of them.
RECIPE = sum(PIXELS.values())
# Stored networks from this number of `train` on can still be applied; raise it to today's where older ones cannot.
# (Networks of recipe 6 were stored as 5 when the two were counted apart.)
OLDEST_MODEL = 5
