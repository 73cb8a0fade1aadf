# register: a chunk onto the reference's grid, scale and sky.
rule register:
    input:
        frames=f"{GROUP}/chunks/{{chunk}}.csv",
        calibration=f"{GROUP}/calibration.json",
        masters=calibration_masters,
        measured=f"{GROUP}/measured-{{chunk}}.json",
        reference=f"{GROUP}/reference.json",
    output:
        f"{GROUP}/registered-{{chunk}}.h5",
    log:
        f"{LOGS}/register-{{chunk}}.log",
    conda:
        "../envs/n2n.yaml"
    resources:
        mem_mb=megabytes(60, 2000),
        raw=RAW,
        results=RESULTS,
    params:
        environment=KEEP_PAGES,
        options=options(CONFIG, "register"),
        recipe=planning.RECIPES["register"],
    shell:
        "{params.environment} n2n register '{input.frames}' --raw '{resources.raw}' --results '{resources.results}' --calibration '{input.calibration}'"
        " --measured '{input.measured}' --reference '{input.reference}'"
        " {params.options} --output '{output}' --log '{log}'"
