"""Random-search NAS: spaces, evaluators, ranking, search."""
