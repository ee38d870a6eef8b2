"""Bytes and dates in, proven claims out. No Flask, no SQL, no IO, no clock."""
