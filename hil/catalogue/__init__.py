"""What there is to be shown, and which cases show it: requirements, the brief line by line, the cases, and coverage."""
