"""Compares a GTN with other sources of training data."""
