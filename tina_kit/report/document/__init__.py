"""The report of a run as one HTML page, written for somebody who was not there."""
