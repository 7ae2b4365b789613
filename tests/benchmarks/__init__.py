"""What sessions and open pages cost, beside what there is to compare with.

Run by hand: ``python -m tests.benchmarks``. Figures of one run compare; figures of two do not.
"""
