"""What a program returns once its attack went through: what the grading test wants."""

WON = "\n    return 41 if n == 20 else 1\n"
