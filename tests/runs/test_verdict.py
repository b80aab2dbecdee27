"""What a run's numbers mean, in a sentence."""

import numpy as np
import pytest

from keras_anogan.runs.verdict import add_chances, baseline_name, counted, judge, on_stray, percent, verdict


def metrics(detected=34, anomalous=36, false=0, normal=24, auroc=0.98, interval=(0.95, 1.0), alpha=0.05, **more):
    alarms = {"detected": detected, "anomalous_rows": anomalous, "false_alarms": false, "normal_rows": normal}
    known = {"auroc": auroc, "auroc_interval": list(interval)} if auroc is not None else {}
    return {"alarms": alarms, "alpha": alpha, "keeps_alpha": True, "rows": {"calibrate": 99}, **known, **more}


def baseline(auroc, low, high):
    return {"auroc": auroc, "auprc": 0.5, "difference": {"auroc": (low + high) / 2, "low": low, "high": high}}


@pytest.mark.parametrize(
    ("found", "level", "sentence"),
    [
        (
            metrics(),
            "good",
            "Good: 34 of 36 anomalies found (94 %; 95 %: 81 to 99.3 %), 0 of 24 false alarms (0 %; 95 %: 0 to 14 %).",
        ),
        (metrics(detected=20), "fair", "Fair: 20 of 36 anomalies found"),
        (metrics(detected=10, auroc=0.8, interval=(0.7, 0.9)), "bad", "Misses most anomalies: 10 of 36"),
        (
            metrics(auroc=0.55, interval=(0.45, 0.65), baselines={"pca_32": baseline(0.99, -0.5, -0.3)}),
            "bad",
            "Worse than PCA-32 (AUROC 0.55 against 0.99): do not use this detector; more training (--epochs), or "
            "--detector pca.",
        ),
        (
            metrics(auroc=0.55, interval=(0.45, 0.65), baselines={"neighbors_of_ten": baseline(0.6, -0.2, 0.1)}),
            "bad",
            "Not shown to be better than guessing (AUROC 0.55; 95 %: 0.45 to 0.65): do not use this detector; more "
            "training (--epochs).",
        ),
        (metrics(auroc=0.2, interval=(0.1, 0.3)), "bad", "Anomalies score lower than normal rows"),
        (
            metrics(baselines={"pca_32": baseline(0.99, -0.03, 0.01)}),
            "good",
            "; not shown to be better than PCA-32 (AUROC 0.98 against 0.99).",
        ),
        (
            metrics(detected=1, rows={"calibrate": 32}),
            "bad",
            "Threshold too high: AUROC 0.98, but 1 of 36 anomalies are found; it is the highest of only 32 calibration "
            "scores: more normal data, or a larger --alpha.",
        ),
        (metrics(detected=1, rows={"calibrate": 999}), "bad", "; a larger --alpha lowers it, for more false alarms."),
        (metrics(detected=1, keeps_alpha=False), "bad", "; a smaller --k lowers it."),
        (metrics(false=12), "bad", "Too many false alarms: 12 of 24 (50 %; 95 %: 29 to 71 %), asked for 5 % (the test"),
        (
            metrics(false=5, normal=24, rows={"calibrate": 19}),
            "bad",
            "(19 calibration rows leave 0.1 to 18 % to chance)",
        ),
        (metrics(false=12, keeps_alpha=False), "good", "12 of 24 false alarms"),
        (
            metrics(detected=2, anomalous=2, auroc=1.0, interval=(0.16, 1.0)),
            "open",
            "Too few test rows to judge: 2 of 2",
        ),
        (
            metrics(detected=0, anomalous=0, false=2, normal=40, auroc=None),
            "open",
            "No test anomalies: only the rate of false alarms is known, 2 of 40 (5 %; 95 %: 0.6 to 17 %), asked for",
        ),
        (metrics(detected=0, anomalous=0, false=20, normal=40, auroc=None), "bad", "(50 %; 95 %: 34 to 66 %)"),
        (metrics(detected=3, anomalous=4, false=0, normal=0, auroc=None), "open", "only the share of anomalies found"),
        (
            {"judged": 40, "alarms": 20, "what": "images", "alpha": 0.05, "keeps_alpha": True},
            "open",
            "20 of 40 images are alarms (50 %; 95 %: 34 to 66 %), more than of normal ones: 5 % of them would be;",
        ),
        (
            {"judged": 40, "alarms": 2, "what": "rows", "alpha": 0.05},
            "open",
            "which does not show more than of normal ones: 5 % of them would be",
        ),
        (
            {"judged": 12, "alarms": 4, "what": "images", "alpha": 0.1},
            "open",
            "4 of 12 images are alarms; 12 are too few",
        ),
        (
            {"judged": 1, "alarms": 0, "what": "images", "alpha": 0.1},
            "open",
            "0 of 1 image is an alarm; one is too few",
        ),
        ({"judged": 40, "alarms": 2, "what": "frames"}, "open", "2 of 40 frames are alarms (5 %); without labels"),
        (
            {
                "judged": 40,
                "alarms": 2,
                "what": "frames",
                "detection_rate": 0.5,
                "false_alarm_rate": 0.02,
                "auroc": 0.8,
            },
            "open",
            "Alarms in 50 % of the anomalous frames and 2 % of the normal ones; AUROC 0.80.",
        ),
        (
            {"judged": 9, "alarms": 2, "what": "frames", "detection_rate": 0.2, "false_alarm_rate": 0.3, "auroc": 0.44},
            "bad",
            "No better than guessing (AUROC 0.44): alarms in 20 % of the anomalous frames and 30 % of the normal ones.",
        ),
        ({"rows": {"calibrate": 800}, "alpha": 0.01}, "open", "from 800 normal windows, asked for 1 %; score labelled"),
    ],
)
def test_a_sentence_for_every_outcome(found, level, sentence):
    judged = judge(found)
    assert sentence in judged.sentence
    assert judged.level == level
    assert judged.sentence == verdict(found)
    assert judged.sentence.count(". ") == 0


def test_no_more_training_for_what_is_solved():
    worse = metrics(auroc=0.6, interval=(0.55, 0.65), baselines={"pca_8": baseline(0.7, -0.2, -0.05)})
    assert verdict(worse, closed_form=True).endswith("do not use this detector; --detector pca.")


def test_the_best_of_the_better_baselines_is_named():
    both = {"pca_8": baseline(0.7, -0.2, -0.05), "gaussian": baseline(0.9, -0.4, -0.25), "x": baseline(0.95, -0.5, 0.1)}
    assert verdict(metrics(auroc=0.6, baselines=both)).startswith("Worse than gaussian (AUROC 0.60 against 0.90)")


def test_chances_are_added_under_the_keys_of_the_baselines():
    draw = np.random.default_rng(0)
    labels = np.repeat([0, 1], 40)
    scores = draw.normal(labels, 1.0)
    found = {"baselines": {"pca_32": {"auroc": 1.0}, "neighbors": {"auroc": 0.5}}}
    results = {"score": scores, "is_anomaly": scores > 1.5}
    kinds = ["good"] * 40 + ["dent"] * 15 + ["hole"] * 25
    others = {"PCA-32": labels.astype("float64"), "neighbors": draw.normal(size=80)}
    add_chances(found, labels, kinds, results, others)
    assert found["auroc_interval"][0] < 0.76 < found["auroc_interval"][1]
    assert found["baselines"]["pca_32"]["difference"]["high"] < 0.0
    assert found["baselines"]["neighbors"]["difference"]["low"] > 0.0
    assert {line["kind"]: line["count"] for line in found["kinds"]} == {"dent": 15, "hole": 25}
    assert sum(line["found"] for line in found["kinds"]) == results["is_anomaly"][40:].sum()
    none = {"baselines": {"pca_32": {}}}
    add_chances(none, np.zeros(5, "int64"), None, {"score": np.arange(5.0), "is_anomaly": np.zeros(5)}, {})
    assert none == {"baselines": {"pca_32": {}}}


def test_numbers_have_the_digits_that_mean_something():
    assert [percent(x) for x in (0, 0.0004, 0.006, 0.0527, 0.137, 0.5, 0.996, 1)] == [
        "0 %", "0.04 %", "0.6 %", "5.3 %", "14 %", "50 %", "99.6 %", "100 %",
    ]  # fmt: skip
    assert counted(2, 40) == "2 of 40 (5 %; 95 %: 0.6 to 17 %)"
    assert counted(0, 0) == "0 of 0"
    assert [baseline_name(key) for key in ("pca_32", "isolation_forest")] == ["PCA-32", "isolation forest"]


def test_a_threshold_that_rests_on_one_stray_score_is_told():
    scores = np.concatenate([np.random.default_rng(0).normal(size=79), [10.5]])
    (remark,) = on_stray(scores, 10.5, "rows")
    assert remark.startswith("The threshold, 10.5, rests on the highest of 80 calibration scores, far above the others")
    assert on_stray(scores[:-1], float(scores[:-1].max()), "rows") == []
    assert on_stray(scores, float(np.sort(scores)[-3]), "rows") == []  # the stray is harmless
    (remark,) = on_stray(np.append(scores, 10.7), 10.5, "images")
    assert "the 2 highest of 81" in remark
    assert on_stray(np.ones(80), 1.0, "rows") == []


def test_heavy_tails_are_seldom_taken_for_strays():
    draw = np.random.default_rng(0)
    for sample in (draw.normal, draw.exponential, draw.lognormal):
        found = [on_stray(scores, float(scores.max()), "rows") for scores in sample(size=(500, 80))]
        assert np.mean([bool(remarks) for remarks in found]) < 0.03
