"""A session kNN query on RetailRocket: no peer takes part, the mean time of a query stands against a fixed bar."""

import gzip

import numpy as np

from case import Case, data, saved

NAME = "session_knn"
PACKAGES = ()
# A query is one thread's work.
THREADS = (1,)
K = 20
# What a session kNN is known to find here (its feasibility run gives .571): faster and worse does not count.
HIT_RATE_MIN = 0.55


def cases(quick):
    data("bench/sessions_retailrocket/train.txt.gz")
    return [Case("RetailRocket, mean of a query", must=0.3, reach=0.1, bar="ms", inputs={"rounds": 1 if quick else 5})]


def sessions(part):
    with gzip.open(data(f"bench/sessions_retailrocket/{part}.txt.gz"), "rt") as file:
        rows = [[int(item) for item in line.split()] for line in file]
    ptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype("<u8")
    return ptr, np.concatenate([np.array(row, dtype="<u4") for row in rows])


def prepare(case, folder):
    inputs = {"k": K, **case.inputs}
    for part in ("train", "test"):
        ptr, items = sessions(part)
        inputs[f"{part}_ptr"] = saved(folder / f"{part}.ptr.u64", lambda: ptr)
        inputs[f"{part}_items"] = saved(folder / f"{part}.items.u32", lambda: items)
    return inputs


PEERS = {}


def check(case, ours, peers):
    if ours["hit_rate"] < HIT_RATE_MIN:
        return f"hit rate {ours['hit_rate']:.3f}, expected {HIT_RATE_MIN} or more"
    return None
