# What the user set, in config/config.yaml and by --config. Read by n2n, not by `configfile:`, so that names stay text
# (2026-10-03, 007), a file of comments is an empty one, and an error is one line that names the line of the file.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

from n2n.planning import runs
from n2n.config import read_settings
from n2n.errors import UserError

SETTINGS = "config/config.yaml"

if workflow.is_main_process:
    runs.enter(
        Path.cwd(),
        lambda text: print(text, file=sys.stderr, flush=True),
        unlocking="--unlock" in sys.argv[1:],
    )

if os.path.exists("config/config.yml") and not os.path.exists(SETTINGS):
    raise WorkflowError(f"config/config.yml is not read; call it {SETTINGS}")

if os.path.exists(SETTINGS) and not workflow.config_settings.replace_workflow_config:
    try:
        update_config(config, read_settings(Path(SETTINGS)))
    except UserError as error:
        raise WorkflowError(str(error))
    workflow.configfiles.append(SETTINGS)
    update_config(config, workflow.config_settings.overwrite_config)
