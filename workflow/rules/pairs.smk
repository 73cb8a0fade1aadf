# pairs: one view over all chunks of a group, split into A, B and the held-out C.
rule pairs:
    input:
        of_chunks("registered-", ".h5"),
    output:
        f"{GROUP}/pairs.h5",
    log:
        f"{LOGS}/pairs.log",
    conda:
        ENVIRONMENT
    threads: 64
    resources:
        mem_mb=MEMORY_MB,
    params:
        environment=KEEP_PAGES,
        options=options(CONFIG, "pairs"),
        recipe=RECIPES["pairs"],
        group=lambda wildcards: f"{wildcards.night}/{wildcards.group}",
    shell:
        "{params.environment} n2n pairs {input:q} --group {params.group:q} {params.options} --threads {threads} --memory-mb {resources.mem_mb} --output {output:q} --log {log:q}"
