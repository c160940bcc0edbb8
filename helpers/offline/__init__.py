"""The built book to take along: one PDF, and one archive of its site."""
