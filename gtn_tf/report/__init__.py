"""One self-contained page of whatever a workdir holds; no TensorFlow here.

`results` reads and checks the files, `write` puts the page together of one
function per section, `page` fills in jinja2 templates (`templates/`, one per
section), which escape every value; `numbers` writes numbers. May import
whatever writes the files, as far as that needs no TensorFlow. A new section is
a template, a function of `Results` that renders it, None where there is nothing
to show, and its place in `write._SECTIONS`.
"""
