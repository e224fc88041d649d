"""What a person starts: the `invoke` commands, a run, the session of a notebook."""
