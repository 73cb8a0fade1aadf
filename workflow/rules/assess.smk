# assess: judge the candidate on held-out exposures, then write the product, or the plain stack in its place.
rule assess:
    input:
        pairs=f"{GROUP}/pairs.h5",
        stack=f"{GROUP}/stack.fits",
        candidate=f"{GROUP}/candidate.h5",
        calibration=f"{GROUP}/calibration.json",
    output:
        denoised=f"{GROUP}/denoised.fits",
        assessment=f"{GROUP}/assessment.json",
        preview=f"{GROUP}/preview.png",
        before_after=f"{GROUP}/before_after.png",
    log:
        f"{LOGS}/assess.log",
    conda:
        "../envs/n2n.yaml"
    resources:
        mem_mb=2000,
    params:
        options=options(CONFIG, "gates"),
        recipe=planning.RECIPES["assess"],
    shell:
        "n2n assess '{input.pairs}' --stack '{input.stack}' --candidate '{input.candidate}'"
        " --calibration '{input.calibration}'"
        " {params.options} --output '{output.denoised}' --log '{log}'"
