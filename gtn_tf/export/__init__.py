"""A trained GTN as files (`write`), and read again (`load`)."""
