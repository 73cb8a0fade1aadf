# ingest: the nights' frames are listed while snakemake reads the workflow, because they decide which jobs there are
# (docs/decisions/0001-ingest-while-parsing.md). Unchanged files cost nothing; nothing is read twice.
def _say(text):
    print(text, file=sys.stderr, flush=True)


try:
    NIGHTS = planning.find_nights(RAW, CONFIG["nights"], RESULTS)
    if workflow.is_main_process:
        planning.ingest_nights(CONFIG, NIGHTS, _say)
    PLAN = planning.make_plan(CONFIG, NIGHTS)
    planning.write_plan(CONFIG, PLAN)
except UserError as error:
    raise WorkflowError(str(error))

if workflow.is_main_process:
    for note in PLAN.notes:
        _say(f"note: {note}")
