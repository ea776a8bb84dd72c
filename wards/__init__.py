"""What a ward is: model, shifts, calendar, windows, catalogue, and a practice hospital."""
