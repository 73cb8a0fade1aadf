# vet: look at what a set of masters makes of a few exposures; masters that do harm are refused with the reason.
rule vet:
    input:
        frames=f"{GROUP}/vetting/{{treatment}}.csv",
        masters=vetted_masters,
    output:
        f"{GROUP}/vetted-{{treatment}}.json",
    log:
        f"{LOGS}/vet-{{treatment}}.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=megabytes(60, 1500),
        raw=RAW,
        results=RESULTS,
    params:
        environment=KEEP_PAGES,
        recipe=RECIPES["vet"],
    shell:
        "{params.environment} n2n vet {input.frames:q} --raw {resources.raw:q} --results {resources.results:q}"
        " --output {output:q} --log {log:q}"
