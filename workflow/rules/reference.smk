# reference: the exposure all others are brought to, and the limits of quality; frozen after the first batch.
rule reference:
    input:
        of_chunks("measured-", ".json", lambda group: group.reference_chunks),
    output:
        f"{GROUP}/reference.json",
    log:
        f"{LOGS}/reference.log",
    conda:
        ENVIRONMENT
    params:
        options=options(CONFIG, "reference"),
        recipe=RECIPES["reference"],
    shell:
        "n2n reference {input:q} {params.options} --output {output:q} --log {log:q}"
