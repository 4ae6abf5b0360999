"""The audit as a page that people look at: `write_report` in `write.py`."""
