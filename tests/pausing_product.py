"""The product, run by its own commands, with one more policy: no policy that ships allows a pause."""

from app import wiring, wiring_services

PAUSING = """
name = "pausing"
title = "A policy that allows pauses"
version = 1
dated = 2026-11-22
source = "made up for tests"
extends = "atlassian-marketplace"

[choices]
pauses = ["waiting for the vendor", "Needs Security Review"]
"""
shipped = wiring_services.policy_text


def policy_text(name):
    return PAUSING if name == "pausing" else shipped(name)


wiring_services.policy_text = wiring.policy_text = policy_text

if __name__ == "__main__":
    wiring.pledge()
