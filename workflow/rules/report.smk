# report: one self-contained page a night.
rule report:
    input:
        frames=f"{RESULTS}/{{night}}/frames.csv",
        quarantine=f"{RESULTS}/{{night}}/quarantine.csv",
        assessments=assessments,
    output:
        f"{RESULTS}/{{night}}/report.html",
    log:
        f"{RESULTS}/logs/{{night}}/report.log",
    conda:
        "../envs/n2n.yaml"
    resources:
        models=MODELS,
    params:
        recipe=planning.RECIPES["report"],
    shell:
        "n2n report {input.assessments:q} --frames '{input.frames}' --quarantine '{input.quarantine}'"
        " --models '{resources.models}' --output '{output}' --log '{log}'"


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
        "../envs/n2n.yaml"
    shell:
        "n2n report {input.assessments:q} --strict --log '{log}'"
