"""Who is told of which clock, when, and how: often enough that nobody is surprised, and never a flood."""
