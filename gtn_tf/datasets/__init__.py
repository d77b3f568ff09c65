"""Real images: reading, splitting, drawing batches.

Imports `types`, `import_paths` and `ops`. One more source of images is a file
here with a loader, and a line of `registry`: image shape and number of classes
come from the data.
"""
