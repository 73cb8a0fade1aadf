# frames: every exposure denoised by itself, where denoise.products asks for it.
rule frames:
    input:
        f"{GROUP}/pairs.h5",
    output:
        directory(f"{GROUP}/frames"),
    log:
        f"{LOGS}/frames.log",
    conda:
        ENVIRONMENT
    threads: 64
    resources:
        gpu=1,
        device=CONFIG["device"],
        mem_mb=3500,
    params:
        options=options(CONFIG, "denoise"),
        recipe=RECIPES["frames"],
    shell:
        "n2n frames {input:q} {params.options}"
        " --device {resources.device} --gpus {resources.gpu} --threads {threads} --output {output:q} --log {log:q}"
