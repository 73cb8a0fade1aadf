# study: Noise2Noise on photographs; `snakemake study --config study=quick`. Nights are not looked at.
from n2n.study import cells

SIZE = CONFIG["study"] if CONFIG["study"] != "none" else "quick"
STUDY = f"{RESULTS}/study/{SIZE}"


include: "photo.smk"


rule study:
    input:
        [
            f"{STUDY}/runs/{cell['noise']}-{cell['activation']}-{cell['targets']}-{cell['seed']}/model.json"
            for cell in cells.cells(SIZE)
        ],
    output:
        verdict=report(f"{STUDY}/verdict.md", caption="../report/verdict.rst", category="Study"),
        scores=report(f"{STUDY}/scores.csv", caption="../report/scores.rst", category="Study"),
        comparisons=report(f"{STUDY}/comparisons.csv", caption="../report/comparisons.rst", category="Study"),
        curves=report(f"{STUDY}/curves.png", caption="../report/curves.rst", category="Study"),
        examples=report(f"{STUDY}/examples.png", caption="../report/examples.rst", category="Study"),
    log:
        f"{RESULTS}/logs/study/{SIZE}.log",
    conda:
        ENVIRONMENT
    params:
        version=RECIPES["study"],
    shell:
        "n2n study {input:q} --output {output.verdict:q} --log {log:q}"
