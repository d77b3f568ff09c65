"""The maintainers' own tools: kept results and the pages made of them."""
