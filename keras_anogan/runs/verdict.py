"""What the numbers of a run mean, in one sentence."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from keras_anogan import evaluation, words
from keras_anogan.models import list_detectors
from keras_anogan.thresholds import calibration_interval

GOOD, FAIR = 0.8, 0.5  # shares of the anomalies that are found
ENOUGH = 30  # scored rows; with fewer, a share of alarms tells nothing
FEW = 10  # rows of a class; with fewer, an AUROC that may be a guess is no news about the detector
SEPARATES = 0.9  # AUROC from which a threshold that finds few anomalies is to blame, and not the score


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A sentence, and how good its news is: "good", "fair", "bad", or "open" where the data can't tell."""

    level: str
    sentence: str


def verdict(metrics: dict[str, Any], closed_form: bool = False) -> str:
    """What `metrics.json` means, in one sentence; see `judge`."""
    return judge(metrics, closed_form).sentence


def judge(metrics: dict[str, Any], closed_form: bool = False) -> Verdict:
    """What the numbers of a run, or of scored data, mean.

    The worst news comes first: a baseline whose AUROC is higher by more than the choice of test rows explains (DeLong's
    interval of the difference, `evaluation.auroc_difference`); no better than guessing; a good AUROC of which the
    threshold makes nothing; a rate of false alarms whose exact interval lies above what was asked for; few anomalies
    found. A rate is judged by its exact interval, and all of it at the threshold, which no label has moved.

    Args:
        metrics: content of `metrics.json`, or what scored data have of it.
        closed_form: whether more training would change nothing.
    """
    alarms = metrics.get("alarms")
    if not isinstance(alarms, dict):
        return _without_test(metrics)
    normal, anomalous = alarms["normal_rows"], alarms["anomalous_rows"]
    found, false = counted(alarms["detected"], anomalous), counted(alarms["false_alarms"], normal)
    if not anomalous:
        level = {"above": "bad", "below": "fair"}.get(_against_asked(metrics), "open")
        known = f"No test anomalies: only the rate of false alarms is known, {false}"
        return Verdict(level, f"{known}{_asked(metrics)}{_why_not_asked(metrics)}.")
    if not normal:
        return Verdict("open", f"No normal test rows: only the share of anomalies found is known, {found}.")
    both = f"{counted(alarms['detected'], anomalous, 'anomalies found')}, "
    both += counted(alarms["false_alarms"], normal, "false alarms")
    if _too_few(metrics):
        return Verdict("open", f"Too few test rows to judge: {both}.")
    for says in (_worse_than_baseline, _no_separation, _threshold_too_high):
        if sentence := says(metrics, closed_form):
            return Verdict("bad", sentence)
    share = alarms["detected"] / anomalous
    beside = _beside_baselines(metrics, closed_form)
    if _against_asked(metrics) == "above":
        return Verdict(
            "bad", f"Too many false alarms: {false}{_asked(metrics)}{_why_not_asked(metrics)}; {found} found."
        )
    if share < FAIR:
        return Verdict("bad", f"Misses most anomalies: {both}{beside}.")
    level, word = ("good", "Good") if share >= GOOD else ("fair", "Fair")
    return Verdict(level, f"{word}: {both}{beside}.")


def add_chances(
    metrics: dict[str, Any],
    labels: np.ndarray | None,
    kinds: Any,
    results: dict[str, np.ndarray],
    baselines: dict[str, np.ndarray],
    parts: Any = None,
) -> None:
    """Add to metrics what chance leaves open: `auroc_interval`, each baseline's `difference`, `kinds`, and
    `over_parts`, intervals that count parts instead of rows.

    Args:
        metrics: with `auroc`, and `baselines` by key.
        labels: (n,): 1 anomalous, 0 normal; None where nobody knows.
        kinds: what each row is, (n,), or None.
        results: `score` and `is_anomaly` of the rows.
        baselines: scores of the rows by name or key, in any order.
        parts: what each row shows, (n,), where rows of one part resemble each other.
    """
    if labels is None or not len(labels):
        return
    if 0 < labels.sum() < len(labels):
        metrics["auroc_interval"] = list(evaluation.auroc_interval(labels, results["score"]))
        keys = {_plain(key): key for key in metrics.get("baselines", {})}
        for name, scores in baselines.items():
            if _plain(name) in keys:
                difference, low, high = evaluation.auroc_difference(labels, results["score"], scores)
                metrics["baselines"][keys[_plain(name)]]["difference"] = {"auroc": difference, "low": low, "high": high}
    if parts is not None:
        metrics["over_parts"] = _over_parts(labels, results, np.asarray(parts))
    if kinds is not None and labels.any():
        metrics["kinds"] = evaluation.kinds_table(labels, results["score"], results["is_anomaly"], kinds)


def _over_parts(labels: np.ndarray, results: dict[str, np.ndarray], parts: np.ndarray) -> dict[str, Any]:
    """How many parts there are, and 95 % intervals over them."""
    alarms = np.asarray(results["is_anomaly"]).astype(bool)
    found: dict[str, Any] = {"parts": len(np.unique(parts))}
    if 0 < labels.sum() < len(labels) and found["parts"] > 1:
        found["auroc"] = list(evaluation.interval_over_groups(evaluation.auroc, parts, labels, results["score"]))
    for key, label in (("false_alarm_rate", 0), ("detection_rate", 1)):
        if (rows := labels == label).any():
            found[key] = list(evaluation.rate_interval_over_groups(alarms[rows], parts[rows]))
    return found


def over_parts(metrics: dict[str, Any]) -> str:
    """The intervals over parts in a sentence; empty where there are none."""
    found = metrics.get("over_parts")
    if not found:
        return ""
    said = []
    if "auroc" in found:
        said.append("AUROC {:.2f} to {:.2f}".format(*found["auroc"]))
    for key, name in (("false_alarm_rate", "false alarms"), ("detection_rate", "found")):
        if key in found:
            low, high = map(percent, found[key])
            said.append(f"{name} {low[:-2]} to {high}")
    return f"Photographs of one part resemble each other. Over {found['parts']:,} parts (95 %): {', '.join(said)}."


def baseline_name(key: str) -> str:
    """What a baseline in `metrics.json` is called in a sentence, e.g. "PCA-32" for "pca_32"."""
    if _plain(key).startswith("pca"):
        return key.upper().replace("_", "-")
    return key.replace("_", " ")


def best_baseline(metrics: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Name and numbers of the baseline with the highest AUROC; the first where none is known; None without any."""
    found = list(metrics.get("baselines", {}).items())
    if not found:
        return None
    key, numbers = max(found, key=lambda item: -1.0 if item[1].get("auroc") is None else item[1]["auroc"])
    return baseline_name(key), numbers


def counted(hits: int, of: int, what: str = "") -> str:
    """A count, its rate and the exact 95 % interval: "2 of 40 false alarms (5 %; 95 %: 0.6 to 17 %)"."""
    return f"{hits:,} of {of:,}{what and f' {what}'}" + (f" ({percent(hits / of)}; {interval(hits, of)})" if of else "")


def interval(hits: int, of: int) -> str:
    """The exact 95 % interval of a rate: "95 %: 0.6 to 17 %"."""
    low, high = evaluation.rate_interval(hits, of)
    return f"95 %: {percent(low)[:-2]} to {percent(high)}"


def percent(share: float) -> str:
    """A share as a percentage with the digits that mean something: "0.06 %", "5.3 %", "14 %", "99.6 %", "100 %"."""
    value = 100.0 * share
    if 0.0 < value < 0.95:
        return f"{value:.1g} %"
    digits = 1 if value < 9.95 or 99.0 < value < 99.95 else 0
    text = f"{value:.{digits}f}"
    return f"{text.removesuffix('.0')} %"


def _without_test(metrics: dict[str, Any]) -> Verdict:
    """Footage, or scored data of which nobody knows what they are."""
    if "judged" in metrics:
        n, of = metrics["alarms"], metrics["judged"]
        if not of:
            return Verdict("open", "Nothing was judged.")
        what = metrics["what"]
        alarms = f"{n:,} of {words.counted(of, what)} {'is an alarm' if 1 in (n, of) else 'are alarms'}"
        said = f"{alarms} ({percent(n / of)}"
        if metrics.get("false_alarm_rate") is not None and metrics.get("detection_rate") is not None:
            rates = [percent(metrics[key]) for key in ("detection_rate", "false_alarm_rate")]
            shares = f"larms in {rates[0]} of the anomalous frames and {rates[1]} of the normal ones"
            separates = f"AUROC {metrics['auroc']:.2f}"
            if metrics["auroc"] <= 0.5:
                return Verdict("bad", f"No better than guessing ({separates}): a{shares}.")
            return Verdict("open", f"A{shares}; {separates}.")
        if what == "frames":  # those in a row resemble each other: an exact interval would be too narrow
            return Verdict("open", f"{said}); without labels nobody knows which of them are right.")
        said = f"{said}; {interval(n, of)})"
        if not metrics.get("keeps_alpha", True):
            return Verdict("open", f"{said}; without labels nobody knows which of them are right.")
        expected = f"{100 * metrics['alpha']:.4g} % of them would be"
        if of < ENOUGH:
            few = "one is" if of == 1 else f"{of:,} are"
            return Verdict("open", f"{alarms}; {few} too few for a rate: look at scores and p-values.")
        if evaluation.rate_interval(n, of)[0] > metrics["alpha"]:
            return Verdict("open", f"{said}, more than of normal ones: {expected}; look at the highest scores.")
        return Verdict("open", f"{said}, which does not show more than of normal ones: {expected}.")
    rows = metrics["rows"]["calibrate"]
    said = f"Nothing was tested: the threshold comes from {words.counted(rows, 'normal windows')}{_asked(metrics)}"
    return Verdict("open", f"{said}; score labelled footage to know what it finds.")


def on_stray(scores: np.ndarray, threshold: float, noun: str) -> list[str]:
    """A remark on a threshold that rests on calibration scores far above all others: these data may not be normal.

    Far: the gap below the threshold is more than four times as wide as the others lie above their median.

    Args:
        scores: of the calibration, (n,).
        threshold: of the detector.
        noun: what was calibrated with, in the plural.
    """
    rest = scores[scores < threshold]
    if len(rest) < 10 or len(rest) == len(scores):
        return []
    highest = float(rest.max())
    if threshold - highest <= 4.0 * (highest - float(np.median(rest))):
        return []
    top = len(scores) - len(rest)
    rests, which = ("the highest", "one") if top == 1 else (f"the {top} highest", "some")
    return [
        f"The threshold, {threshold:.4g}, rests on {rests} of {len(scores):,} calibration scores, far above the others "
        f"(the next is {highest:.4g}): {which} of the normal {noun} may not be normal, which hides "
        "anomalies. `score` on the training data tells which; leave it out and train again."
    ]


def _too_few(metrics: dict[str, Any]) -> bool:
    """Whether the AUROC may be high or a guess, because a class has hardly any rows."""
    if metrics.get("auroc") is None or "auroc_interval" not in metrics:
        return False
    rarer = min(metrics["alarms"]["normal_rows"], metrics["alarms"]["anomalous_rows"])
    return rarer < FEW and metrics["auroc_interval"][0] <= 0.5 < metrics["auroc"]


def _no_separation(metrics: dict[str, Any], closed_form: bool) -> str:
    if metrics.get("auroc") is None or "auroc_interval" not in metrics:
        return ""
    low, high = metrics["auroc_interval"]
    numbers = f"AUROC {metrics['auroc']:.2f}; 95 %: {low:.2f} to {high:.2f}"
    if high < 0.5:
        return f"Anomalies score lower than normal rows ({numbers}): do not use this detector."
    if low <= 0.5:
        advice = _advice(metrics, closed_form)
        return f"Not shown to be better than guessing ({numbers}): do not use this detector{advice}."
    return ""


def _worse_than_baseline(metrics: dict[str, Any], closed_form: bool) -> str:
    """The baseline with the highest AUROC of those that are better by more than chance."""
    worse = {}
    for key, numbers in metrics.get("baselines", {}).items():
        if numbers.get("difference", {}).get("high", 0.0) < 0.0:
            worse[key] = numbers["auroc"]
    if not worse:
        return ""
    key = max(worse, key=worse.__getitem__)
    return (
        f"Worse than {baseline_name(key)} (AUROC {metrics['auroc']:.2f} against {worse[key]:.2f}): "
        f"do not use this detector{_advice(metrics, closed_form, key)}."
    )


def _advice(metrics: dict[str, Any], closed_form: bool, key: str | None = None) -> str:
    """What else to do: train longer, or take the baseline if it is a detector too."""
    name = None if key is None else _plain(key).rstrip("0123456789")
    ways = [] if closed_form else ["more training (--epochs)"]
    ways += [f"--detector {name}"] if name in list_detectors() else []
    return f"; {', or '.join(ways)}" if ways and "baselines" in metrics else ""


def _threshold_too_high(metrics: dict[str, Any], closed_form: bool) -> str:
    """A good AUROC, and a threshold above most anomalies."""
    alarms = metrics["alarms"]
    if (metrics.get("auroc") or 0.0) < SEPARATES or alarms["detected"] >= FAIR * alarms["anomalous_rows"]:
        return ""
    found = f"{alarms['detected']:,} of {alarms['anomalous_rows']:,} anomalies are found"
    said = f"Threshold too high: AUROC {metrics['auroc']:.2f}, but {found}"
    rows = metrics.get("rows", {}).get("calibrate", 0)
    if not metrics.get("keeps_alpha", True):
        return f"{said}; a smaller --k lowers it."
    above = int(metrics["alpha"] * (rows + 1) + 1e-9)
    if rows and above <= 2:
        which = "highest" if above <= 1 else "second highest"
        scores = words.counted(rows, "calibration scores")
        return f"{said}; it is the {which} of only {scores}: more normal data, or a larger --alpha."
    return f"{said}; a larger --alpha lowers it, for more false alarms."


def _against_asked(metrics: dict[str, Any]) -> str:
    """Where the exact interval of the false-alarm rate lies: "above", "below", or "" if it contains what was asked."""
    alarms = metrics["alarms"]
    if not metrics.get("keeps_alpha", True) or not alarms["normal_rows"]:
        return ""
    low, high = evaluation.rate_interval(alarms["false_alarms"], alarms["normal_rows"])
    return "above" if low > metrics["alpha"] else "below" if high < metrics["alpha"] else ""


def _asked(metrics: dict[str, Any]) -> str:
    return f", asked for {100 * metrics['alpha']:.4g} %" if metrics.get("keeps_alpha", True) else ""


def _why_not_asked(metrics: dict[str, Any]) -> str:
    """Whether the choice of calibration rows alone explains a rate that is not the one asked for."""
    where, rows = _against_asked(metrics), metrics.get("rows", {}).get("calibrate", 0)
    if not where or not rows:
        return ""
    low, high = calibration_interval(metrics["alpha"], rows)
    alarms = metrics["alarms"]
    seen = evaluation.rate_interval(alarms["false_alarms"], alarms["normal_rows"])
    if seen[0] <= high and low <= seen[1]:
        return f" ({rows:,} calibration rows leave {percent(low)[:-2]} to {percent(high)} to chance)"
    several = metrics.get("reduction") and not metrics.get("group")  # images that nobody has grouped
    hint = "; photographs of one part on both sides of the split do that, and --group keeps them together"
    return f" (the test's normal rows are unlike the calibration's{hint if several else ''})"


def _beside_baselines(metrics: dict[str, Any], closed_form: bool) -> str:
    """That a baseline is as good, which a detector with a training has to beat to be worth it."""
    best = best_baseline(metrics)
    if closed_form or best is None or best[1].get("difference") is None:
        return ""
    if best[1]["difference"]["low"] > 0.0:
        return ""
    return f"; not shown to be better than {best[0]} (AUROC {metrics['auroc']:.2f} against {best[1]['auroc']:.2f})"


def _plain(key: str) -> str:
    return key.lower().replace("-", "").replace("_", "").replace(" ", "")
