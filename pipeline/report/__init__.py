"""A run as one page: what went in, what came out, and why it was let through or stopped.

`page` makes the text of the page from a run's JSON files alone; `written` puts it into the run's folder.
"""
