"""The tables' search methods on NAS-Bench-201, at the scale of two CPU cores.

    python -m gtn_tf.main --config=configs/nb201_16_methods.py \
        --mode=evaluate --config.evaluation.experiment=search_methods \
        --config.search.table=nb201_val_accs.csv

compares them within 1000 seconds or 200 proposals: strategies led by
evaluators, and searches that train weights of their own. How well a supernet
and a hypernetwork, trained anew, rank 400 cells beside what is free:

    python -m gtn_tf.main --config=configs/nb201_16_methods.py --mode=search \
        --config.search.num_architectures=400 \
        --config.search.evaluators="('ghn', 'supernet', 'params', 'flops')" \
        --config.search.table=nb201_val_accs.csv

Networks, images and table are those of nb201_16. The lengths of the trainings
are what fits a thousand seconds of two cores; published are 100 to 250 epochs
of networks that are ten times as large. Killed, both commands go on.

Measured, 400 cells, by log-likelihood: Spearman with the table of the supernet
0.67 [0.61, 0.71], Kendall 0.47 [0.43, 0.51]; of the hypernetwork 0.73 [0.68,
0.78] and 0.53 [0.49, 0.57]; of params 0.73 [0.68, 0.77] and 0.55 [0.51, 0.59].
On one core (AMD EPYC with AVX2) that other processes shared, commit 4d7b78b;
docs/results/ranking.md. The methods, 528 random cells, by log-likelihood: gtn
0.70, params 0.74, supernet 0.63, ghn 0.74, 60 real steps 0.77, a real subset
0.63, naswot 0.80; picks, DARTS, ENAS and NAONet-WS (three seeds, 91.1, 84.1 and
89.5 %) are in docs/results/search_methods.md.
"""

from ml_collections import config_dict

from gtn_tf.config.named import named_config


def get_config() -> config_dict.ConfigDict:
    config = named_config("nb201_16")
    search = config.search
    search.num_architectures = 200  # of each search, at most
    search.readout = "log_likelihood"
    search.evaluators = (  # others are compared with the first
        *("gtn", "params", "supernet", "ghn"),
        *("real:steps=60", "real_subset:steps=20", "naswot"),
    )
    search.gtn = "gtn:cifar10_16"
    search.supernet.num_epochs = 50
    search.supernet.learning_rate = 0.3  # as measured; others were not tried
    search.ghn.num_epochs = 15
    search.ghn.num_phases = 2
    search.darts.num_epochs = 15
    search.enas.num_epochs = 40
    search.nao_ws.num_epochs = 8
    search.nao_ws.pool = 200
    search.nao_ws.num_new = 100
    return config
