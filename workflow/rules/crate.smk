# crate: what the night's results are and what they were made from, as RO-Crate.
rule crate:
    input:
        assessments=assessments,
        frames=f"{RESULTS}/{{night}}/frames.csv",
        settings=f"{RESULTS}/{{night}}/settings.json",
        report=f"{RESULTS}/{{night}}/report.html",
        colour=pictures_in_colour,
    output:
        report(
            f"{RESULTS}/{{night}}/ro-crate-metadata.json",
            caption="../report/crate.rst",
            category="{night}",
            subcategory="Night",
        ),
    log:
        f"{RESULTS}/logs/{{night}}/crate.log",
    conda:
        ENVIRONMENT
    params:
        recipe=RECIPES["crate"],
    shell:
        "n2n crate {input.assessments:q} --frames {input.frames:q} --colour {input.colour:q} --output {output:q}"
        " --log {log:q}"
