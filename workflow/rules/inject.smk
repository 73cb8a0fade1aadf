# inject: known stars and nebulae through the same network, for the depth that assess judges.
rule inject:
    input:
        pairs=f"{GROUP}/pairs.h5",
        candidate=f"{GROUP}/candidate.h5",
        model=the_model,
    output:
        f"{GROUP}/inject.json",
    log:
        f"{LOGS}/inject.log",
    conda:
        ENVIRONMENT
    threads: 64
    resources:
        gpu=1,
        device=CONFIG["device"],
        mem_mb=3500,
    params:
        options=f"{options(CONFIG, 'inject')} {options(CONFIG, 'pairs')}",
        recipe=RECIPES["inject"],
        model=lambda wildcards, input: ["--model", input.model] if input.model else [],
    shell:
        "n2n inject {input.pairs:q} --candidate {input.candidate:q} {params.model:q} {params.options}"
        " --device {resources.device} --gpus {resources.gpu} --threads {threads} --output {output:q} --log {log:q}"
