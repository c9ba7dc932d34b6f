"""Tests of the management port."""
