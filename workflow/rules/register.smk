# register: a chunk onto the reference's grid, scale and sky.
rule register:
    input:
        frames=f"{GROUP}/chunks/{{chunk}}.csv",
        calibration=f"{GROUP}/calibration.json",
        masters=calibration_masters(reference=True),
        vetted=vetted(reference=True),
        measured=f"{GROUP}/measured-{{chunk}}.json",
        reference=f"{GROUP}/reference.json",
    output:
        f"{GROUP}/registered-{{chunk}}.h5",
    log:
        f"{LOGS}/register-{{chunk}}.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=megabytes(60, 2000),
        raw=RAW,
        results=RESULTS,
    params:
        environment=KEEP_PAGES,
        options=options(CONFIG, "register"),
        recipe=RECIPES["register"],
    shell:
        "{params.environment} n2n register {input.frames:q} --raw {resources.raw:q} --results {resources.results:q} --calibration {input.calibration:q}"
        " --vetted {input.vetted:q}"
        " --measured {input.measured:q} --reference {input.reference:q}"
        " {params.options} --output {output:q} --log {log:q}"
