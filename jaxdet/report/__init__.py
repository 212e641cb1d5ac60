"""Pages and tables from run folders alone: no model, no accelerator, no network."""

from jaxdet.report.page import write_report as write_report
from jaxdet.report.tables import print_table as print_table
