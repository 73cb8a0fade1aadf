# denoise: the network on the stack. The result is a candidate; only assess gives it its final name.
rule denoise:
    input:
        pairs=f"{GROUP}/pairs.h5",
        model=the_model,
    output:
        f"{GROUP}/candidate.h5",
    log:
        f"{LOGS}/denoise.log",
    conda:
        ENVIRONMENT
    threads: 64
    resources:
        gpu=1,
        device=CONFIG["device"],
        mem_mb=megabytes(125, 3500),
    params:
        options=options(CONFIG, "denoise"),
        recipe=RECIPES["denoise"],
        model=lambda wildcards, input: ["--model", input.model] if input.model else [],
    shell:
        "n2n denoise {input.pairs:q} {params.model:q} {params.options}"
        " --device {resources.device} --gpus {resources.gpu} --threads {threads} --output {output:q} --log {log:q}"
