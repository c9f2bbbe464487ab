"""The command line: parsing, help, completion, and the call of a job with its configured parts."""
