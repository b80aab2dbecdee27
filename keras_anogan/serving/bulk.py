"""Any Ray dataset scored by a fitted detector: for data that a pipeline of Ray's reads and writes.

    scored = bulk.score(ray.data.read_images("s3://bucket/photos", mode="L"), "runs/photos")
    scored.write_parquet("s3://bucket/scores")

`keras-anogan score RUN DATA --engine ray` does more for files: it goes on after an interruption, and writes a report.
"""

from __future__ import annotations

import importlib
import pathlib
from typing import Any

import numpy as np

from keras_anogan.serving.cluster import begin_worker


def score(
    dataset: Any, run: Any, column: str = "image", workers: int | None = None, batch_size: int = 256, cores: int = 1
) -> Any:
    """A Ray dataset with columns of scores: `anomaly_score`, `is_anomaly`, and `p_value` where the threshold knows one.

    Args:
        dataset: a `ray.data.Dataset`. Images: `column` holds them, uint8 (H, W) or (H, W, C), of any sizes where the
            detector resizes them; footage: windows of frames, uint8 (frames, H, W, C); a table: its columns, by name.
        run: a run folder, or the `.keras` file of a `FittedDetector`; every worker has to see it.
        column: that is scored and left out of the result; of a table all columns stay.
        workers: that score at the same time; default: as many as the cluster's cores allow.
        batch_size: rows in one call.
        cores: of a worker.

    Returns:
        A dataset that is computed when it is read.

    Raises:
        FileNotFoundError: if there is no detector at `run`.
        ValueError: for a dataset without the column, or without a column of the table.
    """
    import ray

    path = pathlib.Path(run)
    path = (path / "detector.keras" if path.is_dir() else path).resolve()
    if not path.is_file():
        raise FileNotFoundError(f"Expected a run folder, or a .keras file of a fitted detector. Received: {run}.")
    needed = list(load(path).raw_columns or [column])
    names = dataset.schema().names
    if lost := [name for name in needed if name not in names]:
        raise ValueError(f"Expected a dataset with the column {lost[0]!r}. Received: one with {', '.join(names)}.")
    most = workers or max(1, int(ray.cluster_resources().get("CPU", 1)) // cores)
    return dataset.map_batches(
        BatchScorer,
        fn_kwargs={"path": str(path), "column": column, "cores": cores},
        batch_size=batch_size,
        batch_format="numpy",
        num_cpus=cores,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=most),
    )


def load(path: pathlib.Path) -> Any:
    """The fitted detector of a file; every class that it may name is registered first."""
    import keras

    importlib.import_module("keras_anogan.exports")
    return keras.models.load_model(path)


class BatchScorer:
    """What a worker of `score` does; its detector is loaded with the first batch, once."""

    scorer: Any = None

    def __call__(self, batch: dict[str, Any], path: str, column: str, cores: int) -> dict[str, Any]:
        if self.scorer is None:
            self.scorer = self._made(path, cores)
        fitted = self.scorer.fitted
        if fitted.raw_columns is not None:
            rows, rest = np.asarray(fitted.preprocess(fitted.check_raw(batch))), batch
        else:
            rows, rest = self._rows(batch[column]), {name: cells for name, cells in batch.items() if name != column}
        numbers = self.scorer.numbers(rows)
        found = {"anomaly_score": numbers["score"], "is_anomaly": numbers["is_anomaly"].astype(bool)}
        return rest | found | ({"p_value": numbers["p_value"]} if "p_value" in numbers else {})

    def _made(self, path: str, cores: int) -> Any:
        begin_worker(cores)
        from keras_anogan.serving.scoring import Scorer

        return Scorer(load(pathlib.Path(path)))

    def _rows(self, samples: Any) -> np.ndarray:
        """The detector's input for raw samples, each preprocessed at its own size."""
        fitted = self.scorer.fitted
        axes = len(fitted.raw_shape)
        samples = [np.asarray(sample) for sample in samples]
        samples = [sample[..., None] if sample.ndim == axes - 1 else sample for sample in samples]
        alike: dict[tuple[int, ...], list[int]] = {}
        for number, sample in enumerate(samples):
            alike.setdefault(sample.shape, []).append(number)
        rows = np.empty((len(samples), *fitted.detector.sample_shape), "float32")
        for numbers in alike.values():
            raw = fitted.check_raw(np.stack([samples[number] for number in numbers]))
            rows[numbers] = np.asarray(fitted.preprocess(raw))
        return rows
