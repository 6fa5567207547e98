"""Evidence -> p-value and verdict: conformal over patients (see ``tables``)."""

from dfd.calibration.cohort import (
    COVARIATES,
    SCREENING,
    SERIES,
    SLICE,
    Calibration,
    Setting,
    combined_p,
    fit,
    rarity,
    unlike,
    without,
)
from dfd.calibration.judgement import ORDINARY, STRONGLY_UNUSUAL, UNUSUAL, Circumstances, form_of, judge, verdict_of
from dfd.calibration.screening import MOST_FALSE_ALARMS, NOT_CALIBRATED, Places, count_in_words, fit_screening, judge_slice, p_of_places, told_of_many
from dfd.calibration.stored import FORMAT, from_json, to_json
from dfd.calibration.tables import QUANTILES, SMALLEST_P, Table, fit_table, p_value, p_values, share_beyond, true_rate_bound

__all__ = [
    "COVARIATES",
    "FORMAT",
    "MOST_FALSE_ALARMS",
    "NOT_CALIBRATED",
    "ORDINARY",
    "QUANTILES",
    "SCREENING",
    "SERIES",
    "SLICE",
    "SMALLEST_P",
    "STRONGLY_UNUSUAL",
    "UNUSUAL",
    "Calibration",
    "Circumstances",
    "Places",
    "Setting",
    "Table",
    "combined_p",
    "count_in_words",
    "fit",
    "fit_screening",
    "fit_table",
    "form_of",
    "from_json",
    "judge",
    "judge_slice",
    "p_of_places",
    "p_value",
    "p_values",
    "rarity",
    "share_beyond",
    "to_json",
    "told_of_many",
    "true_rate_bound",
    "unlike",
    "verdict_of",
    "without",
]
