# colour: a picture in colour from several groups of one target, where its filters allow it.
rule colour:
    input:
        channels,
    output:
        report(
            f"{RESULTS}/{{night}}/{{target}}_{{palette}}.png",
            caption="../report/colour.rst",
            category="{night}",
            subcategory="In colour",
        ),
    log:
        f"{RESULTS}/logs/{{night}}/{{target}}_{{palette}}.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
    params:
        options=options(CONFIG, "colour"),
        recipe=RECIPES["colour"],
    shell:
        "n2n colour {input:q} --palette {wildcards.palette} {params.options} --output {output:q} --log {log:q}"
