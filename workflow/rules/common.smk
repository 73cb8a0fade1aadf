# Configuration, and the paths every rule is made of.
#
# Three things that many rules have:
# - `threads: 64` means: all cores of the run, for jobs that all others wait for. Snakemake grants no more than --cores;
#   profiles/slurm says how many it is to be on a cluster, for every rule.
# - `resources: raw=RAW`, or results, models, device: where to find what a command is told, but which changes no result.
#   As params they would set every job off again when a folder moves, or a GPU is there; resources set nothing off.
# - `params: recipe=RECIPES[...]` sets a stage off when its number in n2n/recipes.py was raised.
import os
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from n2n.planning import files, intake, models, names, nights, plan
from n2n.config import check_config, options
from n2n.errors import UserError
from n2n.formats.palettes import PALETTES
from n2n.recipes import RECIPES

# A brace in a folder's name is a brace; only the wildcards of these rules are wildcards.
LITERAL = names.braces_mean_themselves()

try:
    CONFIG = check_config(config)
    for place in ("results", "models"):
        if why := names.why_unusable(CONFIG[place], LITERAL):
            raise UserError(
                f"config: {place}: the folder's name {why}; choose another: {names.shown(CONFIG[place])}"
            )
except UserError as error:
    raise WorkflowError(str(error))

RAW, RESULTS, MODELS = CONFIG["raw"], CONFIG["results"], CONFIG["models"]
MEMORY_MB = round(1000 * CONFIG["memory_gb"])
GROUP = f"{RESULTS}/{{night}}/{{group}}"
LOGS = f"{RESULTS}/logs/{{night}}/{{group}}"

# Jobs run the n2n that belongs to this snakemake, also when its environment is not activated. By its path, whatever
# letters that has: on PATH a colon would part it. Snakemake formats this text, so its braces are doubled.
N2N = f'n2n() {{ {shlex.quote(sys.executable)} -P -m n2n "$@"; }}; '
shell.prefix(N2N.replace("{", "{{").replace("}", "}}"))

# Snakemake formats the path it makes of this, that of the checkout included.
ENVIRONMENT = "../envs/n2n.yaml"
HERE = str(workflow.current_basedir.get_path_or_uri(secret_free=True))
if set("{}") & set(HERE):
    ENVIRONMENT = f"{os.path.dirname(HERE)}/envs/n2n.yaml".replace("{", "{{").replace("}", "}}")

# What a person finds in the end.
OF_GROUP = [
    *("denoised.fits", "stack.fits", "assessment.json", "preview.png", "before_after.png"),
    *("changed_sources.csv", "changed_sources.png"),
    *(["frames"] if "frames" in CONFIG["denoise"]["products"] else []),
]
OF_NIGHT = ["report.html", "summary.csv", "ro-crate-metadata.json"]
OF_NIGHT += ["verdict"] if CONFIG["gates"]["strict"] else []

# For jobs in which whole frames come and go: the memory allocator keeps their pages instead of giving them back to the
# system each time, which would cost a tenth of the work. Not where networks run: they would only grow by it.
KEEP_PAGES = "MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296"


wildcard_constraints:
    night="[^/]+",
    group="[^/]+",
    chunk=r"\d+",
    key="[^/]+",
    treatment="[0-9a-f]+",
    target="[^/_]+",
    palette="|".join(PALETTES),


def the_group(wildcards):
    return PLAN.groups[wildcards.night, wildcards.group]


def megabytes(bytes_a_pixel, least):
    """Memory of a job that holds whole images: so much a pixel, and what python takes.

    Peaks of exposures of 4 (assess), 9 (denoise) and 17 megapixels on a CPU, rounded up; none larger was tried.
    """
    return lambda wildcards: max(least, 300 + round(bytes_a_pixel * the_group(wildcards).pixels / 1e6))


def chunks_of(wildcards, reference):
    """The chunk of a job, with those the reference comes from where it is calibrated, too."""
    return list(
        dict.fromkeys([wildcards.chunk, *(the_group(wildcards).reference_chunks if reference else [])])
    )


def calibration_masters(reference=False):
    """Input function: masters that the exposures of a chunk (and the reference) are calibrated with."""
    return lambda wildcards: [
        f"{RESULTS}/masters/{key}.fits"
        for key in the_group(wildcards).masters(chunks_of(wildcards, reference))
    ]


def vetted(reference=False):
    """Input function: what was found about the sets of these masters."""
    return lambda wildcards: [
        f"{RESULTS}/{wildcards.night}/{wildcards.group}/vetted-{name}.json"
        for name in the_group(wildcards).sets(chunks_of(wildcards, reference))
    ]


def all_vetted(wildcards):
    """What was found about all sets of masters of a group."""
    group = the_group(wildcards)
    return [f"{RESULTS}/{group.night}/{group.name}/vetted-{name}.json" for name in group.sets(group.chunks)]


def vetted_masters(wildcards):
    """Masters of one set."""
    row = the_group(wildcards).vetted[wildcards.treatment][0]
    return [f"{RESULTS}/masters/{row[kind]}.fits" for kind in ("dark", "bias", "flat") if row[kind]]


def zero_of(wildcards):
    """The master subtracted from a flat."""
    zero = PLAN.masters[wildcards.key].zero
    return f"{RESULTS}/masters/{zero}.fits" if zero else []


def assessments(wildcards):
    """The assessments of a night's groups."""
    return [f"{RESULTS}/{g.night}/{g.name}/assessment.json" for g in PLAN.of_night(wildcards.night)]


def channels(wildcards):
    """The products a colour composite is made of."""
    groups = PLAN.composites[wildcards.night, wildcards.target, wildcards.palette]
    return [f"{RESULTS}/{wildcards.night}/{group}/denoised.fits" for group in groups]


def pictures_in_colour(wildcards):
    """The colour composites of a night."""
    chosen = [key for key in PLAN.composites if key[0] == wildcards.night]
    return [f"{RESULTS}/{night}/{target}_{palette}.png" for night, target, palette in chosen]


def of_chunks(before, after, chunks=lambda group: group.chunks):
    """Input function: a file for every chunk of the group, or for those that `chunks` chooses."""
    return lambda wildcards: [
        f"{RESULTS}/{wildcards.night}/{wildcards.group}/{before}{chunk}{after}"
        for chunk in chunks(the_group(wildcards))
    ]


def the_model(wildcards):
    """The group's model: an ordinary input while it is to be trained, afterwards one whose age does not matter."""
    model = the_group(wildcards).model
    if model is None or (model not in PLAN.training and models.model_state(CONFIG, model) == "missing"):
        return []
    path = f"{MODELS}/{model}/model.json"
    return path if model in PLAN.training else ancient(path)


def products(wildcards):
    """Every file that people look at: a deleted one is made again. What lies between may be deleted to save space."""
    # What a killed run left unfinished is made again, also where profiles/default is not used. Earlier snakemake has
    # no such settings yet.
    workflow.dag_settings.force_incomplete = True
    wanted = []
    for group in PLAN.groups.values():
        wanted += [f"{RESULTS}/{group.night}/{group.name}/{name}" for name in OF_GROUP]
    for night in PLAN.nights:
        wanted += [f"{RESULTS}/{night}/{name}" for name in OF_NIGHT]
    wanted += [f"{RESULTS}/{night}/{target}_{palette}.png" for night, target, palette in PLAN.composites]
    return wanted


def refuse_for_cluster():
    """Names that jobs on other machines cannot be told end the run before its first job."""
    for night in PLAN.nights:
        if why := names.why_not_on_a_cluster(night):
            raise WorkflowError(
                f"night {night}: its name {why}, which snakemake cannot hand to a cluster; rename its folder, or run "
                "without --executor"
            )


def refuse_long_commands():
    """A group of very many chunks makes commands that not every working folder can run."""
    for group in PLAN.groups.values():
        file = f"{RESULTS}/{group.night}/{group.name}/registered-000.h5"
        if why := names.too_long_for(os.getcwd(), len(group.chunks), file):
            raise UserError(
                f"{group.night}/{group.name} has {len(group.chunks)} chunks, and this folder's path {why}, which "
                "commands as long as that do not bear; run in another folder (--directory), or raise ingest.chunk_size"
            )


def summary():
    """What a person wants to know at the end of the run."""
    from n2n.report.terminal import terminal_summary

    return terminal_summary(Path(RESULTS), [(group.night, group.name) for group in PLAN.groups.values()])
