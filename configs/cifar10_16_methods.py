"""The tables' search methods on the paper's cells, at two-core scale.

    python -m gtn_tf.main --config=configs/cifar10_16_methods.py \
        --mode=evaluate --config.evaluation.experiment=search_methods

Cells and networks are those of cifar10_16_nas: 5 nodes, 11 operations, CIFAR-10
at 16x16. No table knows their accuracy, so the truth is 300 real steps, of the
best cell of each search alone. Killed, the same command goes on.

Measured: accuracy of the pick, mean of twelve searches (four strategies, three
seeds): real_subset:steps=20 45.5 %, real:steps=60 45.5, gtn 45.0, naswot 42.5,
params 41.9, supernet 40.6, ghn 40.4, in 113, 230, 652, 29, 0, 871 and 593
seconds of one core (Intel Xeon with AVX-512), float32, TF 2.21, commit 4bab709.
Of three seeds: darts 43.7, enas 42.7, nao_ws 32.7, in 1772, 1078 and 2116
seconds beside other work (commit ab36538). docs/results/search_methods.md
"""

from ml_collections import config_dict

from gtn_tf.config.named import named_config


def get_config() -> config_dict.ConfigDict:
    config = named_config("cifar10_16_nas")
    search = config.search
    search.num_architectures = 24  # of each search, at most
    config.evaluation.search_seconds = 2000
    search.evolution.population, search.evolution.sample = 8, 3
    search.nao.num_first, search.nao.num_new = 12, 4
    search.select_top = 1  # the truth is dear
    search.evaluators = named_config("nb201_16_methods").search.evaluators
    search.readout = "log_likelihood"
    search.common_random_numbers = True
    search.statistics = "validation"
    search.num_validation_images = 1000
    search.truth = "real:steps=300"
    search.gtn = None  # meta-trained here: set-ups are one machine's
    search.supernet.num_epochs = 6
    search.ghn.num_epochs = 3
    search.ghn.num_phases = 2
    search.darts.num_epochs = 1
    search.enas.num_epochs = 3
    search.nao_ws.num_epochs = 1
    search.nao_ws.num_network_epochs = 60  # each architecture in ten ways
    search.nao_ws.pool = 200
    search.nao_ws.num_new = 100
    return config
