"""EASE: the dense item-item weights of 5,000 items from the sparse interactions, against numpy and scipy."""

import time

import numpy as np

from case import Case, saved

NAME = "ease"
PACKAGES = ("numpy", "scipy")
USERS, PER_USER, SEED, LAMBDA = 20_000, 50, 7, 200.0


def cases(quick):
    sizes = [1_000] if quick else [5_000]
    return [Case(f"{n // 1000}k items", must=1.0, reach=0.5, inputs={"items": n}) for n in sizes]


def interactions(n_items, n_users, per_user, seed):
    """Rows of distinct items, popular ones more often: (ptr, cols)."""
    rng = np.random.default_rng(seed)
    drawn = (n_items * rng.random((n_users, per_user)) ** 2).astype(np.int64)
    rows = [np.unique(row) for row in drawn]
    ptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.uint64)
    return ptr, np.concatenate(rows).astype(np.uint32)


def prepare(case, folder):
    n = case.inputs["items"]
    made = {}

    def part(index):
        if not made:
            made["both"] = interactions(n, USERS, PER_USER, SEED)
        return made["both"][index]

    return {
        "ptr": saved(folder / f"ease-{n}.ptr.u64", lambda: part(0)),
        "cols": saved(folder / f"ease-{n}.cols.u32", lambda: part(1)),
        "n_items": n, "lambda": LAMBDA,
    }


def matrix(inputs, dtype):
    import scipy.sparse as sp

    ptr = np.fromfile(inputs["ptr"], dtype=np.uint64).astype(np.int64)
    cols = np.fromfile(inputs["cols"], dtype=np.uint32).astype(np.int64)
    return sp.csr_matrix((np.ones(len(cols), dtype), cols, ptr), shape=(len(ptr) - 1, inputs["n_items"]))


def measured(inputs, dtype, inverse):
    x = matrix(inputs, dtype)
    began = time.perf_counter()
    gram = np.ascontiguousarray((x.T @ x).toarray())
    gram[np.diag_indices_from(gram)] += dtype(inputs["lambda"])
    p = inverse(gram)
    weights = p / -np.diag(p)
    np.fill_diagonal(weights, 0.0)
    seconds = time.perf_counter() - began
    return {"seconds": [seconds], "sample": weights[::97, ::89].astype(float).ravel().tolist()}


def numpy_f64(inputs):
    """As the paper has it."""
    return measured(inputs, np.float64, np.linalg.inv)


def numpy_f32(inputs):
    return measured(inputs, np.float32, np.linalg.inv)


def scipy_cholesky(inputs):
    """The least work that LAPACK can do it with: a Cholesky factor and the inverse from it, in f32."""
    from scipy.linalg import lapack

    def inverse(gram):
        factor, info = lapack.spotrf(gram, lower=1, overwrite_a=1)
        assert info == 0
        half, info = lapack.spotri(factor, lower=1, overwrite_c=1)
        assert info == 0
        return np.tril(half) + np.tril(half, -1).T

    return measured(inputs, np.float32, inverse)


PEERS = {"numpy f64": numpy_f64, "numpy f32": numpy_f32, "scipy potri f32": scipy_cholesky}


def check(case, ours, peers):
    exact = np.array(peers["numpy f64"]["sample"]) if "numpy f64" in peers else None
    if exact is not None and not np.allclose(ours["sample"], exact, rtol=1e-2, atol=1e-4):
        return f"weights differ from numpy by up to {np.abs(np.array(ours['sample']) - exact).max():.2e}"
    return None
