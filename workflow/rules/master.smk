# master: one bias, dark or flat, or the map of the detector's defects.
rule master:
    input:
        frames=f"{RESULTS}/masters/{{key}}.csv",
        zero=zero_of,
    output:
        f"{RESULTS}/masters/{{key}}.fits",
    log:
        f"{RESULTS}/logs/masters/{{key}}.log",
    conda:
        "../envs/n2n.yaml"
    resources:
        mem_mb=MEMORY_MB,
        raw=RAW,
    params:
        recipe=planning.RECIPES["master"],
        zero=lambda wildcards, input: f"--zero '{input.zero}'" if input.zero else "",
    shell:
        "n2n master '{input.frames}' --raw '{resources.raw}' {params.zero} --memory-mb {resources.mem_mb} --output '{output}' --log '{log}'"
