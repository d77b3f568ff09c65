"""What is meta-trained, and how it becomes a learner's batches.

One module each: `gtn` (a generator and its curriculum), `distillation`
(images that are learned themselves), `real` (real images, whose inner rates
are learned). `warm_start` lets the first two begin as real ones. Imports
`learners` and what is below it. One more is a subclass of `Teacher` and its
line in `registry.SOURCES`.
"""
