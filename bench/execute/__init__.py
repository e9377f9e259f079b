"""Who does the work of a run: this process, some of this machine, or many machines; what is done is the same."""
