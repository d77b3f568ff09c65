"""Where and how a run goes: devices, files, resuming, progress.

Knows nothing of what is trained. `graph_memory` and `graph_rewriting` answer
faults of TensorFlow.
"""
