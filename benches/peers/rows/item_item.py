"""Item-item neighbours: the 100 nearest of 50,000 items by cosine, against `implicit`."""

import time

import numpy as np

from case import Case, saved
from rows.ease import interactions

NAME = "item_item"
PACKAGES = ("implicit", "scipy")
PER_USER, SEED, K = 40, 11, 100


def cases(quick):
    sizes = [(5_000, 10_000)] if quick else [(50_000, 100_000)]
    return [Case(f"{n // 1000}k items", must=1.0, reach=0.5, inputs={"items": n, "users": u}) for n, u in sizes]


def prepare(case, folder):
    n, users = case.inputs["items"], case.inputs["users"]
    made = {}

    def part(index):
        if not made:
            made["both"] = interactions(n, users, PER_USER, SEED)
        return made["both"][index]

    return {
        "ptr": saved(folder / f"item-item-{n}.ptr.u64", lambda: part(0)),
        "cols": saved(folder / f"item-item-{n}.cols.u32", lambda: part(1)),
        "n_items": n, "k": K,
    }


def implicit_peer(inputs):
    from implicit.nearest_neighbours import CosineRecommender
    from rows.ease import matrix

    x = matrix(inputs, np.float64)
    # One more than asked: implicit counts an item among its own neighbours.
    model = CosineRecommender(K=inputs["k"] + 1, num_threads=inputs["threads"])
    began = time.perf_counter()
    model.fit(x, show_progress=False)
    seconds = time.perf_counter() - began
    # Every user and item has a norm of its own, so the similarity is the cosine itself.
    found = model.similarity.tocsr()
    sample = []
    for item in range(0, inputs["n_items"], max(inputs["n_items"] // 50, 1)):
        near = found[item].toarray().ravel()
        near[item] = 0.0
        sample.append(np.sort(near)[::-1][:10].tolist())
    return {"seconds": [seconds], "sample": sample}


PEERS = {"implicit": implicit_peer}


def check(case, ours, peers):
    for name, theirs in peers.items():
        if not np.allclose(ours["sample"], theirs["sample"], rtol=1e-3, atol=1e-4):
            return f"the similarities of the nearest differ from {name}"
    return None
