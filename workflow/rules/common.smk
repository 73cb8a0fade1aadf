# Configuration, and the paths every rule is made of.
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from n2n import plan as planning
from n2n.config import check_config, options
from n2n.errors import UserError
from n2n.palettes import PALETTES

try:
    CONFIG = check_config(config)
except UserError as error:
    raise WorkflowError(str(error))

RAW, RESULTS, MODELS = CONFIG["raw"], CONFIG["results"], CONFIG["models"]
MEMORY_MB = round(1000 * CONFIG["memory_gb"])
GROUP = f"{RESULTS}/{{night}}/{{group}}"
LOGS = f"{RESULTS}/logs/{{night}}/{{group}}"

# Jobs find the n2n that belongs to this snakemake, also when its environment is not activated.
shell.prefix(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"; ')

# For jobs in which whole frames come and go: given back to the system each time, their pages would cost a tenth of
# the work. Networks would only grow by it.
KEEP_PAGES = "MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296"


wildcard_constraints:
    night="[^/]+",
    group="[^/]+",
    chunk=r"\d+",
    key="[^/]+",
    target="[^/_]+",
    palette="|".join(PALETTES),


def the_group(wildcards):
    return PLAN.groups[wildcards.night, wildcards.group]


def megabytes(bytes_a_pixel, least):
    """Memory of a job that holds whole images: so much a pixel, and what python takes.

    Peaks of exposures of 4 (assess), 9 (denoise) and 17 megapixels on a CPU, rounded up; none larger was tried.
    """
    return lambda wildcards: max(least, 300 + round(bytes_a_pixel * the_group(wildcards).pixels / 1e6))


def calibration_masters(wildcards):
    """Masters applied to a group."""
    chosen = the_group(wildcards).calibration
    keys = [chosen[kind] for kind in ("bias", "dark", "flat", "defects") if chosen[kind]]
    return [f"{RESULTS}/masters/{key}.fits" for key in keys]


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


def each_chunk(pattern):
    """Input function: `pattern` for every chunk of the group."""
    return lambda wildcards: expand(
        f"{GROUP}/{pattern}",
        night=wildcards.night,
        group=wildcards.group,
        chunk=the_group(wildcards).chunks,
    )


def the_model(wildcards):
    """The group's model: an ordinary input while it is to be trained, afterwards one whose age does not matter."""
    model = the_group(wildcards).model
    if model is None or (model not in PLAN.training and planning.model_state(CONFIG, model) == "missing"):
        return []
    path = f"{MODELS}/{model}/model.json"
    return path if model in PLAN.training else ancient(path)


def final_outputs():
    wanted = [f"{RESULTS}/{night}/ro-crate-metadata.json" for night in PLAN.nights]
    if "frames" in CONFIG["denoise"]["products"]:
        wanted += [f"{RESULTS}/{group.night}/{group.name}/frames" for group in PLAN.groups.values()]
    return wanted + (
        [f"{RESULTS}/{night}/verdict" for night in PLAN.nights] if CONFIG["gates"]["strict"] else []
    )


def summary():
    """What a person wants to know at the end of the run."""
    from n2n.stages._report_terminal import terminal_summary

    return terminal_summary(Path(RESULTS), [(group.night, group.name) for group in PLAN.groups.values()])
