"""The processes of a job: ranks, how they are started and supervised, and how their failures are reported."""
