# assess: judge the candidate on held-out exposures, then write the product, or the plain stack in its place.
rule assess:
    input:
        pairs=f"{GROUP}/pairs.h5",
        stack=f"{GROUP}/stack.fits",
        candidate=f"{GROUP}/candidate.h5",
        calibration=f"{GROUP}/calibration.json",
        vetted=all_vetted,
        injected=f"{GROUP}/inject.json" if CONFIG["inject"]["realisations"] else [],
    output:
        denoised=f"{GROUP}/denoised.fits",
        assessment=report(
            f"{GROUP}/assessment.json",
            caption="../report/assessment.rst",
            category="{night}",
            subcategory="{group}",
        ),
        preview=report(
            f"{GROUP}/preview.png",
            caption="../report/preview.rst",
            category="{night}",
            subcategory="{group}",
        ),
        before_after=report(
            f"{GROUP}/before_after.png",
            caption="../report/before_after.rst",
            category="{night}",
            subcategory="{group}",
        ),
        changed=f"{GROUP}/changed_sources.csv",
        pictures=f"{GROUP}/changed_sources.png",
    log:
        f"{LOGS}/assess.log",
    conda:
        ENVIRONMENT
    resources:
        mem_mb=megabytes(190, 2000),
    params:
        options=options(CONFIG, "gates"),
        injected=lambda wildcards, input: ["--injected", input.injected] if input.injected else [],
        recipe=RECIPES["assess"],
    shell:
        "n2n assess {input.pairs:q} --stack {input.stack:q} --candidate {input.candidate:q}"
        " --calibration {input.calibration:q} --vetted {input.vetted:q}"
        " {params.injected:q} {params.options} --output {output.denoised:q} --log {log:q}"
