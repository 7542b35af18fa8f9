"""For tests of programs that speak to BILL: a server for the run and a world for each test."""
