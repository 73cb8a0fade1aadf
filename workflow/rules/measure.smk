# measure: calibrate a chunk in memory, find stars, grade every exposure.
rule measure:
    input:
        frames=f"{GROUP}/chunks/{{chunk}}.csv",
        calibration=f"{GROUP}/calibration.json",
        masters=calibration_masters(),
        vetted=vetted(),
    output:
        f"{GROUP}/measured-{{chunk}}.json",
    log:
        f"{LOGS}/measure-{{chunk}}.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=megabytes(40, 1500),
        raw=RAW,
        results=RESULTS,
    params:
        environment=KEEP_PAGES,
        options=options(CONFIG, "measure"),
        recipe=RECIPES["measure"],
    shell:
        "{params.environment} n2n measure {input.frames:q} --raw {resources.raw:q} --results {resources.results:q} --calibration {input.calibration:q}"
        " --vetted {input.vetted:q}"
        " {params.options} --output {output:q} --log {log:q}"
