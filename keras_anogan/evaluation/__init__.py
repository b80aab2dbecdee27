"""Evaluation: what labels are for. Nothing here is used to fit, stop or calibrate anything."""

from keras_anogan.evaluation.pixels import per_region_overlap, pixel_auroc
from keras_anogan.evaluation.rates import (
    alarm_counts,
    alarm_rates,
    auprc,
    auroc,
    auroc_by_kind,
    auroc_difference,
    auroc_interval,
    best_f1,
    detection_by_kind,
    equal_error_rate,
    f1_of_top_share,
    interval_over_groups,
    kinds_table,
    rate_interval,
    rate_interval_over_groups,
    scaled_cross_entropy,
    summarise,
)

__all__ = [
    "alarm_counts",
    "alarm_rates",
    "auprc",
    "auroc",
    "auroc_by_kind",
    "auroc_difference",
    "auroc_interval",
    "best_f1",
    "detection_by_kind",
    "equal_error_rate",
    "f1_of_top_share",
    "interval_over_groups",
    "kinds_table",
    "per_region_overlap",
    "pixel_auroc",
    "rate_interval",
    "rate_interval_over_groups",
    "scaled_cross_entropy",
    "summarise",
]
