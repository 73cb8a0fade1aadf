# denoise: the network on the stack. The result is a candidate; only assess gives it its final name.
rule denoise:
    input:
        pairs=f"{GROUP}/pairs.h5",
        model=the_model,
    output:
        f"{GROUP}/candidate.h5",
    log:
        f"{LOGS}/denoise.log",
    params:
        options=options(CONFIG, "denoise"),
        recipe=planning.RECIPES["denoise"],
        model=lambda wildcards, input: f"--model '{input.model}'" if input.model else "",
    threads: 64
    resources:
        gpu=1,
        mem_mb=3000,
    shell:
        "{N2N} denoise '{input.pairs}' {params.model} {params.options}"
        " --device {CONFIG[device]} --gpus {resources.gpu} --threads {threads} --output '{output}' --log '{log}'"
