# report: one self-contained page a night.
rule report:
    input:
        frames=f"{RESULTS}/{{night}}/frames.csv",
        quarantine=f"{RESULTS}/{{night}}/quarantine.csv",
        assessments=assessments,
        colour=pictures_in_colour,
    output:
        page=report(
            f"{RESULTS}/{{night}}/report.html",
            caption="../report/night.rst",
            category="{night}",
            subcategory="Night",
        ),
        summary=report(
            f"{RESULTS}/{{night}}/summary.csv",
            caption="../report/summary.rst",
            category="{night}",
            subcategory="Night",
        ),
    log:
        f"{RESULTS}/logs/{{night}}/report.log",
    conda:
        ENVIRONMENT
    resources:
        models=MODELS,
    params:
        recipe=RECIPES["report"],
    shell:
        "n2n report {input.assessments:q} --frames {input.frames:q} --quarantine {input.quarantine:q}"
        " --models {resources.models:q} --colour {input.colour:q} --output {output.page:q} --summary {output.summary:q}"
        " --log {log:q}"


# Only asked for with gates.strict: ends the run with an error when a product failed, after the report is there.
rule verdict:
    input:
        assessments=assessments,
        report=f"{RESULTS}/{{night}}/report.html",
    output:
        touch(f"{RESULTS}/{{night}}/verdict"),
    log:
        f"{RESULTS}/logs/{{night}}/verdict.log",
    conda:
        ENVIRONMENT
    shell:
        "n2n report {input.assessments:q} --strict --log {log:q}"
