"""Puts simulated instruments where a driver can reach them, and lets them fail on request."""
