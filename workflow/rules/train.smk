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
    retries: 0
    conda:
        ENVIRONMENT
    threads: 64
    resources:
        gpu=1,
        device=CONFIG["device"],
        mem_mb=3000,
    params:
        # Where models are trained again (model.mode: retrain) a default that is written out must not set one off.
        options=options({"train": models.training(CONFIG)}, "train"),
        recipe=RECIPES["train"],
    shell:
        "n2n train {input:q} {params.options} --device {resources.device} --gpus {resources.gpu} --threads {threads}"
        " --output {output:q} --log {log:q}"
