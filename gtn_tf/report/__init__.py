"""One self-contained page of whatever a workdir holds; no TensorFlow here.

`results` reads and checks the files, `write` puts the page together of one
function per section, `page` knows HTML. May import whatever writes the files,
as far as that needs no TensorFlow. A new section is a function of `Results`,
None where there is nothing to show, and its place in `write._SECTIONS`.
"""
