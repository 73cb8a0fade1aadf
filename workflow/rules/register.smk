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
    params:
        options=options(CONFIG, "register"),
        recipe=planning.RECIPES["register"],
    resources:
        mem_mb=2000,
    shell:
        "{N2N} register '{input.frames}' --raw '{RAW}' --results '{RESULTS}' --calibration '{input.calibration}'"
        " --measured '{input.measured}' --reference '{input.reference}'"
        " {params.options} --output '{output}' --log '{log}'"
