# The nights: what n2n is for.
include: "ingest.smk"
include: "master.smk"
include: "measure.smk"
include: "reference.smk"
include: "register.smk"
include: "pairs.smk"
include: "stack.smk"


# A rule that is not there has no triggers: with all models in place nothing can set off a training.
if PLAN.training:

    include: "train.smk"


include: "denoise.smk"
include: "assess.smk"
include: "report.smk"


rule all:
    default_target: True
    input:
        final_outputs(),
    localrule: True


onsuccess:
    print(summary(), file=sys.stderr)
