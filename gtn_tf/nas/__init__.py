"""Architecture search in the cell space of the paper."""
