"""What a worker does: load the run once, then score block after block, each into a Parquet file of its own."""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
import time
from typing import Any

import numpy as np

from keras_anogan.files import PARTIAL
from keras_anogan.runs.bulk.blocks import Block, opened
from keras_anogan.runs.folder import Run, load_run
from keras_anogan.runs.inputs import Inputs
from keras_anogan.runs.regions import COLUMNS
from keras_anogan.runs.scoring import Results, judged, score_columns
from keras_anogan.serving.scoring import Scorer
from keras_anogan.video import scores_by_frame

SUMMARY = b"keras_anogan"  # key of a block's summary in the metadata of its file
SAMPLE, MOST = 200, 12  # scores of a block that the report's histogram draws from, and rows that may be its first ones
NUMBERS = (*(f"region_{name}" for name in COLUMNS),)  # that are "" in a CSV file where there is none


class Worker:
    """Scores blocks for a run.

    Args:
        run: the run folder.
        scores: folder of the Parquet files.
        alpha: another false-alarm rate than the run's, or None.
        min_area: images: as `score` takes it.
    """

    def __init__(self, run: str, scores: str, alpha: float | None = None, min_area: int = 0) -> None:
        self.run = load_run(run, alpha)
        self.scorer = Scorer(self.run.fitted)
        self.scores, self.min_area = pathlib.Path(scores), min_area

    def __call__(self, block: Block) -> dict[str, Any]:
        """Score a block and write its file, unless it is there; returns its summary.

        A block that can't be scored has `error`, a sentence, and no file.
        """
        target = self.scores / block.file
        if target.exists():
            return read_summary(target)
        begun = time.perf_counter()
        try:
            with opened(self.run, block) as (inputs, broken):
                results = self._judged(inputs)
        except (OSError, ValueError) as error:
            return {"number": block.number, "error": str(error)}
        summary = summarise(self.run, block, inputs, results)
        summary |= {"broken": broken, "seconds": time.perf_counter() - begun}
        _write(target, inputs, results, summary)
        return summary

    def _judged(self, inputs: Inputs) -> Results:
        if inputs.rows is None or len(inputs.rows) == 0:
            lines = len(next(iter(inputs.ids.values())))
            return {"score": np.full(lines, np.nan, "float32"), "is_anomaly": np.full(lines, np.nan, "float32")}
        results, _ = judged(self.run, self.scorer, inputs, self.min_area)
        if inputs.footage is None:
            return results
        first, last = inputs.ids["frame"][0], inputs.ids["frame"][-1] + 1
        kept = [key for key in ("score", "p_value", "is_anomaly") if key in results]
        return {key: scores_by_frame(inputs.rows, results[key])[first:last] for key in kept}


def summarise(run: Run, block: Block, inputs: Inputs, results: Results) -> dict[str, Any]:
    """What the report needs to know of a block: counts, a sample of its scores, and its most anomalous rows."""
    scores = np.asarray(results["score"], "float64")
    told = np.isfinite(scores) if inputs.footage is not None else np.ones(len(scores), bool)
    alarms = (np.asarray(results["is_anomaly"]) == 1) & told
    finite = scores[np.isfinite(scores)]
    draw = np.random.default_rng(block.number)
    order = np.argsort(-np.where(np.isnan(scores) & told, np.inf, scores), kind="stable")[:MOST]
    names = list(zip(*inputs.ids.values(), strict=True))
    return {
        "number": block.number,
        "rows": len(scores),
        "judged": int(told.sum()),
        "alarms": int(alarms.sum()),
        "sample": draw.choice(finite, SAMPLE, replace=False).tolist() if len(finite) > SAMPLE else finite.tolist(),
        "most": [
            {
                "id": [str(part) for part in names[i]],
                "score": float(scores[i]),
                "p_value": float(results["p_value"][i]) if "p_value" in results else None,
                "alarm": bool(alarms[i]),
                "deviates_in": results["deviates_in"][i] if "deviates_in" in results else "",
            }
            for i in order
            if told[i]
        ],
        "remarks": list(inputs.remarks),
    }


def _write(target: pathlib.Path, inputs: Inputs, results: Results, summary: dict[str, Any]) -> None:
    """Write a block's file whole or not at all, under a name that no other worker has meanwhile."""
    import pyarrow
    from pyarrow import parquet

    columns = {name: pyarrow.array([str(cell) for cell in cells]) for name, cells in inputs.ids.items()}
    for key in score_columns(results):
        columns["anomaly_score" if key == "score" else key] = _column(key, results[key])
    table = pyarrow.table(columns).replace_schema_metadata({SUMMARY: json.dumps(summary)})
    handle, partial = tempfile.mkstemp(prefix=PARTIAL, suffix=".parquet", dir=target.parent)
    os.close(handle)
    try:
        parquet.write_table(table, partial)
        pathlib.Path(partial).replace(target)
    finally:
        pathlib.Path(partial).unlink(missing_ok=True)


def _column(key: str, values: Any) -> Any:
    """A column of results as Parquet has it: null where a frame is not judged, or an image has no region."""
    import pyarrow

    if key == "deviates_in":
        return pyarrow.array([str(value) for value in values])
    if key in NUMBERS:
        return pyarrow.array([None if value == "" else float(value) for value in values], "float64")
    numbers = np.asarray(values, "float64")
    kind = {"is_anomaly": "bool", "regions": "int64"}.get(key, "float32")
    if key == "is_anomaly":
        return pyarrow.array([None if np.isnan(value) else value == 1 for value in numbers], "bool")
    return pyarrow.array(numbers, kind, from_pandas=True)


def read_summary(path: pathlib.Path) -> dict[str, Any]:
    """The summary of a finished block.

    Raises:
        ValueError: for a file that is damaged, or was not written here.
    """
    from pyarrow import parquet

    try:
        return json.loads(parquet.read_schema(path).metadata[SUMMARY])
    except (OSError, ValueError, KeyError, TypeError) as error:  # what is no Parquet is an ArrowInvalid, a ValueError
        raise ValueError(f"Expected scores of a block in {path}. Received: a damaged file; delete it.") from error
