"""Measures what a list of scores is worth: functions of (label, score) in numpy, Python floats out.

Labels are 1 = fake and 0 = real; a larger score means more fake. Give logits, never float32
sigmoids: those saturate to 1.0 from logit 17 on, and the ties change every ranking.

Each number is written once, as a function of a `Tally` (`..._of`): over the images as they are
for the value, over many resamples at once for its interval.
"""

from jaxdet.metrics.calibration import brier_of as brier_of
from jaxdet.metrics.calibration import brier_score as brier_score
from jaxdet.metrics.calibration import calibration_error as calibration_error
from jaxdet.metrics.calibration import calibration_error_of as calibration_error_of
from jaxdet.metrics.calibration import fit_temperature as fit_temperature
from jaxdet.metrics.calibration import log_loss as log_loss
from jaxdet.metrics.protocols import FAMILIES as FAMILIES
from jaxdet.metrics.protocols import PROTOCOLS as PROTOCOLS
from jaxdet.metrics.protocols import USUAL_NAMES as USUAL_NAMES
from jaxdet.metrics.protocols import family_heads as family_heads
from jaxdet.metrics.protocols import missing_sets as missing_sets
from jaxdet.metrics.protocols import protocol_mean as protocol_mean
from jaxdet.metrics.ranking import ap_of as ap_of
from jaxdet.metrics.ranking import auc as auc
from jaxdet.metrics.ranking import auc_of as auc_of
from jaxdet.metrics.ranking import average_precision as average_precision
from jaxdet.metrics.ranking import eer as eer
from jaxdet.metrics.ranking import eer_of as eer_of
from jaxdet.metrics.ranking import precision_recall as precision_recall
from jaxdet.metrics.ranking import sharpness_floor as sharpness_floor
from jaxdet.metrics.ranking import tpr_at_fpr as tpr_at_fpr
from jaxdet.metrics.ranking import tpr_at_fpr_of as tpr_at_fpr_of
from jaxdet.metrics.resampling import bootstrap as bootstrap
from jaxdet.metrics.resampling import interval as interval
from jaxdet.metrics.resampling import paired_differences as paired_differences
from jaxdet.metrics.resampling import pooled_draws as pooled_draws
from jaxdet.metrics.resampling import shared_reals as shared_reals
from jaxdet.metrics.spectra import PERIODS as PERIODS
from jaxdet.metrics.spectra import periodic_peaks as periodic_peaks
from jaxdet.metrics.table import BALANCED_GROUP as BALANCED_GROUP
from jaxdet.metrics.table import MEASURES as MEASURES
from jaxdet.metrics.table import Column as Column
from jaxdet.metrics.table import measures_of as measures_of
from jaxdet.metrics.tally import Measure as Measure
from jaxdet.metrics.tally import Tally as Tally
from jaxdet.metrics.tally import tally as tally
from jaxdet.metrics.tally import value as value
from jaxdet.metrics.thresholds import accuracy as accuracy
from jaxdet.metrics.thresholds import accuracy_at as accuracy_at
from jaxdet.metrics.thresholds import accuracy_of as accuracy_of
from jaxdet.metrics.thresholds import balanced_accuracy_at as balanced_accuracy_at
from jaxdet.metrics.thresholds import best_balanced_of as best_balanced_of
from jaxdet.metrics.thresholds import best_balanced_tnr_of as best_balanced_tnr_of
from jaxdet.metrics.thresholds import best_balanced_tpr_of as best_balanced_tpr_of
from jaxdet.metrics.thresholds import fpr_at as fpr_at
from jaxdet.metrics.thresholds import images_for_quantile as images_for_quantile
from jaxdet.metrics.thresholds import oracle as oracle
from jaxdet.metrics.thresholds import oracle_accuracy_of as oracle_accuracy_of
from jaxdet.metrics.thresholds import oracle_threshold_of as oracle_threshold_of
from jaxdet.metrics.thresholds import quantile_interval as quantile_interval
from jaxdet.metrics.thresholds import threshold_at_fnr as threshold_at_fnr
from jaxdet.metrics.thresholds import threshold_at_fpr as threshold_at_fpr
from jaxdet.metrics.thresholds import tnr_at as tnr_at
from jaxdet.metrics.thresholds import tpr_at as tpr_at
from jaxdet.metrics.thresholds import true_rates as true_rates
from jaxdet.metrics.two_shot import fit_bias as fit_bias
from jaxdet.metrics.two_shot import two_shot_accuracy as two_shot_accuracy
