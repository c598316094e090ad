"""`hil serve`: a virtual bench held open in real time, with endpoints that outside tools open."""
