# report: one self-contained page a night.
def assessments(wildcards):
    return [f"{RESULTS}/{g.night}/{g.name}/assessment.json" for g in PLAN.of_night(wildcards.night)]


rule report:
    input:
        frames=f"{RESULTS}/{{night}}/frames.csv",
        quarantine=f"{RESULTS}/{{night}}/quarantine.csv",
        assessments=assessments,
    output:
        f"{RESULTS}/{{night}}/report.html",
    log:
        f"{RESULTS}/logs/{{night}}/report.log",
    params:
        recipe=planning.RECIPES["report"],
    shell:
        "{N2N} report {input.assessments:q} --frames '{input.frames}' --quarantine '{input.quarantine}'"
        " --models '{MODELS}' --output '{output}' --log '{log}'"


# Only asked for with gates.strict: ends the run with an error when a product failed, after the report is there.
rule verdict:
    input:
        assessments=assessments,
        report=f"{RESULTS}/{{night}}/report.html",
    output:
        touch(f"{RESULTS}/{{night}}/verdict"),
    log:
        f"{RESULTS}/logs/{{night}}/verdict.log",
    shell:
        "{N2N} report {input.assessments:q} --strict --log '{log}'"
