"""Drivers, one module for each instrument family."""
