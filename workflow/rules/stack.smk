# stack: the weighted mean of all accepted exposures.
rule stack:
    input:
        f"{GROUP}/pairs.h5",
    output:
        f"{GROUP}/stack.fits",
    log:
        f"{LOGS}/stack.log",
    params:
        recipe=planning.RECIPES["stack"],
    resources:
        mem_mb=1500,
    shell:
        "{N2N} stack '{input}' --output '{output}' --log '{log}'"
