# photo: one network on photographs, trained and tested; one cell of the study's cells.
rule photo:
    output:
        f"{STUDY}/runs/{{noise}}-{{activation}}-{{targets}}-{{seed}}/model.json",
    log:
        f"{RESULTS}/logs/study/{SIZE}/{{noise}}-{{activation}}-{{targets}}-{{seed}}.log",
    wildcard_constraints:
        noise="[a-z]+",
        activation="[a-z_]+",
        targets="noisy|clean",
        seed=r"\d+",
    conda:
        ENVIRONMENT
    threads: 1 if SIZE == "quick" else 64
    resources:
        gpu=1,
        device=CONFIG["device"],
        mem_mb=3000,
    params:
        photographs=lambda wildcards: cells.photograph_options(CONFIG["photos"]),
        recipe=cells.recipe_options(SIZE),
        version=RECIPES["photo"],
    shell:
        "n2n photo --log {log:q} train --noise {wildcards.noise} --activation {wildcards.activation}"
        " --targets {wildcards.targets} --seed {wildcards.seed} {params.recipe} {params.photographs}"
        " --device {resources.device} --gpus {resources.gpu} --threads {threads} --output {output:q}"
