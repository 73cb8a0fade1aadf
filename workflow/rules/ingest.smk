# ingest: the nights' frames are listed while snakemake reads the workflow, because they decide which jobs there are
# (docs/decisions/0001-ingest-while-parsing.md). Unchanged files cost nothing; nothing is read twice.
def _say(text):
    print(text, file=sys.stderr, flush=True)


def _say_once(text):
    """Only the process that people started speaks."""
    if workflow.is_main_process:
        _say(f"note: {text}")


try:
    NIGHTS = nights.find_nights(RAW, CONFIG["nights"], RESULTS, _say_once, LITERAL)
    if workflow.is_main_process:
        intake.ingest_nights(CONFIG, NIGHTS, _say)
    PLAN = plan.make_plan(CONFIG, NIGHTS)
    refuse_long_commands()
    files.write_plan(CONFIG, PLAN)
except UserError as error:
    raise WorkflowError(str(error))

for note in PLAN.notes:
    _say_once(note)
