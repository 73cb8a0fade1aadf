# Entry point; the workflow itself is workflow/Snakefile.
include: "workflow/Snakefile"


rule default:
    default_target: True
    localrule: True
    input:
        rules.all.input,
