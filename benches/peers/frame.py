"""Runs each row's cases: our program and its peers, turn by turn, on the same inputs with the same threads.

A row is one file in `rows/` and one module of the Rust program `peers`; README.md says what each must have.
"""

import argparse
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from case import Skip  # noqa: E402  (the path is set just above)

# Every library that a peer may bring starts its threads from one of these.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
)
# A side that takes longer than this for one run has hung.
RUN_S_MAX = 1800


def row_names():
    return sorted(path.stem for path in (HERE / "rows").glob("*.py") if path.stem != "__init__")


def arguments():
    parser = argparse.ArgumentParser(prog="benches/peers/run", description="Measures Shoptide beside its peers.")
    parser.add_argument("--only", help=f"rows, separated by commas: {', '.join(row_names())}")
    parser.add_argument("--match", default="", help="only cases whose label contains this")
    parser.add_argument("--threads", default="2,4", help="thread counts, separated by commas (default: 2,4)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of every side (default: 3)")
    parser.add_argument("--quick", action="store_true", help="small inputs: shows that all works, measures nothing")
    parser.add_argument("--json", type=Path, help="also write every number there")
    parser.add_argument("--ours", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--peer", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def one_run(command, threads, variables):
    """The JSON object that a side prints as its last line."""
    environment = dict(os.environ)
    environment.update({name: str(threads) for name in THREAD_VARIABLES})
    environment.update(variables)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=RUN_S_MAX)
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stderr.strip()[-2000:]}")
    return json.loads(lines[-1])


def merged(runs):
    """Several runs of one side: the last answer with the seconds of all."""
    seconds = [s for run in runs for s in run["seconds"]]
    return {**runs[-1], "seconds": seconds, "median_s": statistics.median(seconds)}


def measure(row, case, threads, args, folder):
    """One case at one number of threads: every side's numbers, and the ratio to the best peer."""
    inputs = folder / f"{case.key()}-{threads}.json"
    inputs.write_text(json.dumps({**row.prepare(case, folder), "threads": threads}))
    names = [name for name in row.PEERS if not case.peers or name in case.peers]
    runs = {name: [] for name in ["shoptide", *names]}
    for _ in range(args.rounds):
        for name, done in runs.items():
            if name == "shoptide":
                command = [args.ours, row.NAME, inputs]
            else:
                hidden = ["--ours", args.ours, "--cache", args.cache]
                command = [sys.executable, __file__, *hidden, "--peer", row.NAME, name, inputs]
            done.append(one_run(command, threads, getattr(row, "VARIABLES", {}).get(name, {})))
    sides = {name: merged(done) for name, done in runs.items()}
    ours = sides.pop("shoptide")
    best = min(sides, key=lambda name: sides[name]["median_s"], default=None)
    # Without a peer the number that stands against the bars is the time itself.
    ratio = ours["median_s"] / sides[best]["median_s"] if best else ours["median_s"] * 1e3
    wrong = row.check(case, ours, sides)
    verdict = f"WRONG: {wrong}" if wrong else "reach" if ratio <= case.reach else "must" if ratio <= case.must else "NO"
    return {
        "row": row.NAME, "case": case.label, "threads": threads, "ratio": ratio, "best_peer": best, "bar": case.bar,
        "must": case.must, "reach": case.reach, "verdict": verdict, "shoptide": ours, "peers": sides,
    }


def shown(seconds):
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def table(results):
    out = ["| row | case | threads | shoptide | peers | ratio to best | must / reach | verdict |", "|" + "---|" * 8]
    for r in results:
        peers = ", ".join(f"{name} {shown(side['median_s'])}" for name, side in r["peers"].items())
        out.append(
            f"| {r['row']} | {r['case']} | {r['threads']} | {shown(r['shoptide']['median_s'])} | {peers} "
            f"| **{r['ratio']:.3g}**{' ' + r['bar'] if r['bar'] else ''} | {r['must']:g} / {r['reach']:g} | {r['verdict']} |"
        )
    return "\n".join(out)


def versions(row):
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in getattr(row, "PACKAGES", ()):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def machine():
    model = "unknown"
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    return {"cpu": model, "cores": os.cpu_count(), "load": os.getloadavg()[0], "python": platform.python_version(),
            "date": time.strftime("%Y-%m-%d")}


def main():
    args = arguments()
    if args.peer:
        name, peer, inputs = args.peer
        row = importlib.import_module(f"rows.{name}")
        print(json.dumps(row.PEERS[peer](json.loads(Path(inputs).read_text()))))
        return
    wanted = args.only.split(",") if args.only else row_names()
    unknown = [name for name in wanted if name not in row_names()]
    if unknown:
        sys.exit(f"{', '.join(unknown)}: no such row; expected {', '.join(row_names())}")
    results, failed, packages, where = [], False, {}, machine()
    if os.cpu_count() < where["load"] * 2:
        print(f"note: the machine is busy (load {where['load']:.1f})", file=sys.stderr)
    for name in wanted:
        row = importlib.import_module(f"rows.{name}")
        folder = args.cache / name
        folder.mkdir(parents=True, exist_ok=True)
        packages.update(versions(row))
        try:
            cases = row.cases(args.quick)
        except Skip as why:
            print(f"skipped {name}: {why}", file=sys.stderr)
            continue
        for case in cases:
            if args.match not in case.label:
                continue
            for threads in getattr(row, "THREADS", None) or map(int, args.threads.split(",")):
                print(f"{name}: {case.label}, {threads} threads ...", file=sys.stderr)
                try:
                    results.append(measure(row, case, threads, args, folder))
                    last = results[-1]
                    beside = f"to {last['best_peer']}" if last["best_peer"] else last["bar"]
                    print(f"  ratio {last['ratio']:.3f} {beside}: {last['verdict']}", file=sys.stderr)
                except Skip as why:
                    print(f"  skipped: {why}", file=sys.stderr)
                    break
                except (RuntimeError, subprocess.TimeoutExpired) as error:
                    failed = True
                    print(f"  failed: {error}", file=sys.stderr)
    about = f"{where['cpu']} ({where['cores']} cores), {where['date']}, load {where['load']:.1f} before, "
    about += f"medians of {args.rounds} turns; "
    print(f"\nMeasured on {about}" + ", ".join(f"{k} {v}" for k, v in packages.items()) + ".\n")
    print(table(results))
    if args.json:
        everything = {"machine": where, "packages": packages, "rounds": args.rounds, "quick": args.quick}
        args.json.write_text(json.dumps({**everything, "results": results}, indent=1))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
