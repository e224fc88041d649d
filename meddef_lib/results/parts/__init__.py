"""What `results.json` is made of, a module a part: see `results.part`."""
