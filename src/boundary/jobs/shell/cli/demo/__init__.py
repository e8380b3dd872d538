"""The demonstration: half a minute in a small shop.

`shop` holds the handlers, as a user would write them; `pictures` draws what they resize; `show`
plays the story.
"""
