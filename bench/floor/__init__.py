"""The floor: the least program that answers R and W, with nothing a product needs besides.

R = GET a vendor in a session; W = POST a bill of 3 lines and its event, durable.

    python -m bench.floor sqlite:FILE PORT        python -m bench.floor postgresql://… PORT [PROCESSES]

An operation is a synchronous function of a small transaction. On SQLite reads run on the loop and
writes share a commit, on PostgreSQL each runs in a thread. There are no rules, limits, logs, audit
or lists here, and no rollback when a COMMIT fails. A slower floor would flatter Billfold: what is
added here must be measured against what was here before.
"""
