"""Exact top-100 of dot products: batches of users against all item factors, 64 dimensions, f32."""

import statistics
import time

import numpy as np

from case import Case, saved

NAME = "topk"
PACKAGES = ("numpy", "implicit", "faiss-cpu")
# implicit and numpy are at their best with BLAS threads here, so nothing is held back. numpy asks the kernel for huge pages
# for its arrays; this gives our program the same.
VARIABLES = {"shoptide": {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}}
DIM, K, SEED = 64, 100, 20


def cases(quick):
    sizes = [(20_000, 1), (20_000, 256)] if quick else [(n, b) for n in (100_000, 1_000_000) for b in (1, 256)]
    return [
        Case(f"{items // 1000}k items, batch {batch}", must=1.0, reach=0.5, inputs={"items": items, "batch": batch})
        for items, batch in sizes
    ]


def prepare(case, folder):
    items, batch = case.inputs["items"], case.inputs["batch"]

    def normal(rows, seed):
        return np.random.default_rng(seed).standard_normal((rows, DIM), dtype=np.float32)

    return {
        "items": saved(folder / f"items-{items}x{DIM}.f32", lambda: normal(items, SEED)),
        "users": saved(folder / f"users-{batch}x{DIM}.f32", lambda: normal(batch, SEED + 1)),
        "dim": DIM, "k": K, "repeats": 30 if batch == 1 else 5,
    }


def measured(inputs, search):
    """Times `search(users)`, which gives `(ids, scores)`, each (batch, k); one warm-up before."""
    dim = inputs["dim"]
    users = np.fromfile(inputs["users"], dtype=np.float32).reshape(-1, dim)
    search(users)
    seconds = []
    for _ in range(inputs["repeats"]):
        began = time.perf_counter()
        ids, scores = search(users)
        seconds.append(time.perf_counter() - began)
    return {"seconds": [statistics.median(seconds)], "ids": np.asarray(ids)[:4].tolist(),
            "scores": np.asarray(scores)[:4].astype(float).tolist()}


def item_factors(inputs):
    return np.fromfile(inputs["items"], dtype=np.float32).reshape(-1, inputs["dim"])


def numpy_peer(inputs):
    items, k = item_factors(inputs), inputs["k"]

    def search(users):
        scores = users @ items.T
        part = np.argpartition(scores, -k, axis=1)[:, -k:]
        values = np.take_along_axis(scores, part, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        return np.take_along_axis(part, order, axis=1), np.take_along_axis(values, order, axis=1)

    return measured(inputs, search)


def implicit_peer(inputs):
    from implicit.cpu.topk import topk

    items = item_factors(inputs)
    return measured(inputs, lambda users: topk(items, users, inputs["k"], num_threads=inputs["threads"]))


def faiss_peer(inputs):
    import faiss

    faiss.omp_set_num_threads(inputs["threads"])
    index = faiss.IndexFlatIP(inputs["dim"])
    index.add(item_factors(inputs))

    def search(users):
        scores, ids = index.search(users, inputs["k"])
        return ids, scores

    return measured(inputs, search)


PEERS = {"numpy": numpy_peer, "implicit": implicit_peer, "faiss": faiss_peer}


def check(case, ours, peers):
    """The same items with the same scores; two items whose scores differ by rounding only may change places."""
    for name, theirs in peers.items():
        if not np.allclose(ours["scores"], theirs["scores"], rtol=1e-4, atol=1e-4):
            return f"scores differ from {name}"
        same = np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(ours["ids"], theirs["ids"])])
        if same < 0.99:
            return f"lists share only {same:.1%} with {name}"
    return None
