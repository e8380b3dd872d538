"""`boundary-jobs top`: the live view of a terminal.

What belongs here: what is looked at (`glimpse`), what a key does to what is shown and asks of the store
(`brain`, pure), how it is drawn (`drawing`), the terminal as keys (`keys`), and the loop that joins them
(`watching`). What does not: a rule of the queue, or an act that the doors do not have.
"""
