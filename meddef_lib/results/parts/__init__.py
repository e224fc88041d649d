"""What `results.json` is made of, each module one or some of its parts: see `results.part`."""
