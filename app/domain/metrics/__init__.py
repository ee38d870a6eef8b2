"""What is measured of the promises that operators watch, and how every process can show all of it."""
