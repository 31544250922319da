#!/usr/bin/env python3
"""Exact nearest neighbours by other libraries, each in a process of its own: what benches/peers.py times. What is timed
is what a user calls, from samples in host memory to the indices of the k + 1 nearest, the sample itself among them:

- faiss IndexFlatL2: add and search, of f32.
- faiss QT_8bit_direct: the same of IndexScalarQuantizer, which stores bytes as they are; samples and queries are f32.
- numkong symmetric: euclideans_symmetric, which fills the upper triangle of the distances, in as many threads as given by
  its ranges of rows, then numpy's argpartition of each row, gathered from both sides of the diagonal, in as many threads.
  From bytes (u8; i8 takes the same time) or f32, which it sums in f64.
- numkong packed: dots_pack, euclideans_packed and argpartition, as before.
- numkong products alone: dots_symmetric, with nothing found in them.
- scikit-learn: NearestNeighbors(algorithm="brute"), which is its ArgKmin, of f32.
- torch: cdist by its matrix product, and topk, of f32.

Libraries that take no bytes get them as f32 already: the conversion is not timed.
"""

import argparse
import json
import os
import time

import numpy as np


def search_faiss_flat(samples, k, threads):
    import faiss

    index = faiss.IndexFlatL2(samples.shape[1])
    return search_faiss(index, samples, k)


def search_faiss_8bit(samples, k, threads):
    import faiss

    index = faiss.IndexScalarQuantizer(samples.shape[1], faiss.ScalarQuantizer.QT_8bit_direct, faiss.METRIC_L2)
    return search_faiss(index, samples, k)


def search_faiss(index, samples, k):
    index.add(samples)
    return index.search(samples, k + 1)[1]


def in_parts(n, threads, work):
    """Runs work(start, end) for ranges of rows: more ranges than threads, as rows of a triangle differ in length."""
    from concurrent.futures import ThreadPoolExecutor

    edges = [n * i // 16 for i in range(17)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, edges[:-1], edges[1:]))


def nearest(distances, k, threads, upper):
    found = np.empty((len(distances), k + 1), np.int64)

    def part(start, end):
        for first in range(start, end, 64):
            last = min(first + 64, end)
            rows = distances[first:last]
            if upper:  # what lies below the diagonal is read from above it
                left = distances[:last, first:last].T
                rows = np.concatenate([left[:, :first], rows[:, first:]], axis=1)
                below = np.tril_indices(last - first, -1)
                rows[:, first:last][below] = left[:, first:][below]
            found[first:last] = np.argpartition(rows, k, axis=1)[:, : k + 1]

    in_parts(len(distances), threads, part)
    return found


def numkong_matrix(samples, threads, name):
    import numkong

    bytes_ = samples.dtype == np.uint8
    kind = ("uint32" if name.startswith("dots") else "float32") if bytes_ else "float64"
    out = numkong.empty((len(samples), len(samples)), dtype=kind)
    function = getattr(numkong, name)
    operands = (samples, numkong.dots_pack(samples)) if name.endswith("packed") else (samples,)
    in_parts(len(samples), threads, lambda start, end: function(*operands, out=out, start_row=start, end_row=end))
    return np.asarray(out)


def search_numkong_symmetric(samples, k, threads):
    return nearest(numkong_matrix(samples, threads, "euclideans_symmetric"), k, threads, upper=True)


def search_numkong_packed(samples, k, threads):
    return nearest(numkong_matrix(samples, threads, "euclideans_packed"), k, threads, upper=False)


def numkong_products(samples, k, threads):
    numkong_matrix(samples, threads, "dots_symmetric")


def search_sklearn(samples, k, threads):
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(algorithm="brute").fit(samples).kneighbors(samples, k + 1, return_distance=False)


def search_torch(samples, k, threads, device="cpu"):
    import torch

    # Converted on the GPU, for fewer bytes over the bus.
    x = torch.from_numpy(samples).to(device).float()
    rows = max(1, (1 << 30) // (4 * len(x)))  # 1 GiB of distances at a time
    found = []
    for start in range(0, len(x), rows):
        distances = torch.cdist(x[start : start + rows], x)
        found.append(distances.topk(k + 1, largest=False).indices.cpu())
    return torch.cat(found).numpy()


def search_torch_gpu(samples, k, threads):
    return search_torch(samples, k, threads, "cuda")


ALONE = "numkong products alone"
PEERS = {
    # name: the search, number of f32 copies of the samples at its peak, bytes per pair
    "faiss IndexFlatL2": (search_faiss_flat, 2, 0),
    "faiss QT_8bit_direct": (search_faiss_8bit, 2, 0),
    "numkong symmetric": (search_numkong_symmetric, 1, 8),
    "numkong packed": (search_numkong_packed, 2, 8),
    ALONE: (numkong_products, 1, 8),
    "scikit-learn ArgKmin": (search_sklearn, 2, 0),
    "torch cdist": (search_torch, 3, 0),
    "torch cdist, GPU": (search_torch_gpu, 2, 0),
}
PACKAGES = ["faiss-cpu", "numkong", "scikit-learn", "torch", "numpy"]


def instructions(peer, threads):
    """The instructions that a library reports to use; also sets its number of threads."""
    if peer.startswith("faiss"):
        import faiss
        from threadpoolctl import threadpool_info

        faiss.omp_set_num_threads(threads)
        blas = {pool["architecture"] for pool in threadpool_info() if "faiss" in pool["filepath"] and "architecture" in pool}
        return f"{faiss.SIMDConfig.get_level_name()}, OpenBLAS {' '.join(sorted(blas))}"
    if peer.startswith("numkong"):
        import numkong

        used = [name for name, on in numkong.get_capabilities().items() if on and name != "serial"]
        if os.environ.get("SHARPDIM_SIMD") == "avx2":
            for name in set(used) - {"haswell"}:
                numkong.disable_capability(name)
            used = [name for name, on in numkong.get_capabilities().items() if on and name != "serial"]
        return " ".join(used)
    if peer.startswith("scikit"):
        import sklearn.neighbors  # noqa: F401, loads scipy's BLAS
        from threadpoolctl import threadpool_info

        return f"OpenBLAS {next(pool['architecture'] for pool in threadpool_info() if 'scipy.libs' in pool['filepath'])}"
    import torch

    torch.set_num_threads(threads)
    return torch.cuda.get_device_name() if peer.endswith("GPU") else torch.backends.cpu.get_cpu_capability()


def without_self(found, k):
    """The k nearest others: without the sample itself, or, if duplicates displaced it, without the last."""
    keep = found != np.arange(len(found))[:, None]
    keep[keep.all(axis=1), -1] = False
    return found[keep].reshape(len(found), k)


def main():
    """Prints the same as `throughput --json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--data")
    parser.add_argument("--indices")
    parser.add_argument("--type", choices=["u8", "f32"])
    parser.add_argument("--n", type=int)
    parser.add_argument("--dim", type=int)
    parser.add_argument("--k", type=int)
    parser.add_argument("--repeats", type=int)
    args = parser.parse_args()
    threads = int(os.environ["OMP_NUM_THREADS"])
    used = instructions(args.peer, threads)
    samples = np.fromfile(args.data, {"u8": "u1", "f32": "<f4"}[args.type]).reshape(args.n, args.dim)
    if not args.peer.startswith("numkong") and not args.peer.endswith("GPU"):
        samples = samples.astype(np.float32)
    search = PEERS[args.peer][0]
    found = search(samples, args.k, threads)  # untimed
    seconds, cpu = [], []
    for _ in range(args.repeats):
        start, worked = time.perf_counter(), time.process_time()
        search(samples, args.k, threads)
        seconds.append(time.perf_counter() - start)
        cpu.append(time.process_time() - worked)
    if found is not None:
        without_self(found, args.k).astype("<u4").tofile(args.indices)
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "device": used}))


if __name__ == "__main__":
    main()
