"""Measurements of speed and memory, each one command and one JSON file."""
