# master: one bias, dark or flat, or the map of the detector's defects.
rule master:
    input:
        frames=f"{RESULTS}/masters/{{key}}.csv",
        zero=zero_of,
    output:
        f"{RESULTS}/masters/{{key}}.fits",
    log:
        f"{RESULTS}/logs/masters/{{key}}.log",
    # Masters whose raw frames are gone are used as they are: no rule may make them again.
    wildcard_constraints:
        key="|".join(re.escape(key) for key, master in PLAN.masters.items() if not master.kept) or "(?!)",
    conda:
        ENVIRONMENT
    # Flats come when nothing else is left to do: they wait for their bias, and all lights wait for them.
    threads: lambda wildcards: 64 if PLAN.masters[wildcards.key].zero else 1
    resources:
        mem_mb=MEMORY_MB,
        raw=RAW,
    params:
        environment=KEEP_PAGES,
        recipe=RECIPES["master"],
        zero=lambda wildcards, input: ["--zero", input.zero] if input.zero else [],
    shell:
        "{params.environment} n2n master {input.frames:q} --raw {resources.raw:q} {params.zero:q} --threads {threads} --memory-mb {resources.mem_mb} --output {output:q} --log {log:q}"
