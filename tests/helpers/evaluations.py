"""The content of an evaluation.json."""


def evaluation_of(**finals):
    """Two inner steps, from 0.1 to the given accuracies, bands of 0.02."""
    return {
        "sources": {
            name: {
                "accuracy_per_step": [0.1, final],
                "ci95_per_step": [[0.09, 0.11], [final - 0.01, final + 0.01]],
            }
            for name, final in finals.items()
        }
    }
