"""Everything that is drawn, with matplotlib; no TensorFlow here.

A module per subject; a function draws one `Figure`, which `style` writes as
PNG or as SVG inside a page. May import `runtime`, `search_spaces` and
`statistics`. A new figure takes plain data (arrays, the content of a JSON
file), runs `in_theme`, is `style.WIDTH` wide, draws with the colours of `style`
and says once, by `add_note`, what its bars and seeds are.
"""
