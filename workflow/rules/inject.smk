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
        "../envs/n2n.yaml"
    threads: 64
    resources:
        gpu=1,
        device=CONFIG["device"],
        mem_mb=3500,
    params:
        options=f"{options(CONFIG, 'inject')} {options(CONFIG, 'pairs')}",
        recipe=planning.RECIPES["inject"],
        model=lambda wildcards, input: f"--model '{input.model}'" if input.model else "",
    shell:
        "n2n inject '{input.pairs}' --candidate '{input.candidate}' {params.model} {params.options}"
        " --device {resources.device} --gpus {resources.gpu} --threads {threads} --output '{output}' --log '{log}'"
