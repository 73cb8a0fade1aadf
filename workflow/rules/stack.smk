# stack: the weighted mean of all accepted exposures.
rule stack:
    input:
        f"{GROUP}/pairs.h5",
    output:
        f"{GROUP}/stack.fits",
    log:
        f"{LOGS}/stack.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=megabytes(60, 1500),
    params:
        recipe=RECIPES["stack"],
    shell:
        "n2n stack {input:q} --output {output:q} --log {log:q}"
