"""Writes what a run measures, and reads it again. Nothing here needs a model."""

from jaxdet.results.analyses import CropScores as CropScores
from jaxdet.results.analyses import Lineup as Lineup
from jaxdet.results.analyses import Ranked as Ranked
from jaxdet.results.analyses import Spectrum as Spectrum
from jaxdet.results.arrays import Predictions as Predictions
from jaxdet.results.arrays import read_arrays as read_arrays
from jaxdet.results.arrays import write_arrays as write_arrays
from jaxdet.results.calibration import ERROR_RATES as ERROR_RATES
from jaxdet.results.calibration import Calibration as Calibration
from jaxdet.results.checks import is_finite as is_finite
from jaxdet.results.folder import RunFolder as RunFolder
from jaxdet.results.folder import read_metrics as read_metrics
from jaxdet.results.folder import step_number as step_number
from jaxdet.results.records import SCHEMA_VERSION as SCHEMA_VERSION
from jaxdet.results.records import Condition as Condition
from jaxdet.results.records import Figure as Figure
from jaxdet.results.records import Overall as Overall
from jaxdet.results.records import Results as Results
from jaxdet.results.records import Scores as Scores
from jaxdet.results.records import SetResult as SetResult
from jaxdet.results.records import Summary as Summary
from jaxdet.results.records import TwoShot as TwoShot
from jaxdet.results.records import read_results as read_results
