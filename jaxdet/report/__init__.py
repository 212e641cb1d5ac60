"""Pages and tables from run folders alone: no model, no accelerator, no network."""

from jaxdet.report.tables import print_table as print_table
from jaxdet.report.write import write_report as write_report
