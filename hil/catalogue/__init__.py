"""What there is to be shown, and how far it was shown: requirements, the brief line by line, and coverage."""
