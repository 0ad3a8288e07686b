"""Tests of the tests: bugs planted in the gradient rules, and how many of them the suite catches."""
