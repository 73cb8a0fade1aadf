# The nights: what n2n is for.
include: "rules/ingest.smk"
include: "rules/master.smk"
include: "rules/vet.smk"
include: "rules/measure.smk"
include: "rules/reference.smk"
include: "rules/register.smk"
include: "rules/pairs.smk"
include: "rules/stack.smk"


# A rule that is not there has no triggers: with all models in place nothing can set off a training.
if PLAN.training:

    include: "rules/train.smk"


include: "rules/denoise.smk"
include: "rules/frames.smk"
include: "rules/inject.smk"
include: "rules/assess.smk"
include: "rules/colour.smk"
include: "rules/report.smk"
include: "rules/crate.smk"


rule all:
    default_target: True
    input:
        products,
    localrule: True


onstart:
    if workflow.non_local_exec:
        refuse_for_cluster()


onsuccess:
    print(summary(), file=sys.stderr)
