"""What a user gets in the first hour, with no option but where the data lie: two made cloths, a made machine's log.

    python benchmarks/first_hour.py

Writes photographs and a table into a folder that is thrown away, and runs `keras-anogan train` on them.
"""

import os

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pathlib
import tempfile
import time

from keras_anogan.datasets import machine_table, write_fabric
from keras_anogan.runs import train
from keras_anogan.runs.arguments import Arguments
from keras_anogan.runs.verdict import verdict


def first_run(arguments: Arguments, out: pathlib.Path) -> None:
    """Train, and print what came of it in a few lines."""
    begun = time.perf_counter()
    metrics = train(arguments, out, say=lambda line: None)
    baselines = ", ".join(f"{key} {numbers['auroc']:.3f}" for key, numbers in metrics["baselines"].items())
    print(f"{out.name}: {arguments.detector}, {(time.perf_counter() - begun) / 60:.1f} minutes")
    print(f"    AUROC {metrics['auroc']:.3f} ({baselines})")
    print(f"    {verdict(metrics, arguments.tags.closed_form)}")
    for column in metrics.get("columns", ()):
        print(f"    {column['name'] or 'no name'}: {column['kind']}. {column['remark']}")


def main() -> None:
    """Both cloths, then the machine."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for cloth, name in enumerate(("linen", "denim")):
            write_fabric(root / name, cloth=cloth)
            first_run(Arguments(str(root / name)), root / "runs" / name)
        machine_table().to_csv(root / "machine.csv", index=False)
        condition = Arguments(str(root / "machine.csv"), normal_where='state == "ok"')
        first_run(condition, root / "runs" / "machine")


if __name__ == "__main__":
    main()
