# measure: calibrate a chunk in memory, find stars, grade every exposure.
rule measure:
    input:
        frames=f"{GROUP}/chunks/{{chunk}}.csv",
        calibration=f"{GROUP}/calibration.json",
        masters=calibration_masters,
    output:
        f"{GROUP}/measured-{{chunk}}.json",
    log:
        f"{LOGS}/measure-{{chunk}}.log",
    params:
        options=options(CONFIG, "measure"),
        recipe=planning.RECIPES["measure"],
    resources:
        mem_mb=1500,
    shell:
        "{N2N} measure '{input.frames}' --raw '{RAW}' --results '{RESULTS}' --calibration '{input.calibration}'"
        " {params.options} --output '{output}' --log '{log}'"
