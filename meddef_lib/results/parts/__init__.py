"""What `results.json` is made of, a module a part: see `results.part`.

The section of the page that draws a part (`report.sections`) has its name, where there is one.
"""
