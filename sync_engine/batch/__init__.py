"""Batch: many jobs from a file, done once each by any number of processes on one shared folder."""
