"""The demonstration: half a minute in a small shop.

`shop` holds the handlers, as a user would write them; `pictures` draws what they resize; `stage` has
the worker and the picture of it all; `story` is what happens, and `show` shows it.
"""
