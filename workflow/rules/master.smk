# master: one bias, dark or flat, or the map of the detector's defects.
def zero_of(wildcards):
    zero = PLAN.masters[wildcards.key].zero
    return f"{RESULTS}/masters/{zero}.fits" if zero else []


rule master:
    input:
        frames=f"{RESULTS}/masters/{{key}}.csv",
        zero=zero_of,
    output:
        f"{RESULTS}/masters/{{key}}.fits",
    log:
        f"{RESULTS}/logs/masters/{{key}}.log",
    params:
        recipe=planning.RECIPES["master"],
        zero=lambda wildcards, input: f"--zero '{input.zero}'" if input.zero else "",
    resources:
        mem_mb=2000,
    shell:
        "{N2N} master '{input.frames}' --raw '{RAW}' {params.zero} --output '{output}' --log '{log}'"
