"""A small shop to look at: local services in several languages, and clients that keep them busy for a while.

    parts.py    which programs there are, what each needs, how it is started
    shop.py     prepares, starts and ends them
    told.py     what a person reads in the terminal
    sources/    the programs, each in one file of its language, without anything to install

rover knows none of this: the shop is watched like any other process, by a rules file that also gives the names.
"""

from rover.demo.shop import Shop

__all__ = ["Shop"]
