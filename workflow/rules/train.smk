# train: the U-Net, on the night's own repeated exposures. Only models that are missing are trained.
rule train:
    input:
        lambda wildcards: [
            f"{RESULTS}/{night}/{group}/pairs.h5"
            for night, group in PLAN.training[f"{wildcards.model}/{wildcards.id}"]
        ],
    output:
        f"{MODELS}/{{model}}/{{id}}/model.json",
    log:
        f"{RESULTS}/logs/models/{{model}}-{{id}}.log",
    wildcard_constraints:
        model="|".join({re.escape(name.split("/")[0]) for name in PLAN.training}),
        id="|".join({name.split("/")[1] for name in PLAN.training}),
    params:
        options=options(CONFIG, "train"),
        recipe=planning.RECIPES["train"],
    threads: 64
    retries: 0
    resources:
        gpu=1,
        mem_mb=3000,
    shell:
        "{N2N} train {input:q} {params.options} --device {CONFIG[device]} --gpus {resources.gpu} --threads {threads}"
        " --output '{output}' --log '{log}'"
