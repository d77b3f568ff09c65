"""Trains one genotype to the end on real data, the long protocol."""
