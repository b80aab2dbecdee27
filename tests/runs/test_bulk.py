"""Scoring in blocks: the scores of `score`, whole files; after an interruption what is missing, and nothing twice."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from keras_anogan.datasets import make_street, write_street
from keras_anogan.recipes.recipe import Recipe, run_recipe
from keras_anogan.runs import Arguments, VideoArguments, score, train
from keras_anogan.runs.bulk.blocks import cut
from keras_anogan.runs.bulk.scoring import score_blocks
from keras_anogan.runs.bulk.work import Worker, read_summary
from keras_anogan.runs.folder import load_run
from keras_anogan.serving import bulk
from keras_anogan.serving.bulk import BatchScorer
from keras_anogan.serving.cluster import start_ray
from keras_anogan_cli.main import run as command

SILENT = {"say": lambda line: None}


def write_images(folder, count, seed=0, odd=()):
    draw = np.random.default_rng(seed)
    for i in range(count):
        pixels = np.clip(draw.normal(120, 20, (16, 16)), 0, 255).astype("uint8")
        if i in odd:
            pixels[4:10, 4:10] = 255
        path = folder / f"shift{i % 3}" / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


def write_rows(path, rows, seed=0):
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(draw.normal(size=(rows, 3)).round(5), columns=["a", "b", "c"])
    frame["b"] += frame["a"]
    frame["place"] = draw.choice(["north", 'south, "old"', "two\nlines"], rows)
    frame.to_parquet(path, row_group_size=37) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Runs of images, a table and footage that are solved at once, and new data for each: kind -> (run, data)."""
    root = tmp_path_factory.mktemp("bulk")
    pca = {"detector": "pca", "params": {"n_components": 3}, "alpha": 0.1}
    images = write_images(root / "normal", 60)
    train(Arguments(data=str(images), flat=True, **pca), root / "images", **SILENT)
    table = write_rows(root / "normal.csv", 200)
    train(Arguments(data=str(table), **pca), root / "table", **SILENT)
    write_street(root / "street", make_street(days=2, frames=60, seed=1))
    train(VideoArguments(days=(str(root / "street"),), size=(32, 16), grey=True, **pca), root / "footage", **SILENT)
    return {
        "images": (root / "images", write_images(root / "new", 25, seed=1, odd=(7, 20))),
        "table": (root / "table", write_rows(root / "new.csv", 120, seed=1)),
        "footage": (root / "footage", root / "street"),
    }


def read_scores(out):
    return pd.read_parquet(out / "scores")


def same_scores(one, blocks):
    """One CSV of `score`, and the Parquet files of blocks: equal names, scores, p-values and alarms, in order."""
    names = [name for name in ("id", "day", "recording", "frame") if name in one]
    assert one[names].astype(str).values.tolist() == blocks[names].astype(str).values.tolist()
    for column in ("anomaly_score", "p_value", "is_anomaly", "region_left", "region_peak"):
        if column in one:
            expected, got = (frame[column].astype("float64").to_numpy() for frame in (one, blocks))
            np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-4 if column == "p_value" else 1e-6)
    if "deviates_in" in one:
        assert one["deviates_in"].tolist() == blocks["deviates_in"].tolist()


@pytest.mark.parametrize(("kind", "size"), [("images", 10), ("table", 50), ("footage", 25)])
def test_blocks_have_the_scores_of_one_process(kind, size, made, tmp_path):
    run, data = made[kind]
    score(run, str(data), tmp_path / "one.csv", **SILENT)
    found = score_blocks(run, str(data), tmp_path / "many", size=size, **SILENT)
    assert found["blocks"] > 2
    one = pd.read_csv(tmp_path / "one.csv", dtype={"recording": str, "day": str})
    same_scores(one, read_scores(tmp_path / "many"))
    assert (found["rows"], found["alarms"]) == (len(one), int((one["is_anomaly"] == 1).sum()))
    page = (tmp_path / "many" / "report.html").read_text()
    assert f"Alarms: {found['alarms']:,} of {found['judged']:,} {found['what']}" in page
    assert ("data:image/png" in page.split('id="most"')[1]) == (kind != "table")


def test_a_table_in_many_files_of_two_formats(made, tmp_path):
    run, data = made["table"]
    folder = tmp_path / "tables"
    folder.mkdir()
    frame = pd.read_csv(data)
    frame[:50].to_csv(folder / "a.csv", index=False)
    write_rows(folder / "b.parquet", 120, seed=1)
    score(run, str(folder / "b.parquet"), tmp_path / "b.csv", **SILENT)
    found = score_blocks(run, str(folder), tmp_path / "many", size=40, **SILENT)
    assert (found["rows"], found["blocks"]) == (170, 5)
    scores = read_scores(tmp_path / "many")
    assert scores["file"].tolist() == ["a.csv"] * 50 + ["b.parquet"] * 120
    assert scores["id"].tolist() == [f"row-{i + 1}" for i in (*range(50), *range(120))]
    same_scores(pd.read_csv(tmp_path / "b.csv"), scores[50:].reset_index(drop=True))


def test_rows_with_line_ends_in_their_cells_are_cut_between_rows(made, tmp_path):
    run, data = made["table"]
    places = [block.place for block in cut(load_run(run), [str(data)], 7)]
    text = pathlib.Path(data).read_bytes()
    assert places[0]["start"] == places[0]["header"] == len("a,b,c,place\n")
    assert [place["end"] for place in places[:-1]] == [place["start"] for place in places[1:]]
    assert places[-1]["end"] == len(text)
    assert [place["rows"] for place in places] == [7] * 17 + [1]
    assert any(text[p["start"] : p["end"]].count(b"\n") > p["rows"] for p in places)


def test_what_is_there_is_not_scored_again_and_what_is_missing_is(made, tmp_path):
    run, data = made["images"]
    out = tmp_path / "many"
    score_blocks(run, str(data), out, size=10, **SILENT)
    before = {path.name: path.stat().st_mtime_ns for path in (out / "scores").iterdir()}
    (out / "scores" / "part-000001.parquet").unlink()
    (out / "scores" / ".partial-dead.parquet").write_bytes(b"half")
    said = []
    found = score_blocks(run, str(data), out, size=10, say=said.append)
    assert (found["blocks"], found["earlier"], found["rows"]) == (3, 2, 25)
    assert said[0] == "2 blocks of 3 are scored already."
    after = {path.name: path.stat().st_mtime_ns for path in (out / "scores").iterdir()}
    assert sorted(before) == sorted(after)
    assert [name for name in before if before[name] != after[name]] == ["part-000001.parquet"]
    other = write_images(tmp_path / "other", 4)
    for changed, told in (({"alpha": 0.2}, "another --alpha"), ({"size": 5}, "another --block"), ({}, "other data")):
        with pytest.raises(ValueError, match=f"begun with {told}"):
            score_blocks(run, str(data if changed else other), out, **{"size": 10, **changed}, **SILENT)
    (out / "scores" / "part-000002.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"part-000002\.parquet\. Received: a damaged file; delete it"):
        score_blocks(run, str(data), out, size=10, **SILENT)


def test_files_that_can_t_be_read_are_named_and_the_rest_is_done(made, tmp_path):
    run, _ = made["images"]
    data = write_images(tmp_path / "data", 9, seed=2)
    (data / "shift0" / "broken.png").write_bytes(b"no picture")
    Image.fromarray(np.full((16, 16), 3000, "uint16")).save(data / "shift1" / "deep.png")
    (data / "worse").mkdir()
    (data / "worse" / "empty.png").write_bytes(b"")
    found = score_blocks(run, str(data), tmp_path / "out", size=6, **SILENT)
    assert sorted(found["broken"]) == ["shift0/broken.png", "shift1/deep.png", "worse/empty.png"]
    assert found["rows"] == len(read_scores(tmp_path / "out")) == 9
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Left out: 3" in page
    assert "16 bits" in page
    only = tmp_path / "only"
    only.mkdir()
    (only / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"Nothing was judged.* Left out 1 image file that can't be read: .*broken"):
        score_blocks(run, str(only), tmp_path / "none", **SILENT)


def test_a_block_that_fails_does_not_end_the_others(made, tmp_path):
    run, data = made["table"]
    frame = pd.read_csv(data).replace({"place": {"two\nlines": "twolines"}})
    bad = tmp_path / "bad.csv"
    lines = frame.to_csv(index=False).splitlines()
    lines[25] = f"{lines[25]},more,cells"
    bad.write_text("\n".join(lines) + "\n")
    with pytest.raises(
        ValueError, match=r"1 block of 12 could not be scored; the others are done\. Block 3: .*"
    ) as told:
        score_blocks(run, str(bad), tmp_path / "out", size=10, **SILENT)
    assert f"rows 21 to 30 of {bad}, cut out" in str(told.value)
    assert len(list((tmp_path / "out" / "scores").iterdir())) == 11
    assert not (tmp_path / "out" / "report.html").exists()


def test_a_column_that_is_missing_is_told_before_any_row_is_scored(made, tmp_path):
    run, data = made["table"]
    folder = tmp_path / "tables"
    folder.mkdir()
    frame = pd.read_csv(data)
    frame.to_csv(folder / "good.csv", index=False)
    frame.drop(columns="b").to_parquet(folder / "other.parquet")
    with pytest.raises(ValueError, match=r"other\.parquet, without 'b'"):
        score_blocks(run, str(folder), tmp_path / "out", **SILENT)
    assert not (tmp_path / "out").exists()


def test_what_a_later_block_tells_is_told(made, tmp_path):
    run, data = made["table"]
    frame = pd.read_csv(data).astype({"a": object})
    frame.loc[70:110, "a"] = "?"
    frame.loc[30, "place"] = "elsewhere"
    frame.to_csv(tmp_path / "odd.csv", index=False)
    score(run, str(tmp_path / "odd.csv"), tmp_path / "one.csv", **SILENT)
    told = score_blocks(run, str(tmp_path / "odd.csv"), tmp_path / "out", size=20, **SILENT)["remarks"]
    same_scores(pd.read_csv(tmp_path / "one.csv"), read_scores(tmp_path / "out"))  # a block may have "?" alone
    assert any(line.startswith("Block 4, and in 2 more such: ") and "'a'" in line for line in told), told
    assert any(line.startswith("Block 2: ") and "elsewhere" in line for line in told), told
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Block 4, and in 2 more such" in page


def test_the_verdict_goes_by_the_interval_and_says_which_way_scores_moved(made, tmp_path):
    run, _ = made["images"]
    odd = write_images(tmp_path / "odd", 60, seed=4, odd=range(60))
    told = score_blocks(run, str(odd), tmp_path / "many", **SILENT)["verdict"]
    assert "more than the calibration leaves to chance" in told
    assert "higher than in the calibration" in told
    flat = tmp_path / "flat"
    flat.mkdir()
    for i in range(40):
        Image.fromarray(np.full((16, 16), 120, "uint8")).save(flat / f"{i:02d}.png")
    told = score_blocks(run, str(flat), tmp_path / "few", **SILENT)["verdict"]
    assert told.startswith("Alarms: 0 of 40 images")
    assert "lower than in the calibration" in told


def test_images_of_object_storage_are_those_of_a_folder(made, tmp_path):
    run, data = made["images"]
    score_blocks(run, str(data), tmp_path / "here", size=10, **SILENT)
    found = score_blocks(run, data.as_uri(), tmp_path / "there", size=10, **SILENT)
    assert found["rows"] == 25
    pd.testing.assert_frame_equal(read_scores(tmp_path / "there"), read_scores(tmp_path / "here"))
    with pytest.raises(FileNotFoundError, match="nothing is there"):
        score_blocks(run, f"{data.as_uri()}x", tmp_path / "nowhere", **SILENT)


def test_recordings_too_short_to_judge_have_no_scores(made, tmp_path):
    run, _ = made["footage"]
    day = tmp_path / "day"
    day.mkdir()
    np.save(day / "short.npy", np.zeros((3, 16, 32, 1), "uint8"))
    np.save(day / "long.npy", np.random.default_rng(0).integers(0, 255, (20, 16, 32, 1)).astype("uint8"))
    found = score_blocks(run, str(day), tmp_path / "out", size=4, **SILENT)
    scores = read_scores(tmp_path / "out")
    length = load_run(run).length
    assert (found["rows"], found["judged"]) == (23, 21 - length)
    assert scores["anomaly_score"].isna().sum() == 23 - found["judged"]
    assert scores.loc[scores["anomaly_score"].isna(), "is_anomaly"].isna().all()


def test_mistakes_get_a_sentence_before_anything_is_read(made, tmp_path, capsys):
    run, data = made["images"]
    table, rows = made["table"]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").touch()
    packed = tmp_path / "new.csv.gz"
    pd.read_csv(rows).to_csv(packed, index=False)
    for words, told in (
        ((run, data, "--engine", "spark"), "Expected the engine to be one of local, ray. Received: spark."),
        ((run, data, "--engine", "local", "--workers", "2"), "Expected --workers with --engine ray."),
        ((run, data, "--block", "3"), "Expected --block with --engine. Received: no engine."),
        ((run, data, "--engine", "local", "--maps", "x"), "Expected --maps without --engine. Received: both."),
        ((run, data, "--engine", "local", "--block", "0"), "Expected --block to be at least 1. Received: 0."),
        ((run, f"{data}x", "--engine", "local"), "nothing is there"),
        ((run, rows, "--engine", "local"), "Expected images, as the run was trained on."),
        ((table, packed, "--engine", "local"), "which is compressed as one piece"),
        ((table, "s3://bucket/rows", "--engine", "local"), "images alone are read from an address"),
        ((run, "digits", "--engine", "local"), "score it without --engine"),
        ((run, data, "--engine", "local", "--out", tmp_path / "full"), "Expected a new or empty folder"),
        ((run, data, "--engine", "local", "--out", data / "scored"), "a folder outside the data"),
    ):
        out = () if "--out" in words else ("--out", tmp_path / "out")
        assert command([str(word) for word in ("score", *words, *out)]) == 2
        assert told in capsys.readouterr().err.replace("\n", " "), told
    assert not (tmp_path / "out").exists()


def test_progress_tells_rate_and_time_left(made, tmp_path, monkeypatch):
    monkeypatch.setattr("keras_anogan.runs.bulk.scoring.EVERY", 0.0)
    said = []
    run, data = made["images"]
    score_blocks(run, str(data), tmp_path / "out", size=5, say=said.append)
    assert len(said) == 3  # not of the first block, before which no rate is known, and not of the last
    assert said[1].startswith("3 of 5 blocks, 15 of 25 images, ")
    assert said[1].endswith(" s left.")


# Ray.


@pytest.fixture(scope="module")
def cluster():
    """Ray on this machine, with two workers."""
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


@pytest.mark.parametrize("kind", ["images", "table", "footage"])
def test_ray_s_workers_give_the_scores_of_one_process(kind, made, tmp_path, cluster):
    run, data = made[kind]
    sizes = {"images": 5, "table": 20, "footage": 25}
    score_blocks(run, str(data), tmp_path / "here", size=sizes[kind], **SILENT)
    found = score_blocks(run, str(data), tmp_path / "ray", engine="ray", size=sizes[kind], **SILENT)
    assert found["earlier"] == 0
    here, there = read_scores(tmp_path / "here"), read_scores(tmp_path / "ray")
    numbers = here.select_dtypes("number").columns
    pd.testing.assert_frame_equal(there.drop(columns=numbers), here.drop(columns=numbers))
    np.testing.assert_allclose(there[numbers].astype("float64"), here[numbers].astype("float64"), rtol=1e-5, atol=1e-6)


def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost_or_done_twice(made, tmp_path, cluster, monkeypatch):
    run, data = made["images"]
    score_blocks(run, str(data), tmp_path / "here", size=1, **SILENT)
    killed = []

    def kill_once(summaries, *_):
        for summary in summaries:
            yield summary
            if not killed:
                workers = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if is_worker(pid)]
                os.kill(workers[0], signal.SIGKILL)
                killed.append(workers[0])

    monkeypatch.setattr("keras_anogan.runs.bulk.scoring._told", kill_once)
    score_blocks(run, str(data), tmp_path / "ray", engine="ray", size=1, **SILENT)
    assert killed
    assert len(list((tmp_path / "ray" / "scores").iterdir())) == 25
    numbers = ["anomaly_score", "p_value"]
    here, there = read_scores(tmp_path / "here"), read_scores(tmp_path / "ray")
    assert here["id"].tolist() == there["id"].tolist()
    np.testing.assert_allclose(there[numbers], here[numbers], rtol=1e-5, atol=1e-6)


def is_worker(pid):
    try:
        return "MapWorker" in pathlib.Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


SLOW = """
import sys, time
import keras_anogan.exports
from keras_anogan.runs.bulk import work
from keras_anogan.runs.bulk.scoring import score_blocks
finish = work.Worker.__call__
def slow(self, block):
    summary = finish(self, block)
    print(block.number, flush=True)
    time.sleep(0.2)
    return summary
work.Worker.__call__ = slow
score_blocks(*sys.argv[1:4], size=1)
"""


def test_a_process_that_is_killed_leaves_whole_blocks_and_the_same_command_does_the_rest(made, tmp_path):
    run, data = made["images"]
    words = [sys.executable, "-c", SLOW, str(run), str(data), str(tmp_path / "out")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        for line in process.stdout:
            if line.strip() == "4":
                process.send_signal(signal.SIGKILL)
                break
    done = sorted(path.name for path in (tmp_path / "out" / "scores").glob("part-*"))
    assert done[:5] == [f"part-{i:06d}.parquet" for i in range(5)]
    assert len(done) < 25
    found = score_blocks(run, str(data), tmp_path / "out", size=1, **SILENT)
    assert (found["earlier"], found["rows"]) == (len(done), 25)
    assert read_scores(tmp_path / "out")["id"].is_unique


def test_a_worker_without_its_run_says_so(tmp_path):
    from keras_anogan.runs.bulk.engines import RayWorker

    batch = {
        "worker": [json.dumps({"run": str(tmp_path / "gone"), "scores": str(tmp_path)})],
        "block": [json.dumps({"number": 3, "rows": 1, "place": {}})],
    }
    told = json.loads(RayWorker()(batch)["summary"][0])
    assert told["number"] == 3
    assert "Expected a run folder" in told["error"]


def test_an_address_where_nothing_answers_is_told_at_once(monkeypatch):
    monkeypatch.setattr(pytest.importorskip("ray"), "is_initialized", lambda: False)  # as in a process of its own
    with pytest.raises(ValueError, match=r"Ray cluster\. Received: 127\.0\.0\.1:1; Connection refused\."):
        start_ray("127.0.0.1:1")


def test_without_ray_a_sentence_says_what_to_install(made, tmp_path, monkeypatch, capsys):
    run, data = made["images"]
    find = "keras_anogan.runs.bulk.checks.importlib.util.find_spec"
    monkeypatch.setattr(find, lambda name: None)
    words = ("score", run, data, "--engine", "ray", "--out", tmp_path / "out")
    assert command([str(word) for word in words]) == 2
    assert "pip install 'keras_anogan[scale]'" in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "out").exists()


def test_a_finished_block_is_not_scored_again_by_a_second_worker(made, tmp_path, monkeypatch):
    run, data = made["images"]
    worker = Worker(str(run), str(tmp_path))
    block = cut(worker.run, [str(data)], 10)[1]
    first = worker(block)
    written = (tmp_path / block.file).stat().st_mtime_ns
    monkeypatch.setattr(worker, "_judged", lambda inputs: pytest.fail("scored again"))
    assert worker(block)["seconds"] == first["seconds"] == read_summary(tmp_path / block.file)["seconds"]
    assert (tmp_path / block.file).stat().st_mtime_ns == written
    assert time.time_ns() > written


# Any dataset of Ray's, and experiments.


def test_samples_of_several_sizes_and_tables_are_scored_as_by_the_detector(made):
    run, data = made["images"]
    fitted = load_run(run).fitted
    draw = np.random.default_rng(3)
    images = np.array([draw.integers(0, 255, side, "uint8") for side in ((16, 16), (20, 24), (16, 16))], dtype=object)
    given = {"path": str(run / "detector.keras"), "column": "image", "cores": 1}
    found = BatchScorer()({"image": images, "name": np.array(["a", "b", "c"])}, **given)
    assert list(found) == ["name", "anomaly_score", "is_anomaly", "p_value"]
    for image, score_of_image in zip(images, found["anomaly_score"], strict=True):
        np.testing.assert_allclose(score_of_image, fitted.predict(image[None, ..., None])[0], rtol=1e-5)
    run, data = made["table"]
    rows = pd.read_csv(data)[:9]
    fitted = load_run(run).fitted
    batch = {name: cells.to_numpy() for name, cells in rows.items()}
    found = BatchScorer()(batch, path=str(run / "detector.keras"), column="image", cores=1)
    np.testing.assert_allclose(found["anomaly_score"], fitted.predict(rows), rtol=1e-5)
    assert found["is_anomaly"].tolist() == fitted.detect(rows)["is_anomaly"].tolist()


def test_a_dataset_of_ray_gets_columns_of_scores(made, tmp_path, cluster):
    run, data = made["images"]
    score(run, str(data), tmp_path / "one.csv", **SILENT)
    photos = cluster.data.read_images(str(data), mode="L", include_paths=True)
    scored = bulk.score(photos, run, workers=1).to_pandas().sort_values("path")
    one = pd.read_csv(tmp_path / "one.csv")
    assert [path.rpartition("new/")[2] for path in scored["path"]] == one["id"].tolist()
    np.testing.assert_allclose(scored["anomaly_score"], one["anomaly_score"], rtol=1e-5)
    assert scored["is_anomaly"].tolist() == (one["is_anomaly"] == 1).tolist()
    with pytest.raises(ValueError, match=r"the column 'picture'. Received: one with image, path"):
        bulk.score(photos, run, column="picture")
    with pytest.raises(FileNotFoundError, match="Expected a run folder"):
        bulk.score(photos, tmp_path / "none")


def test_an_experiment_on_ray_has_the_numbers_of_one_process(tmp_path, cluster):
    def numbers_of(seed, part):  # within the test: Ray's workers can't import this file
        return {"value": 0.1 * seed + 0.01 * part, "process": os.getpid()}

    def plain_numbers(part):
        return {"PCA": part / 10}

    recipe = Recipe("a-b-c", "What", "AUROC", {}, None, numbers_of, plain_numbers, None, (3, 7))
    said = []
    here = run_recipe(recipe, (0, 1), tmp_path / "here", lambda line: None)
    there = run_recipe(recipe, (0, 1), tmp_path / "there", said.append, engine="ray")
    assert there["values"] == here["values"] == pytest.approx([0.05, 0.15])
    assert there["baselines"] == here["baselines"]
    assert os.getpid() not in there["beside"]["process"]["values"]
    assert len(said) == 6
    with pytest.raises(ValueError, match=r"local or ray\. Received: spark"):
        run_recipe(recipe, (0,), tmp_path, engine="spark")
