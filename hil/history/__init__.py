"""Results and figures over nights: kept in SQLite, with changes told from noise and flaky cases from broken ones."""
